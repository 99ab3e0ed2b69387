#!/usr/bin/env python3
"""srnn by its defaults, without a word about the data, beside what a few lines of other libraries reach.

    pip install -r benches/accuracy/requirements.txt
    python benches/accuracy/run.py --json results.json

For every set: `srnn train FILE --out M --test FILE` alone (new), with `--preset plain` (old), over three seeds; then TF-IDF and
logistic regression (texts), MiniRocket and, of small sets, 1-NN with dynamic time warping (series). `--sets`, `--seeds`, `--only
new,old,reference`, `--jobs` (each with one thread), `--srnn FILE`, `--options "--search 5"`.
"""

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import data


def srnn(binary, pair, options, seed):
    """Test accuracy in per cent, validation, and seconds."""
    with tempfile.TemporaryDirectory() as room:
        command = [binary, "train", pair[0], "--test", pair[1], "--out", f"{room}/model", "--device", "cpu", "--seed", seed, *options]
        start = time.time()
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              env=dict(os.environ, RAYON_NUM_THREADS="1"))
        seconds = time.time() - start
    found = re.search(r"test: accuracy ([\d.]+) %", done.stdout)
    if not found:
        raise SystemExit(f"{' '.join(map(str, command))}:\n{done.stderr[-2000:]}")
    return {"accuracy": float(found.group(1)), "seconds": round(seconds, 1)}


def reference(name, pair):
    """The references of a set: name, accuracy and seconds of each."""
    found = []

    def of(title, fit):
        start = time.time()
        found.append({"name": title, "accuracy": round(100 * fit(), 2), "seconds": round(time.time() - start, 1)})

    if name in data.TEXTS:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        (x, y), (z, w) = (zip(*data.table(path)) for path in pair)
        # What a few lines are: scikit-learn's own defaults; of Chinese, characters.
        cut = {"analyzer": "char", "ngram_range": (1, 2)} if name == "chinese" else {}
        of("TF-IDF + LR", lambda: make_pipeline(TfidfVectorizer(**cut), LogisticRegression(max_iter=1000)).fit(x, y).score(z, w))
        cut = {"analyzer": "char"} if name == "chinese" else {}
        better = TfidfVectorizer(**cut, ngram_range=(1, 2), sublinear_tf=True)
        of("pairs, C = 10", lambda: make_pipeline(better, LogisticRegression(C=10, max_iter=1000)).fit(x, y).score(z, w))
        return found
    import numpy as np
    from aeon.classification.convolution_based import MiniRocketClassifier
    from aeon.classification.distance_based import KNeighborsTimeSeriesClassifier

    (train, y), (test, w) = (series(path) for path in pair)
    longest = max(len(dim) for row in train + test for dim in row)
    x, z = filled(train, longest), filled(test, longest)
    y, w = np.array(y), np.array(w)
    of("MiniRocket", lambda: MiniRocketClassifier(random_state=1, n_jobs=1).fit(x, y).score(z, w))
    if len(x) * len(z) * x.shape[2] ** 2 < 3e10:
        near = KNeighborsTimeSeriesClassifier(distance="dtw", distance_params={"window": 0.1}, n_jobs=1)
        of("1-NN DTW", lambda: near.fit(x, y).score(z, w))
    return found


def series(path):
    """Channels of each series, and labels."""
    rows, labels = [], []
    if path.suffix == ".ts":
        for line in path.read_text().split("\n"):
            if line and not line.startswith(("@", "#")):
                *dims, label = line.split(":")
                rows.append([[float(value) for value in dim.split(",")] for dim in dims])
                labels.append(label.strip())
    else:
        for line in path.read_text().rstrip("\n").split("\n"):
            label, *values = line.split("\t")
            rows.append([[float(value) if value.strip() else float("nan") for value in values]])
            labels.append(label)
    return rows, labels


def filled(rows, longest):
    """[N, D, T], gaps bridged and all of one length, as these libraries want it."""
    import numpy as np

    x = np.full((len(rows), len(rows[0]), longest), np.nan, dtype=np.float64)
    for at, row in enumerate(rows):
        for dim, values in enumerate(row):
            x[at, dim, : len(values)] = values
    for own in x.reshape(-1, longest):
        missing = np.isnan(own)
        if missing.any():
            own[missing] = np.interp(np.flatnonzero(missing), np.flatnonzero(~missing), own[~missing])
    return x.astype(np.float32)


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everything = data.CONFIRM + data.MULTIVARIATE + data.TEXTS + data.RULES
    parse.add_argument("--sets", default=",".join(everything), help="comma-separated")
    parse.add_argument("--seeds", type=int, default=3)
    parse.add_argument("--only", default="new,old,reference")
    parse.add_argument("--jobs", type=int, default=2)
    parse.add_argument("--options", default="", help="more options of `srnn train` for new")
    parse.add_argument("--srnn", default=data.ROOT / "target" / "release" / "srnn", type=Path)
    parse.add_argument("--cache", default=data.ROOT / "data" / "fetched" / "accuracy", type=Path)
    parse.add_argument("--json", type=Path)
    own = parse.parse_args()
    results = {}
    with ThreadPoolExecutor(own.jobs) as pool:
        for name in own.sets.split(","):
            pair = data.files(name, own.cache)
            result = results[name] = {}
            for kind, options in (("new", shlex.split(own.options)), ("old", ["--preset", "plain"])):
                if kind in own.only:
                    seeds = range(1, own.seeds + 1)
                    result[kind] = list(pool.map(lambda seed: srnn(own.srnn, pair, options, seed), seeds))
            if "reference" in own.only:
                result["reference"] = reference(name, pair)
            words = []
            for kind in ("old", "new"):
                if kind in result:
                    accuracies = [run["accuracy"] for run in result[kind]]
                    seconds = statistics.mean(run["seconds"] for run in result[kind])
                    words.append(f"{kind} {statistics.mean(accuracies):.1f} ({min(accuracies):.1f} to {max(accuracies):.1f}; {seconds:.0f} s)")
            words += [f"{ref['name']} {ref['accuracy']:.1f} ({ref['seconds']:.0f} s)" for ref in result.get("reference", [])]
            print(f"{name:22} {', '.join(words)}", flush=True)
            if own.json:
                own.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

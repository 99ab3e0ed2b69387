#!/usr/bin/env python3
"""srnn against its peers, side by side: same shapes, same threads, same results. README.md says how to run and read it.

    python benches/peers/compare.py --list
    python benches/peers/compare.py --cases train-8x2-imdb,infer-8x2-b1-imdb --json results.json
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from protocol import Child, Missing, level_steps
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
IMDB = ROOT / "data" / "fetched" / "imdb" / "train.tsv"
TOLERANCE = 1e-3
PAUSE = 0.05  # seconds between contenders, in which threads that spin after their work come to rest

TORCH = ["torch users", "torch users-compiled", "torch packed", "torch distinct", "torch compiled"]
TORCH_CUDA = ["torch users", "torch users-compiled", "torch graph", "torch distinct", "torch compiled"]
PLAIN = " plain"  # a contender of this ending runs the plain GRU, whatever the case slices
ORT = ["ort padded", "ort compact"]
BURN_CPU, BURN_GPU = ["burn flex"], ["burn wgpu"]


@dataclass
class Case:
    name: str
    slicing: str
    text: str  # "imdb"; "random" (uniform token ids) or "numbers" (D of them a step), all sequences of full length
    peers: list
    aims: list  # of (group of peers, at most this ratio srnn / fastest peer of the group)
    train: bool = True
    batch: int = 100
    length: int = 512
    embedding: int = 200
    hidden: int = 50
    vocabulary: int = 30_000
    batches: int = 5  # repeats take them in turn
    count: int = 1  # runs of a repeat, whose mean is taken: short ones are timed in a row
    lead: float = 0.2  # seconds of runs before these, so that caches and the scheduler have settled
    most_repeats: int = 1000
    distinct: bool = False  # every position is a token of its own
    cell: str = "gru"
    direction: str = "forward"
    classes: int = 2
    device: str = None  # of srnn; otherwise what --srnn-device says

    def config(self, padding="masked", slicing=None):
        return {
            "cell": self.cell, "direction": self.direction, "slicing": slicing or self.slicing, "length": self.length,
            "input": "numbers" if self.numbers() else "tokens", "vocabulary": self.vocabulary,
            "embedding": self.embedding, "hidden": self.hidden, "classes": self.classes, "truncate": "front",
            "padding": "masked" if self.numbers() else padding, "freeze_embedding": False,
        }

    def numbers(self):
        return self.text == "numbers"

    def title(self):
        cell = f"{'bidirectional ' if self.direction == 'both' else ''}{self.cell.upper()}"
        network = f"plain {cell}" if self.slicing == "rnn" else f"SRNN({self.slicing.replace('x', ',')}) of {cell}"
        sizes = f"B = {self.batch}, T = {self.length}, D = {self.embedding}, H = {self.hidden}"
        sizes += "" if self.numbers() else f", V = {self.vocabulary}"
        return f"{self.name}: {'training step' if self.train else 'inference'}, {network}, {sizes}, {self.text}"


def all_cases(cuda):
    torch, users = (TORCH_CUDA if cuda else TORCH), ["torch users"]
    cases = []
    for slicing, imdb in (("8x2", 0.15), ("rnn", 0.2)):
        for text, aim in (("imdb", imdb), ("random", 0.4)):
            aims = [(users, aim)]
            if cuda:
                aims = [(users, 0.2), (["torch graph"], 0.5)] if (slicing, text) == ("8x2", "imdb") else []
            cases.append(Case(f"train-{slicing}-{text}", slicing, text, torch, aims))
    for hidden in (128, 256):
        aims = [] if cuda else [(users, 0.7)]
        cases.append(Case(f"train-8x2-h{hidden}-random", "8x2", "random", torch, aims, hidden=hidden))
    for hidden in (50, 128, 256):
        cases.append(Case(
            f"train-8x2-lstm-h{hidden}-random", "8x2", "random", ["torch users", "torch packed"],
            [] if cuda else [(users, 0.7)], cell="lstm", hidden=hidden,
        ))
    cases.append(Case(
        "train-28x1-pixels", "28x1", "numbers", ["torch users"], [] if cuda else [(users, 0.5)], batch=128, length=784,
        embedding=1, hidden=48, vocabulary=0, direction="both", classes=10, batches=2,
    ))
    plain = "torch users" + PLAIN
    cases.append(Case(
        "train-8x4-t32768", "8x4", "random", [*torch, plain], [([plain], 1 / 136 if cuda else 1 / 200)],
        batch=1, length=32_768, embedding=50, vocabulary=1000, most_repeats=3, lead=0.0,
    ))
    for slicing in ("8x2", "rnn"):
        # One request after the other, and a few after a rest; then many sequences at once.
        for batch, ending, lead, count, aims in (
            (1, "", 0.2, 200, {"random": 0.8, "imdb": 0.5}),
            (1, "-rested", 0.0, 40, {}),
            (100, "", 0.2, 1, {"random": 0.7, "imdb": 0.3}),
        ):
            for text in ("random", "imdb"):
                ort, batches = (ORT if text == "imdb" else ORT[:1]), (20 if batch == 1 else 5)
                cases.append(Case(
                    f"infer-{slicing}-b{batch}-{text}{ending}", slicing, text, [*ort, "torch users"],
                    [(ort, aims[text])] if aims and not cuda else [], train=False, batch=batch, batches=batches,
                    count=count, lead=lead,
                ))
    for device, peers, aims in (("gpu", BURN_GPU, [(BURN_GPU, 0.05)]), ("cpu", BURN_CPU, [])):
        for train in (True, False):
            cases.append(Case(
                f"burn-{device}-{'train' if train else 'infer'}", "rnn", "random", peers, aims, train=train, batch=16,
                length=128, embedding=50, vocabulary=16 * 128, batches=1, distinct=True, device=device, lead=0.0,
            ))
    return cases


# What the contenders get.


def make_file(case, srnn, file):
    """Weights as PyTorch draws them, and the batches."""
    rng = np.random.default_rng(1)
    config, hidden = case.config(), case.hidden
    bound = hidden**-0.5

    def uniform(*shape):
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    tensors = {}
    if not case.numbers():
        embedding = 0.1 * rng.standard_normal((case.vocabulary, case.embedding))
        tensors["embedding.weight"] = embedding.astype(np.float32)
    gates, directions = {"gru": 3, "lstm": 4}[case.cell] * hidden, ["", "_reverse"] if case.direction == "both" else [""]
    states = hidden * len(directions)
    for level in range(len(level_steps(config))):
        width = case.embedding if level == 0 else states
        for direction in directions:
            for name, shape in (("weight_ih", (gates, width)), ("weight_hh", (gates, hidden)), ("bias_ih", (gates,)),
                                ("bias_hh", (gates,))):
                tensors[f"levels.{level}.{name}_l0{direction}"] = uniform(*shape)
    tensors |= {"head.weight": uniform(case.classes, states), "head.bias": uniform(case.classes)}
    rows = case.batches * case.batch
    if case.text == "imdb":
        drawn = srnn.ask("draw", table=str(IMDB), vocabulary=case.vocabulary, rows=rows, seed=1)
        sequences, labels = [one[-case.length :] for one in drawn["sequences"]], drawn["labels"]
    elif case.distinct:
        sequences, labels = np.arange(case.vocabulary).reshape(rows, case.length), np.arange(rows) % 2
    elif case.numbers():
        values = rng.standard_normal((rows, case.length, case.embedding)).astype(np.float32)
        sequences, labels = values, rng.integers(0, case.classes, rows)
    else:
        sequences, labels = rng.integers(0, case.vocabulary, (rows, case.length)), rng.integers(0, 2, rows)
    for i in range(case.batches):
        part = slice(i * case.batch, (i + 1) * case.batch)
        steps = np.concatenate(sequences[part])
        tensors |= {f"values.{i}": steps} if case.numbers() else {f"tokens.{i}": steps.astype(np.int32)}
        tensors |= {f"lengths.{i}": np.array([len(one) for one in sequences[part]], np.int32),
                    f"labels.{i}": np.array(labels[part], np.int32)}
    save_file(tensors, file)


# Who runs.


class Starter:
    """Starts contenders by name."""

    def __init__(self, options, threads):
        self.options, self.threads = options, threads
        self.cuda = options.srnn_device != "cpu" and cuda_available()
        self.srnn = options.srnn or cargo_build("--example", "peer", folder=ROOT)
        self.burn = options.burn

    def start(self, name, device):
        names = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = dict.fromkeys(names, str(self.threads))
        library, *rest = name.removesuffix(PLAIN).split()
        if library == "srnn":
            command = [self.srnn, device]
        elif library == "torch":
            command = [sys.executable, HERE / "pytorch_peer.py", *rest, "cuda" if self.cuda else "cpu", self.threads]
            if not rest[0].startswith("users"):
                # Keeps freed memory instead of giving it back to the system and asking for it again in every step.
                environment |= {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "33554432"}
        elif library == "ort":
            command = [sys.executable, HERE / "onnxruntime_peer.py", *rest, self.threads]
        elif library == "burn":
            self.burn = self.burn or cargo_build(folder=HERE / "burn")
            command = [self.burn, *rest]
        return Child([str(part) for part in command], environment)


def cargo_build(*arguments, folder):
    """Builds a package and gives its executable."""
    command = ["cargo", "build", "--release", "--locked", *arguments, "--message-format=json-render-diagnostics"]
    try:
        built = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    except FileNotFoundError:
        raise Missing("cargo: install Rust from rustup.rs") from None
    except subprocess.CalledProcessError as error:
        raise Missing(f"a build of {folder.relative_to(ROOT)}: `{' '.join(command)}` failed there") from error
    messages = map(json.loads, built.stdout.splitlines())
    return [message["executable"] for message in messages if message.get("executable")][-1]


def cuda_available():
    try:
        import torch
    except ModuleNotFoundError:
        return False
    return torch.cuda.is_available()


# Same results.


def check(case, srnn, peer, name, file, folder):
    """Compares a peer with srnn: logits; for training also the loss, every gradient, and the loss after a few steps.
    Gives the largest differences, relative to the largest number of their tensor (but at least 1 for logits)."""
    users = name.startswith(("torch users", "torch graph", "ort padded"))
    slicing = "rnn" if name.endswith(PLAIN) else None
    config = case.config("unmasked" if users else "masked", slicing)
    about = peer.ask("load", config=config, file=file)
    srnn.ask("load", config=config, file=file)
    gradients = [os.path.join(folder, f"{who}.gradients") if case.train else None for who in ("srnn", "peer")]
    ours, theirs = (who.ask("check", batch=0, gradients=path) for who, path in zip((srnn, peer), gradients))
    differences = {"logits": difference(ours["logits"], theirs["logits"], 1.0)}
    if case.train:
        differences["loss"] = difference(ours["loss"], theirs["loss"], 1.0)
        one, other = map(load_file, gradients)
        differences |= {f"gradient of {name}": difference(one[name], other[name], 0.0) for name in other}
        if "head.bias" not in other or "embedding.weight" not in other and not case.numbers():
            raise RuntimeError("the peer gives no gradients")
    if case.train and not name.startswith("burn"):  # Burn's peer has no optimiser: see README.md
        steps = 1 if case.most_repeats < 10 else 3
        for who in (srnn, peer):
            who.ask("step", batch=0, count=steps)
        ours, theirs = (who.ask("check", batch=0, gradients=path) for who, path in zip((srnn, peer), gradients))
        differences["loss after steps"] = difference(ours["loss"], theirs["loss"], 1.0)
    worst = max(differences, key=differences.get)
    if not differences[worst] <= TOLERANCE:
        raise RuntimeError(f"results differ: {worst} by {differences[worst]:.1e}")
    return about | {"differences": differences}


def difference(ours, theirs, least):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape or ours.size == 0:
        raise RuntimeError(f"results have shapes {ours.shape} and {theirs.shape}")
    return float(np.abs(ours - theirs).max() / max(np.abs(ours).max(), least, 1e-30))


# Timing.


def run(case, starter, options):
    """Starts, checks and times the contenders of a case, in alternation."""
    result = {"name": case.name, "title": case.title(), "train": case.train, "config": case.config(),
              "contenders": {}}
    contenders, children = result["contenders"], {}
    wanted = [name for name in case.peers if options.peers is None or name.split()[0] in options.peers]
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "case.safetensors")
        device = options.srnn_device
        if case.device and not device.startswith(case.device):
            device = case.device
        srnn = starter.start("srnn", device)
        try:
            make_file(case, srnn, file)
            for name in wanted:
                log(f"{case.name}: checking {name}")
                try:
                    children[name] = starter.start(name, device)
                    contenders[name] = check(case, srnn, children[name], name, file, folder)
                except (Missing, RuntimeError, OSError) as problem:
                    kind = "missing" if isinstance(problem, Missing) else "failed"
                    contenders[name] = {kind: str(problem)}
                    if name in children:
                        children.pop(name).close()
            about = srnn.ask("load", config=case.config(), file=file)
            contenders |= {"srnn": about}
            children["srnn"] = srnn
            result["others_busy"] = others_busy()
            alternate(case, children, contenders, min(options.repeats, case.most_repeats))
        finally:
            for child in {srnn, *children.values()}:
                child.close()
    return result


def alternate(case, children, contenders, repeats):
    order = sorted(children, key=lambda name: name != "srnn")
    for name in order:
        contenders[name]["seconds"] = []
    for repeat in range(-1 if case.most_repeats < 10 else -2, repeats):  # the first are the warm-up
        if repeat >= 0:
            log(f"{case.name}: repeat {repeat + 1} of {repeats}")
        for name in order:
            time.sleep(PAUSE)
            at = (repeat * case.count) % case.batches
            lead = {"lead": case.lead} if case.lead else {}
            answer = children[name].ask("step" if case.train else "infer", batch=at, count=case.count, **lead)
            if repeat >= 0:
                contenders[name]["seconds"].append(statistics.fmean(answer["seconds"]))
        order.append(order.pop(0))  # nobody always runs after the same one


def others_busy():
    """The share of the machine that others use while we wait, where the system says so."""
    def jiffies():
        numbers = [int(one) for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return numbers[3] + numbers[4], sum(numbers)

    if not Path("/proc/stat").exists():
        return None
    before = jiffies()
    time.sleep(1.0)
    idle, total = (now - then for now, then in zip(jiffies(), before))
    return 1 - idle / total


def log(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# Report.


def table(case, result):
    contenders = result["contenders"]
    medians = {name: statistics.median(one["seconds"]) for name, one in contenders.items() if "seconds" in one}
    own = medians["srnn"]
    disturbed = (result["others_busy"] or 0) > 0.1
    aims = {}
    for group, aim in case.aims:
        there = [name for name in group if name in medians]
        if there:
            fastest = min(there, key=medians.get)
            reached = own / medians[fastest] <= aim
            doubt = " (disturbed)" if disturbed else ""
            aims[fastest] = f"≤ {aim:.3g}: {'reached' if reached else 'NOT reached'}{doubt}"
    result["aims"] = aims
    lines = [f"\n{case.title()}\n", "| contender | median ms | min – max | srnn / it | aim |", "|---|---|---|---|---|"]
    for name in ("srnn", *(name for name in contenders if name != "srnn")):
        one = contenders[name]
        if name not in medians:
            kind = "missing" if "missing" in one else "failed"
            lines.append(f"| {name} | {kind.upper()}: {one[kind]} | | | |")
            continue
        low, high = (1e3 * limit(one["seconds"]) for limit in (min, max))
        ratio = "" if name == "srnn" else f"{own / medians[name]:.3f}"
        spread = f"{low:.2f} – {high:.2f}"
        lines.append(f"| {name} | {1e3 * medians[name]:.2f} | {spread} | {ratio} | {aims.get(name, '')} |")
    strongest = min((name for name in medians if name.startswith("torch") and not name.endswith(PLAIN)),
                    key=medians.get, default=None)
    if strongest and case.train:
        lines.append(f"\nPyTorch at its strongest here: {strongest}.")
    if disturbed:
        lines.append(f"\nDISTURBED: others use {100 * result['others_busy']:.0f} % of the machine.")
    return "\n".join(lines)


def machine(threads):
    def output(*command):
        try:
            return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return None

    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), cpu)
    return {"commit": output("git", "rev-parse", "HEAD"),
            "changed": bool(output("git", "status", "--porcelain", "--untracked-files=no")),
            "cpu": cpu, "cores": os.cpu_count(), "threads": threads, "system": platform.platform(),
            "python": platform.python_version(), "rustc": output("rustc", "--version"),
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", help="names, or beginnings of names, separated by commas (default: all)")
    parser.add_argument("--peers", help="only these libraries, of torch,ort,burn")
    parser.add_argument("--repeats", type=int, default=11, help="timed repeats of every contender (default 11)")
    parser.add_argument("--quick", action="store_true", help="3 repeats, to see that all works")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every contender (default: all cores)")
    parser.add_argument("--json", help="every repeat goes to this file")
    parser.add_argument("--srnn-device", default="cpu", help="cpu, gpu or gpu:N; with a GPU, PyTorch takes CUDA")
    parser.add_argument("--srnn", help="an executable of examples/peer.rs (default: it is built)")
    parser.add_argument("--burn", help="an executable of burn/ (default: it is built)")
    parser.add_argument("--list", action="store_true", help="prints the cases")
    options = parser.parse_args()
    if options.quick:
        options.repeats = 3
    options.peers = options.peers and options.peers.split(",")
    if options.list:
        for case in all_cases(False):
            print(case.title())
        return
    starter = Starter(options, options.threads)
    cases = all_cases(starter.cuda)
    if options.cases:
        wanted = tuple(options.cases.split(","))
        cases = [case for case in cases if case.name.startswith(wanted)]
    if not cases:
        sys.exit("no such case: --list prints them")
    report = machine(options.threads) | {"cases": []}
    print(f"{report['cpu']}, {options.threads} threads; {report['system']}; commit {report['commit']}")
    for case in cases:
        if case.text == "imdb" and not IMDB.exists():
            print(f"\n{case.title()}\n\nMISSING: {IMDB.relative_to(ROOT)}: scripts/fetch-data imdb")
            continue
        try:
            result = run(case, starter, options)
        except RuntimeError as problem:
            print(f"\n{case.title()}\n\nFAILED: srnn: {problem}")
            continue
        finally:
            log("")
        print(table(case, result), flush=True)
        report["cases"].append(result)
        if options.json:
            Path(options.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

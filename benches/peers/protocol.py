"""Contenders are child processes that answer one JSON line per JSON line: both ends of it."""

import json
import os
import subprocess
import sys
import time

import numpy as np


class Missing(Exception):
    """A contender cannot run here; the message says what to install."""


class Child:
    """A contender, from our side."""

    def __init__(self, command, environment):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | environment)

    def ask(self, command, **arguments):
        self.process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the contender ended with exit status {self.process.wait()}")
        answer = json.loads(line)
        if "missing" in answer:
            raise Missing(answer["missing"])
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def serve(peer):
    """The contender's side, for those in Python: calls peer.load(config, file), .check(batch, gradients), .step(batch)
    and .infer(batch). What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        arguments = json.loads(line)
        command = arguments.pop("command")
        try:
            work = getattr(peer, command)
            answer = timed(work, **arguments) if command in ("step", "infer") else work(**arguments)
        except Missing as missing:
            answer = {"missing": str(missing)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def timed(work, batch, count, lead=0.0):
    """Seconds of each of `count` calls, each on the next batch, after `lead` seconds of them. `work` returns when its
    results are there."""
    seconds = []
    began = time.perf_counter()
    while time.perf_counter() - began < lead:
        work(batch)
    for i in range(count):
        start = time.perf_counter()
        work(batch + i)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds}


def padded(tokens, lengths, width):
    """Sequences, right-aligned in [B, width], with token 0 in front."""
    out = np.zeros((len(lengths), width), np.int64)
    out[np.arange(width) >= width - lengths[:, None].astype(np.int64)] = tokens
    return out


def compact(values, lengths, steps, empty):
    """The non-empty slices of right-aligned sequences, as columns: [steps, rows] out of `values`, those of all
    sequences in a row; `empty` stands in front in the first slice of a sequence. And the number of slices of each."""
    rows = -(-lengths // steps)
    ends = np.cumsum(rows) * steps
    out = np.full(rows.sum() * steps, empty, np.int64)
    shift = np.repeat(ends - np.cumsum(lengths), lengths)
    out[np.arange(len(values)) + shift] = values
    return np.ascontiguousarray(out.reshape(-1, steps).T), rows


def level_steps(config):
    """Steps of a slice at each level: [512 / 64, 8, 8] for SRNN(8,2) and T = 512."""
    n, k = (1, 0) if config["slicing"] == "rnn" else map(int, config["slicing"].split("x"))
    return [config["length"] // n**k] + [n] * k

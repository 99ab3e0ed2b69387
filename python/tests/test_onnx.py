"""ONNX Runtime tells what srnn tells."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from srnn import Config, Network, SRNNClassifier


def told_by_onnx(file: bytes, sequences: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Logits and probabilities of sequences, with nonsense in what is padded."""
    onnx.checker.check_model(onnx.load_from_string(file), full_check=True)
    session = onnxruntime.InferenceSession(file)
    lengths = np.array([len(own) for own in sequences])
    first = sequences[0]
    shape = (len(sequences), lengths.max(), *first.shape[1:])
    padded = np.full(shape, np.nan, np.float32) if first.dtype.kind == "f" else np.full(shape, -7, np.int64)
    for row, own in zip(padded, sequences):
        row[: len(own)] = own
    names = [own.name for own in session.get_outputs()]
    inputs = {"numbers" if first.dtype.kind == "f" else "tokens": padded, "lengths": lengths}
    return dict(zip(names, session.run(names, inputs)))


FAMILIES = ["gru", "lstm", "rnn"]


@pytest.mark.parametrize("cell, at", list(product(FAMILIES, range(10))))
def test_random_networks(cell: str, at: int) -> None:
    rng = np.random.default_rng([FAMILIES.index(cell), at])
    n, k = int(rng.integers(2, 4)), int(rng.integers(0, 3))
    settings: dict[str, Any] = {
        "cell": cell,
        "slicing": f"{n}x{k}" if k else "rnn",
        "length": int(rng.integers(n**k, 30)) if k else 20,
        "hidden": 6,
        "embedding": 4,
        "heads": int(rng.choice([1, 2])),
        "layers": int(rng.integers(1, 3)),
        "direction": str(rng.choice(["forward", "backward", "both"])),
        "classes": 3,
        "task": str(rng.choice(["class", "labels", "tags"])),
    }
    if settings["task"] != "tags":
        pools = rng.choice(["last", "max", "mean", "attention"], 2)
        settings |= {"pooling": str(pools[0]), "head_pooling": str(pools[1])}
    numbers = bool(rng.integers(2))
    settings |= {"input": "numbers"} if numbers else {"vocabulary": 12}
    network = Network(Config(**settings), seed=at, device="cpu")
    lengths = rng.integers(1, settings["length"] + 1, 5)
    sequences = [rng.normal(size=(own, 4)).astype(np.float32) if numbers else rng.integers(0, 12, own) for own in lengths]
    theirs, ours = told_by_onnx(network.to_onnx(), sequences), network.probabilities(sequences)
    worst = max(np.abs(own[: len(row)] - row).max() for own, row in zip(theirs["probabilities"], ours))
    print(f"{settings}: {worst:.1e}")
    assert worst < 1e-5


def test_a_classifier_of_signals() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 20, 2)) * 5 + 3, np.arange(40) % 2
    X[:, :, 0] += y[:, None] * 4
    model = SRNNClassifier(epochs=10, random_state=1, device="cpu").fit(X, y)
    theirs = told_by_onnx(model.to_onnx(), list(X.astype(np.float32)))["probabilities"]
    np.testing.assert_allclose(theirs, model.predict_proba(X), atol=1e-5)

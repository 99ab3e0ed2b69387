"""The network by itself."""

from __future__ import annotations

import doctest
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import srnn._network
from srnn import Config, Device, Network, devices, doctor

SMALL = {"slicing": "3x1", "length": 12, "vocabulary": 9, "embedding": 4, "hidden": 6}
SEQUENCES = [[1, 2, 3, 4], [5], [6, 7, 8, 1, 2, 3, 4, 5]]


def test_configurations() -> None:
    config = Config(**SMALL)
    assert config.hidden == 6 and config.slicing == "3x1" and config.cell == "gru"
    assert pickle.loads(pickle.dumps(config)) == config
    assert Config(**config.to_dict()) == config
    assert config.sequential_steps() == 4 + 3
    for settings, told in (({"width": 3}, "width"), ({"slicing": "9x9"}, "9x9"), ({"heads": 7}, "heads 7")):
        with pytest.raises(ValueError, match=told):
            Config(**{**SMALL, **settings})


def test_training_lowers_the_loss() -> None:
    network = Network(Config(**SMALL), device="cpu")
    losses = [network.train_step(SEQUENCES, [0, 1, 0], learning_rate=0.05) for _ in range(60)]
    assert losses[-1] < 0.1 < losses[0]
    assert network.probabilities(SEQUENCES).argmax(1).tolist() == [0, 1, 0]
    assert network.states(SEQUENCES).shape == (3, 6)


def test_gradients_are_those_of_the_loss() -> None:
    network = Network(Config(**SMALL), device="cpu")
    weights = network.state_dict()
    _, gradients = network.gradients(SEQUENCES, [0, 1, 0])
    assert gradients.keys() == weights.keys()
    for name in ("head.weight", "levels.0.weight_hh_l0", "embedding.weight"):
        place = np.unravel_index(np.abs(gradients[name]).argmax(), gradients[name].shape)
        losses = []
        for shift in (1e-2, -1e-2):
            moved = {own: values.copy() for own, values in weights.items()}
            moved[name][place] += shift
            network.load_state_dict(moved)
            losses.append(network.gradients(SEQUENCES, [0, 1, 0])[0])
        np.testing.assert_allclose((losses[0] - losses[1]) / 2e-2, gradients[name][place], rtol=2e-2, err_msg=name)


def test_numbers_and_steps() -> None:
    settings = {"input": "numbers", "slicing": "2x2", "length": 16, "embedding": 3, "hidden": 5, "task": "tags", "classes": 4}
    network = Network(Config(**settings), device="cpu")
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(length, 3)) for length in (16, 3, 9)]
    assert [own.shape for own in network.logits(sequences)] == [(16, 4), (3, 4), (9, 4)]
    loss = network.train_step(sequences, [np.zeros(len(own), dtype=int) for own in sequences])
    assert 0 < loss < 3


def test_what_is_wrong_is_said() -> None:
    network = Network(Config(**SMALL), device="cpu")
    for sequences, told in (
        ([[1, 99]], "token 99"),
        ([[0.5]], "token ids"),
        ([[-1]], "token ids"),
        ([[[1, 2]]], r"\[T\]"),
        ([], "no sequence"),
    ):
        with pytest.raises(ValueError, match=told):
            network.logits(sequences)
    with pytest.raises(ValueError, match="optimiser has no setting 'lr'"):
        network.train_step(SEQUENCES, [0, 1, 0], lr=1)
    weights = network.state_dict()
    with pytest.raises(ValueError, match="missing"):
        network.load_state_dict({name: own for name, own in weights.items() if name != "head.bias"})
    with pytest.raises(ValueError, match="none of this"):
        network.load_state_dict({**weights, "other": weights["head.bias"]})
    with pytest.raises(ValueError, match="shape"):
        network.load_state_dict({**weights, "head.bias": np.zeros(7)})


def test_devices() -> None:
    assert devices()[-1]["device"] == "cpu"
    assert "CPU engine" in Device("cpu").name and Device.auto().reason
    with pytest.raises(ValueError, match="unknown device"):
        Device("cuda")
    with pytest.raises(ValueError, match="nothing to check"):
        doctor("cpu")


def test_the_command_comes_with_it() -> None:
    told = subprocess.run([Path(sys.executable).with_name("srnn"), "--version"], capture_output=True, text=True, check=True).stdout
    assert told.startswith("srnn ")
    wrong = subprocess.run([sys.executable, "-m", "srnn", "train", "none.tsv", "--out", "x"], capture_output=True, text=True)
    assert wrong.returncode == 1 and "none.tsv" in wrong.stderr


def test_examples_of_docstrings() -> None:
    for module in (srnn, srnn._network):
        outcome = doctest.testmod(module)
        assert outcome.attempted > 0 and outcome.failed == 0


def test_importing_it_imports_no_other_library() -> None:
    code = "import sys, srnn; print([name for name in ('sklearn', 'torch', 'pandas', 'numpy') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"

"""Faults that were found once: threads, forks, empty tokens, failed fits, kinds that are not those asked for."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from srnn import Config, Device, Network, SRNNClassifier, SRNNRegressor, SRNNTagger
from srnn._sequences import read

QUICK: dict[str, Any] = {"epochs": 5, "random_state": 1, "device": "cpu"}
TEXTS, LABELS = ["a great film", "an awful film"] * 20, ["good", "bad"] * 20
SMALL = {"slicing": "2x1", "length": 8, "vocabulary": 10, "embedding": 4, "hidden": 6}


def test_threads_share_a_model_and_a_network() -> None:
    model = SRNNClassifier(**QUICK).fit(TEXTS, LABELS)
    network = Network(Config(**SMALL), device="cpu")
    many = TEXTS * 20

    def work() -> None:
        for _ in range(20):
            model.predict(many)
            network.train_step([[1, 2, 3], [4, 5]], [0, 1])

    threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="forks are of Unix")
def test_a_forked_process_trains_and_predicts() -> None:
    model = SRNNClassifier(**QUICK).fit(TEXTS, LABELS)
    expected = model.predict(TEXTS).tolist()

    def work(results: Any) -> None:
        results.put((model.predict(TEXTS).tolist(), SRNNClassifier(**QUICK).fit(TEXTS, LABELS).predict(TEXTS).tolist()))

    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=work, args=(results,))
    child.start()
    assert results.get(timeout=60) == (expected, expected)
    child.join(60)


def test_every_token_has_a_tag() -> None:
    model = SRNNTagger(**QUICK).fit([["a", "b", "c"], ["b", ""]] * 20, [["A", "B", "C"], ["B", "A"]] * 20)
    assert [len(own) for own in model.predict([["a", "", "b"], ["", "a"], [], ["c", ""]])] == [3, 2, 0, 2]
    with pytest.raises(ValueError, match=r"X\[0\] has no step"):
        SRNNTagger(**QUICK).fit([[], ["a"]], [[], ["A"]])
    assert not hasattr(model, "transform")


def test_a_fit_that_failed_changes_nothing() -> None:
    model = SRNNClassifier(**QUICK).fit(TEXTS, LABELS)
    told = model.predict(TEXTS).tolist()
    with pytest.raises(ValueError):
        model.set_params(cell="none").fit(TEXTS, ["x", "y", "z", "w"] * 10)
    assert model.predict(TEXTS).tolist() == told and model.classes_.tolist() == ["bad", "good"]


def test_kinds_are_those_asked_for() -> None:
    ids = np.arange(12).reshape(3, 4)
    assert read(ids).kind == "ids" and read(ids, kind="numbers").kind == "numbers" and read(ids, kind="tokens").kind == "ids"
    assert read([["a b"], ["c"]]).kind == "tokens" and read(np.array([["1", "2"], ["3", "4"]])).kind == "tokens"
    for X, kind in ((TEXTS, "ids"), ([["a", "b"]], "numbers"), (ids.astype(float), "texts"), (TEXTS, "numbers")):
        with pytest.raises(ValueError, match=f"{kind} are asked for|token ids"):
            read(X, kind=kind)


def test_channels_stand_where_they_stood() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = [rng.normal(size=(3, steps)) + label for steps, label in zip([7, 8, 9, 10] * 10, y)]
    model = SRNNClassifier(**QUICK).fit(X, y)
    assert model.predict([X[2]]).shape == (1,) and model.predict([own[:, :3] for own in X]).shape == (40,)
    whole = SRNNClassifier(input="numbers", **QUICK).fit([[1.5, 2, 3], [3, 2]] * 20, y)
    assert whole.predict([[1, 2, 3]]).shape == (1,)


def test_thresholds_of_the_command_are_kept(tmp_path: Path) -> None:
    rows = [("a b c", "neg"), ("a c d", "neg"), ("a b d", "neg"), ("a d", "pos")] * 15
    (tmp_path / "t.tsv").write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))
    command = [sys.executable, "-m", "srnn"]
    subprocess.run(
        [*command, "train", tmp_path / "t.tsv", "--out", tmp_path / "m", "--thresholds", "--epochs", "2", "--device", "cpu"],
        check=True, capture_output=True,
    )  # fmt: skip
    texts = [text for text, _ in rows]
    theirs = subprocess.run(
        [*command, "predict", tmp_path / "m", "--device", "cpu", "-"],
        input="\n".join(texts), text=True, check=True, capture_output=True,
    ).stdout.splitlines()  # fmt: skip
    ours = SRNNClassifier.load(tmp_path / "m", device="cpu")
    assert ours.model_.thresholds is not None
    assert [json.loads(line)["label"] for line in theirs] == ours.predict(texts).tolist()


def test_class_weights_are_of_classes() -> None:
    for weights, told in (({"god": 2.0}, "class_weight has"), ([1, 2], "use 'balanced'"), (np.ones(2), "use 'balanced'")):
        with pytest.raises(ValueError, match=told):
            SRNNClassifier(class_weight=weights, **QUICK).fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="several labels"):
        SRNNClassifier(class_weight={0: 2.0}, **QUICK).fit(TEXTS, np.eye(2, dtype=int)[np.arange(40) % 2])
    X, y = [["a", "b"]] * 20, [["O", "O"], ["O", "B"]] * 10
    plain, heavy = (SRNNTagger(class_weight=own, **QUICK).fit(X, y).predict_proba(X)[0][1, 0] for own in (None, {"B": 50.0}))
    assert heavy > plain


def test_devices_and_networks_are_copied() -> None:
    own = clone(SRNNClassifier(**{**QUICK, "device": Device("cpu", 1 << 30)}))
    assert own.fit(TEXTS, LABELS).device.name == pickle.loads(pickle.dumps(own)).device.name
    network = Network(Config(**SMALL), device="cpu")
    for again in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        np.testing.assert_array_equal(again.logits([[1, 2]]), network.logits([[1, 2]]))
    SRNNClassifier(memory="1G", **QUICK).fit(TEXTS, LABELS)
    for params, told in (({"memory": "much"}, "memory='much'"), ({"device": None}, "device=None")):
        with pytest.raises(ValueError, match=told):
            SRNNClassifier(**{**QUICK, **params}).fit(TEXTS, LABELS)


def test_networks_take_no_numbers_that_wrap() -> None:
    network = Network(Config(**SMALL), device="cpu")
    with pytest.raises(ValueError, match="beyond the vocabulary"):
        network.logits([[2**32 + 1]])
    for targets in ([2**32, 0], [2, 0], [-1, 0]):
        with pytest.raises(ValueError, match="from 0 to 1"):
            network.train_step([[1], [2]], targets)
    tagger = Network(Config(**SMALL, task="tags"), device="cpu")
    with pytest.raises(ValueError, match="8 at most"):
        tagger.logits([[1] * 9, [1, 2]])
    with pytest.raises(ValueError, match="targets are of"):
        tagger.gradients([[1, 2, 3], [4, 5]], [[1, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="0 or 1"):
        Network(Config(**SMALL, task="labels"), device="cpu").train_step([[1]], [[7, 0]])
    config = Config(**{**SMALL, "hidden": np.int64(6)})
    with pytest.raises(AttributeError, match="does not change"):
        config.hidden = 9
    assert {config: 1}[Config(**SMALL)] == 1


def test_a_regressor_takes_real_numbers() -> None:
    for y in (np.ones(40) * 1j, np.array(["2020-01-01"] * 40, dtype="datetime64[D]"), np.array([np.nan] * 40, dtype=object)):
        with pytest.raises(ValueError, match="real|NaN|no number"):
            SRNNRegressor(**QUICK).fit(TEXTS, y)

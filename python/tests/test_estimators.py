"""What users do with the estimators: data as they hold it, labels of any type, pipelines, searches, pickles, directories."""

from __future__ import annotations

import inspect
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import srnn
from srnn import SRNNClassifier, SRNNRegressor, SRNNTagger
from srnn._estimators import _OWN
from srnn._srnn import options

QUICK: dict[str, Any] = {"epochs": 20, "random_state": 1, "device": "cpu"}
TEXTS = ["a great film", "an awful film", "great fun, really", "awful acting and worse"] * 10
LABELS = ["good", "bad"] * 20


def waves(count: int, steps: int = 40, width: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Noise in which the first channel swings, slowly or fast."""
    rng = np.random.default_rng(0)
    y = np.arange(count) % 2
    swing = np.sin(np.arange(steps) * np.where(y, 0.9, 0.3)[:, None])
    X = rng.normal(size=(count, steps, width)) * 0.3
    X[:, :, 0] += swing
    return X, y


def test_every_option_of_the_command_is_a_parameter() -> None:
    own = {name.replace("_", "-") for name in inspect.signature(SRNNClassifier).parameters} - {"verbose"}
    renamed = {"class-weight": "class-weights", "random-state": "seed", "validation-fraction": "valid-fraction"}
    of_python = {renamed.get(name, name) for name in own} - {"input", "channels"}
    # What is about files and folders, or what Python has other means for.
    elsewhere = {
        "resume", "out", "force", "from", "valid", "valid-labels", "test", "test-labels", "checkpoint-every", "device-timeout",
        "no-self-check", "text", "label", "labels", "format", "pixels", "no-header", "header", "encoding", "keys",
        "skip-bad-rows", "no-limits", "search", "folds", "task", "thresholds", "ahead",
    }  # fmt: skip
    assert of_python == set(options()) - elsewhere
    assert _OWN < set(inspect.signature(SRNNClassifier).parameters)


def test_texts_from_any_column() -> None:
    pandas, polars, pyarrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    told = SRNNClassifier(**QUICK).fit(TEXTS, LABELS).predict_proba(TEXTS[:4])
    for X, y in (
        (np.array(TEXTS), np.array(LABELS)),
        (np.array(TEXTS, dtype=object), LABELS),
        (pandas.Series(TEXTS), pandas.Series(LABELS)),
        (pandas.DataFrame({"text": TEXTS}), pandas.Series(LABELS, dtype="category")),
        (pandas.Series(TEXTS, dtype="string"), pandas.Series(LABELS)),
        (polars.Series(TEXTS), polars.Series(LABELS)),
        (polars.DataFrame({"text": TEXTS}), polars.Series(LABELS)),
        (pyarrow.array(TEXTS), pyarrow.array(LABELS)),
        (pyarrow.chunked_array([TEXTS]), pyarrow.chunked_array([LABELS])),
        (pyarrow.table({"text": TEXTS}), pyarrow.array(LABELS)),
    ):
        model = SRNNClassifier(**QUICK).fit(X, y)
        np.testing.assert_array_equal(model.predict_proba(X[:4]), told)
        assert model.classes_.tolist() == ["bad", "good"]


def test_numbers_of_any_layout() -> None:
    X, y = waves(40)
    told = SRNNClassifier(**QUICK).fit(X, y).predict_proba(X)
    assert (told.argmax(1) == y).mean() > 0.9
    for other, channels in (
        (np.asfortranarray(X), "auto"),
        (np.ascontiguousarray(X.transpose(0, 2, 1)), "first"),
        (X[:, ::-1][:, ::-1], "last"),
        (list(X), "auto"),
        ([own.T for own in X], "first"),
    ):
        model = SRNNClassifier(channels=channels, **QUICK).fit(other, y)
        np.testing.assert_array_equal(model.predict_proba(other), told)
    single = SRNNClassifier(**QUICK).fit(X.astype(np.float32), y).predict_proba(X.astype(np.float32))
    np.testing.assert_allclose(single, told, atol=0.1)


def test_tables_of_sktime_and_arrays_of_aeon() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = waves(30, 24)
    told = SRNNClassifier(channels="last", **QUICK).fit(X, y).predict_proba(X)
    nested = pandas.DataFrame({f"dim_{d}": [pandas.Series(own[:, d]) for own in X] for d in range(2)})
    index = pandas.MultiIndex.from_product([range(30), range(24)], names=["instances", "timepoints"])
    long = pandas.DataFrame(X.reshape(-1, 2), index=index)
    for table in (nested, long):
        np.testing.assert_array_equal(SRNNClassifier(**QUICK).fit(table, y).predict_proba(table), told)
    # aeon: ragged lists [D, T_i], and one channel [N, 1, T], tell by themselves where the channels are.
    ragged = [own.T[:, : 15 + row % 8] for row, own in enumerate(X)]
    assert SRNNClassifier(**QUICK).fit(ragged, y).model_.config.json().count('"embedding":2') == 1
    one = X[:, :, :1].transpose(0, 2, 1)
    assert SRNNClassifier(**QUICK).fit(one, y).model_.config.json().count('"embedding":1') == 1
    with pytest.warns(UserWarning, match="channels='first'"):
        SRNNClassifier(**QUICK).fit(X.transpose(0, 2, 1), y)


def test_ragged_numbers_and_ids() -> None:
    rng = np.random.default_rng(1)
    y = np.arange(60) % 2
    numbers = [rng.normal(size=(rng.integers(5, 30), 3)) + label for label in y]
    assert SRNNClassifier(**QUICK).fit(numbers, y).score(numbers, y) > 0.9
    ids = [rng.integers(0, 20, rng.integers(3, 12)) * 2 + label for label in y]
    model = SRNNClassifier(**QUICK).fit(ids, y)
    assert model.score(ids, y) > 0.9
    # An id that was never seen is an unknown token.
    assert model.predict([np.array([999_999])]).shape == (1,)


@pytest.mark.parametrize(
    "labels",
    [[3, 10], [False, True], [2.0, 5.0], ["1", "1.0"], ["a", "a "], ["x", "X"], ["+1", "-1"], ["1e3", "1000"], ["", "b"], [-1, 1]],
    ids=repr,
)
def test_labels_of_any_type(labels: list[Any]) -> None:
    y = np.array(labels * 20)
    model = SRNNClassifier(**QUICK).fit(TEXTS, y)
    assert model.classes_.tolist() == np.unique(y).tolist()
    assert model.score(TEXTS, y) == 1.0
    assert model.predict(TEXTS[:1]).dtype == y.dtype


def test_ten_classes_stand_in_their_order() -> None:
    y = np.arange(60) % 12
    texts = [f"w{label} w{label}" for label in y]
    model = SRNNClassifier(**{**QUICK, "epochs": 60}, validation_fraction=0.2).fit(texts, y)
    assert model.score(texts, y) > 0.9 and model.predict_proba(texts).shape == (60, 12)


def test_several_labels_at_once() -> None:
    y = np.array([[1, 0, 1], [0, 1, 1]] * 20)
    model = SRNNClassifier(**QUICK).fit(TEXTS, y)
    np.testing.assert_array_equal(model.predict(TEXTS), y)


def test_class_weights() -> None:
    texts, y = ["a b", "a c"] * 20, [0, 0, 0, 1] * 10
    plain, heavy = (
        SRNNClassifier(class_weight=own, **QUICK).fit(texts, y).predict_proba(["a d"])[0, 1] for own in (None, {1: 20.0})
    )
    assert heavy > plain
    SRNNClassifier(class_weight="balanced", **QUICK).fit(texts, y)


def test_a_regressor_of_one_number_and_of_two() -> None:
    X, _ = waves(60)
    y = X[:, :, 1].mean(1)
    one = SRNNRegressor(**{**QUICK, "epochs": 40}).fit(X, y)
    assert one.score(X, y) > 0.5 and one.predict(X).shape == (60,)
    two = SRNNRegressor(**QUICK).fit(X, np.column_stack([y, -y]))
    assert two.predict(X).shape == (60, 2)


def test_a_tagger() -> None:
    rng = np.random.default_rng(0)
    X = [[f"w{word}" for word in rng.integers(0, 9, rng.integers(2, 15))] for _ in range(60)]
    y = [["O" if token < "w5" else "B-x" for token in own] for own in X]
    model = SRNNTagger(**QUICK).fit(X, y)
    assert model.score(X, y) > 0.95
    assert [len(own) for own in model.predict(X)] == [len(own) for own in X]
    probabilities = model.predict_proba([["w1", "unheard", "w8"]])[0]
    assert probabilities.shape == (3, 2)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    with pytest.raises(ValueError, match=r"X\[0\] has 2 steps, and y\[0\] has 1 tags"):
        SRNNTagger().fit([["a", "b"]], [["O"]])
    with pytest.raises(ValueError, match="reads tokens"):
        SRNNTagger().fit(["a b"], [["O", "O"]])


def test_clones_pickles_and_directories(tmp_path: Path) -> None:
    model = SRNNClassifier(hidden=8, **QUICK).fit(TEXTS, LABELS)
    told = model.predict_proba(TEXTS)
    assert clone(model).get_params() == model.get_params() and not hasattr(clone(model), "model_")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(TEXTS), told)
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="model"):
        model.save(tmp_path / "model")
    np.testing.assert_array_equal(SRNNClassifier.load(tmp_path / "model").predict_proba(TEXTS), told)
    network = srnn.Network.load(tmp_path / "model", device="cpu")
    assert network.state_dict().keys() == model.model_.state_dict().keys() and network.config.hidden == 8
    # The command reads it as well.
    lines = subprocess.run(
        [sys.executable, "-m", "srnn", "predict", str(tmp_path / "model"), "--device", "cpu", "-"],
        input="\n".join(TEXTS[:2]), text=True, capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert "good" in lines and "bad" in lines


def test_regressors_and_taggers_are_loaded(tmp_path: Path) -> None:
    X, _ = waves(30)
    regressor = SRNNRegressor(**QUICK).fit(X, X[:, :, 1].mean(1))
    tagger = SRNNTagger(**QUICK).fit([["a", "b"]] * 20, [["O", "B-x"]] * 20)
    for model, own in ((regressor, X), (tagger, [["b", "a"]])):
        folder = tmp_path / type(model).__name__
        model.save(folder)
        again = type(model).load(folder)
        np.testing.assert_array_equal(np.asarray(again.predict(own)), np.asarray(model.predict(own)))
        with pytest.raises(ValueError, match="a SRNNClassifier is of class, labels"):
            SRNNClassifier.load(folder)


def test_the_same_as_the_command(tmp_path: Path) -> None:
    rows = "".join(f"{text}\t{label}\n" for text, label in zip(TEXTS, LABELS))
    (tmp_path / "train.tsv").write_text("text\tlabel\n" + rows)
    command = [sys.executable, "-m", "srnn", "train", str(tmp_path / "train.tsv"), "--out", str(tmp_path / "model")]
    subprocess.run([*command, "--epochs", "20", "--device", "cpu", "--seed", "1"], check=True, capture_output=True)
    theirs = srnn.Model.load(tmp_path / "model").state_dict()
    ours = SRNNClassifier(**QUICK).fit(TEXTS, LABELS).model_.state_dict()
    assert theirs.keys() == ours.keys()
    for name in theirs:
        np.testing.assert_array_equal(theirs[name], ours[name], err_msg=name)


def test_pipelines_searches_and_transforms() -> None:
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    search = GridSearchCV(
        make_pipeline(lower, SRNNClassifier(**QUICK)), {"srnnclassifier__hidden": [4, 8]}, cv=3, error_score="raise"
    )
    assert search.fit(TEXTS, LABELS).best_score_ == 1.0
    assert cross_val_score(SRNNClassifier(**QUICK), np.array(TEXTS), LABELS, cv=3).mean() == 1.0
    states = SRNNClassifier(**QUICK).fit_transform(TEXTS, LABELS)
    assert LogisticRegression().fit(states, LABELS).score(states, LABELS) == 1.0


def test_seeds() -> None:
    first, second, other = (SRNNClassifier(**{**QUICK, "random_state": seed}).fit(TEXTS, LABELS).predict_proba(TEXTS) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_validation_data_and_history() -> None:
    model = SRNNClassifier(**QUICK, refit="no").fit(TEXTS, LABELS, validation_data=(TEXTS[:6], LABELS[:6]))
    assert len(model.history_) == model.n_iter_ <= 20 and model.history_[-1]["valid_score"] == 1.0
    pytest.importorskip("matplotlib").use("Agg")
    assert model.plot_history().get_xlabel() == "epoch"


def test_what_is_wrong_is_said() -> None:
    for params, told in (
        ({"hidden": -3}, "'-3' for 'hidden'"),
        ({"cell": "gruu"}, "use gru, lstm, rnn, mingru"),
        ({"slices": "8by2"}, "8by2"),
        ({"class_weight": "even"}, "class_weight='even'"),
        ({"input": "words"}, "input='words'"),
        ({"normalise": "channel"}, "normalise is for numbers"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"device": "gpu:999"}, "gpu:999|adapter|device"),
    ):
        with pytest.raises(ValueError, match=told):
            SRNNClassifier(**{**QUICK, **params}).fit(TEXTS, LABELS)
    model = SRNNClassifier(**QUICK).fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="X holds numbers, and the model was fitted on texts"):
        model.predict(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="one string"):
        model.predict("a text")
    with pytest.raises(ValueError, match="NaN"):
        SRNNClassifier(**QUICK).fit(np.full((20, 3), np.nan), np.arange(20) % 2)
    with pytest.raises(ValueError, match="line break"):
        SRNNTagger(**QUICK).fit([["a\nb"]] * 10, [["O"]] * 10)


def test_an_interrupt_stops_within_a_step() -> None:
    X, y = waves(2000, 400)
    model = SRNNClassifier(epochs=10_000, patience=0, random_state=1, device="cpu", hidden=16)
    started = time.perf_counter()
    threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    # No timing is asserted: that it ends at all, and long before its epochs, is the point.
    assert time.perf_counter() - started < 120


def test_other_threads_run_while_it_trains() -> None:
    X, y = waves(400, 200)
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.005)

    thread = threading.Thread(target=tick)
    thread.start()
    SRNNClassifier(epochs=5, random_state=1, device="cpu").fit(X, y)
    done.set()
    thread.join()
    assert len(ticks) > 5


def test_logs_go_to_python(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING"):
        # What varies is lost beside one sequence of huge numbers, which is warned of.
        X = np.random.default_rng(0).normal(size=(40, 8))
        X[1] = 1e14
        SRNNClassifier(**{**QUICK, "normalise": "channel"}).fit(X, np.arange(40) % 2)
    assert any(record.name.startswith("srnn") for record in caplog.records)

"""Estimators of scikit-learn over sequences: a classifier, a regressor and a tagger."""

from __future__ import annotations

import json
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets

from . import _srnn
from ._labels import by_name, names_of
from ._progress import Progress
from ._sequences import Kind, Sequences, joined, read

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["SRNNClassifier", "SRNNRegressor", "SRNNTagger"]

# Parameters that are no options of the command, or have another name there.
_OWN = {"input", "channels", "device", "memory", "verbose", "random_state", "validation_fraction", "class_weight"}


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """What all of them do alike: settings by the names of ``srnn train``'s options."""

    # Tasks of models that are theirs.
    _tasks: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        slices: str | None = None,
        length: int | None = None,
        align: str | None = None,
        cell: str | None = None,
        reset: str | None = None,
        candidate: str | None = None,
        direction: str | None = None,
        pool: str | None = None,
        head_pool: str | None = None,
        heads: int | None = None,
        layers: int | None = None,
        context: int | None = None,
        hidden: int | None = None,
        normalise: str | None = None,
        tokens: str | None = None,
        strip_html: bool = False,
        embedding: int | None = None,
        vectors: str | PathLike[str] | None = None,
        freeze_embedding: bool = False,
        vocabulary: int | None = None,
        min_count: int | None = None,
        truncate: str | None = None,
        padding: str | None = None,
        no_downward: bool = False,
        overlap: int | None = None,
        lower_case: bool = False,
        endings: str | None = None,
        epochs: int | None = None,
        batch: int | None = None,
        optimiser: str | None = None,
        learning_rate: float | None = None,
        schedule: str | None = None,
        momentum: float | None = None,
        weight_decay: float | None = None,
        clip: float | None = None,
        dropout: float | None = None,
        embedding_dropout: float | None = None,
        word_dropout: float | None = None,
        label_smoothing: float | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        keep: str | None = None,
        metric: str | None = None,
        refit: str | None = None,
        preset: str | None = None,
        input: str = "auto",
        channels: str = "auto",
        device: str | _srnn.Device = "auto",
        memory: str | int | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.slices = slices
        self.length = length
        self.align = align
        self.cell = cell
        self.reset = reset
        self.candidate = candidate
        self.direction = direction
        self.pool = pool
        self.head_pool = head_pool
        self.heads = heads
        self.layers = layers
        self.context = context
        self.hidden = hidden
        self.normalise = normalise
        self.tokens = tokens
        self.strip_html = strip_html
        self.embedding = embedding
        self.vectors = vectors
        self.freeze_embedding = freeze_embedding
        self.vocabulary = vocabulary
        self.min_count = min_count
        self.truncate = truncate
        self.padding = padding
        self.no_downward = no_downward
        self.overlap = overlap
        self.lower_case = lower_case
        self.endings = endings
        self.epochs = epochs
        self.batch = batch
        self.optimiser = optimiser
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.clip = clip
        self.dropout = dropout
        self.embedding_dropout = embedding_dropout
        self.word_dropout = word_dropout
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.keep = keep
        self.metric = metric
        self.refit = refit
        self.preset = preset
        self.input = input
        self.channels = channels
        self.device = device
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    # What is fitted.
    model_: _srnn.Model
    history_: list[dict[str, Any]]
    chosen_: dict[str, str]
    n_features_in_: int
    _names: list[str]
    _kind: Kind
    # Whether channels came first; not known of a model that was loaded.
    _first: bool | None

    def _options(self, task: str) -> list[tuple[str, str | None]]:
        """The options of ``srnn train`` that say the same."""
        options: list[tuple[str, str | None]] = [("task", task)]
        for name, value in self.get_params(deep=False).items():
            if name in _OWN or value is None:
                continue
            flag = isinstance(value, (bool, np.bool_))
            if flag and not value:
                continue
            options.append((name.replace("_", "-"), None if flag else str(value)))
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31)
        options.append(("seed", str(int(seed))))
        options.append(("valid-fraction", str(self.validation_fraction)))
        if self.class_weight == "balanced":
            options.append(("class-weights", "balanced"))
        return options

    def _read(self, X: Any) -> Sequences:
        return read(X, kind=self.input, channels=self.channels)

    def _read_again(self, X: Any, kind: Kind, first: bool | None) -> Sequences:
        """Sequences of the kind that was fitted, with their channels where they were."""
        asked = "auto" if kind in ("ids", "tokens") else kind
        own = read(X, kind="auto" if asked == "texts" else asked, channels="auto" if first is None else "first" if first else "last")
        if {own.kind, kind} not in ({own.kind}, {"ids", "tokens"}):
            raise ValueError(f"X holds {own.kind}, and the model was fitted on {kind}")
        return own

    def _valid(
        self, X: Sequences, data: tuple[Any, Any] | None, targets: Callable[[Sequences, Any], _srnn.Targets]
    ) -> tuple[Sequences, _srnn.Targets] | None:
        """What is validated with, if it was given."""
        if data is None:
            return None
        own = self._read_again(data[0], X.kind, X.first)
        return own, targets(own, data[1])

    def _fit(
        self,
        task: str,
        X: Sequences,
        targets: _srnn.Targets,
        valid: tuple[Sequences, _srnn.Targets] | None,
        state: dict[str, Any],
        weights: list[tuple[str, float]] | None = None,
    ) -> None:
        """Train; only then is anything of ``state`` and the model known."""
        options = self._options(task)
        if valid is not None:
            options = [own for own in options if own[0] != "valid-fraction"]
        progress = Progress() if self.verbose else None
        try:
            model, account, stopped = _srnn.fit(
                options,
                (X.inputs(), targets),
                (valid[0].inputs(), valid[1]) if valid is not None else None,
                class_weights=weights,
                device=self._device(),
                callback=progress,
            )
        except ValueError as error:
            raise ValueError(_by_parameters(str(error))) from None
        finally:
            if progress is not None:
                progress.close()
        told = json.loads(account)
        if model is not None:
            self.model_, self.history_, self.chosen_ = model, told["history"], dict(told["chosen"])
            self._kind, self._first = X.kind, X.first
            self.__dict__.update(state)
            self.n_features_in_ = X.ends[0] * X.width if X.kind in ("numbers", "ids") else 1
            self.n_iter_ = len(self.history_)
            self._fitted()
        if stopped is not None:
            raise stopped

    def _fitted(self) -> None:
        """What is known when there is a model."""

    def _device(self) -> str | _srnn.Device:
        device = self.device
        if not isinstance(device, (str, _srnn.Device)):
            raise ValueError(f"device={device!r}: use auto, cpu, gpu, gpu:N or a Device")
        if self.memory is None:
            return device
        if isinstance(device, _srnn.Device):
            raise ValueError("a Device has its memory already: leave memory out")
        return _srnn.Device(device, _bytes(self.memory))

    def _weights(self, names: list[str], labels: NDArray[Any]) -> list[tuple[str, float]] | None:
        """The weight of each class, where they are given."""
        own = self.class_weight
        if own is None or (isinstance(own, str) and own == "balanced"):
            return None
        if not isinstance(own, Mapping):
            raise ValueError(f"class_weight={own!r}: use 'balanced' or a dictionary")
        known = labels.tolist()
        unknown = [label for label in own if _plain(label) not in known]
        if unknown:
            raise ValueError(f"class_weight has {unknown[:5]}, and the classes are {known[:20]}")
        return [(name, float(own.get(label, 1.0))) for name, label in zip(names, known)]

    def _check_fitted(self) -> _srnn.Model:
        if not hasattr(self, "model_"):
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet: call fit first")
        return self.model_

    def _told(self, X: Any) -> tuple[Sequences, NDArray[np.float64], NDArray[np.int64]]:
        model = self._check_fitted()
        own = self._read_again(X, self._kind, self._first)
        return own, *model.told(own.inputs(), device=self._device())

    def save(self, directory: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write a model directory, which the command ``srnn`` and ``load`` read."""
        self._check_fitted().save(directory, overwrite=overwrite)

    @classmethod
    def load(cls, directory: str | PathLike[str], **params: Any) -> Self:
        """The estimator of a model directory, as ``save`` or the command wrote it; its labels are strings.

        Raises
        ------
        ValueError
            For a directory of another kind of model, or of none.
        """
        own = cls(**params)
        own.model_ = _srnn.Model.load(directory)
        config = json.loads(own.model_.config.json())
        if config["task"] not in cls._tasks:
            raise ValueError(f"{directory}: a model of the task {config['task']}, and a {cls.__name__} is of {', '.join(cls._tasks)}")
        own._kind, own._first = own.model_.kind, None
        own.history_, own.chosen_, own.n_features_in_ = [], {}, config["embedding"]
        own._names = own.model_.names
        own._loaded(config["task"])
        own._fitted()
        return own

    def _loaded(self, task: str) -> None:
        """What is known of a model that was loaded."""

    def to_onnx(self) -> bytes:
        """The model as an ONNX file: token ids or numbers and lengths in, probabilities out."""
        return self._check_fitted().onnx()

    def plot_history(self, ax: Any = None) -> Any:
        """Plot loss and validation by epoch with matplotlib, and give the axes."""
        self._check_fitted()
        from matplotlib import pyplot

        ax = ax if ax is not None else pyplot.gca()
        epochs = [own["epoch"] for own in self.history_]
        ax.plot(epochs, [own["train_loss"] for own in self.history_], label="loss, training")
        for name, label in (("valid_loss", "loss, validation"), ("valid_score", "score, validation")):
            if isinstance(self.history_[0][name], float):
                ax.plot(epochs, [own[name] for own in self.history_], label=label)
        ax.set_xlabel("epoch")
        ax.legend()
        return ax

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            with tempfile.TemporaryDirectory() as folder:
                state["model_"].save(Path(folder) / "model")
                files = [own for own in (Path(folder) / "model").iterdir() if own.is_file()]
                state["model_"] = {own.name: own.read_bytes() for own in files}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if isinstance(state.get("model_"), dict):
            with tempfile.TemporaryDirectory() as folder:
                for name, contents in state["model_"].items():
                    (Path(folder) / name).write_bytes(contents)
                state["model_"] = _srnn.Model.load(folder)
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = False
        tags.non_deterministic = False
        return tags


def _by_parameters(text: str) -> str:
    """An error of the command, in the words of parameters."""
    words = []
    # clap shows what an option takes: `--hidden <H>`.
    for word in re.sub(r"(--[a-z-]+) <[A-Za-z]+>", r"\1", text).split(" "):
        mark = word.lstrip("'`(")
        if mark.startswith("--") and len(mark) > 3:
            word = word.replace("--", "", 1).replace("-", "_")
        words.append(word)
    return " ".join(words)


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _bytes(size: Any) -> int:
    """A number of bytes, or one with K, M or G, as the command has it."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)B?", str(size).upper())
    if match is None or not float(match[1]):
        raise ValueError(f"memory={size!r}: write bytes, or a number with K, M or G, such as '500M'")
    return int(float(match[1]) * _UNITS[match[2]])


def _count(X: Sequences, y: NDArray[Any]) -> None:
    if len(X) != len(y):
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {[len(X), len(y)]}")
    if len(X) < 2:
        raise ValueError(f"n_samples = {len(X)}: a sequence to train on and one to validate with are the least")


def _target(y: Any, name: str) -> NDArray[Any]:
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None")
    home = type(y).__module__.partition(".")[0]
    own = np.asarray(y.to_pylist() if home == "pyarrow" else y)
    if own.ndim == 0:
        raise ValueError("y should be a 1d array, got a scalar")
    if own.dtype.kind == "f" and not np.isfinite(own).all():
        raise ValueError("Input y contains NaN or infinity")
    return own


class _Transformer(TransformerMixin):  # type: ignore[misc]
    """Estimators whose final states others go on with."""

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The final states of sequences, for other models to go on with.

        Returns
        -------
        ndarray of shape [N, W]
            W is ``hidden`` for each direction.
        """
        own = cast("_Estimator", self)
        model = own._check_fitted()
        return model.states(own._read_again(X, own._kind, own._first).inputs(), device=own._device())


class SRNNClassifier(ClassifierMixin, _Transformer, _Estimator):  # type: ignore[misc]
    """A classifier of sequences: texts, tokens, or signals.

    Settings that are not given are chosen by the data, as ``srnn train`` chooses them, and kept in ``chosen_``.

    Parameters
    ----------
    slices : str, optional
        ``"8x2"`` for SRNN(8,2), ``"rnn"`` for the plain network.
    length : int, optional
        Longest sequence in steps.
    cell : {"gru", "lstm", "rnn", "mingru"}, optional
    direction : {"forward", "backward", "both"}, optional
    pool : {"last", "max", "mean", "attention"}, optional
        What slices pass up; ``head_pool`` is the same of the top level.
    hidden, layers, heads, context, embedding : int, optional
    epochs, batch, patience : int, optional
    learning_rate, dropout, word_dropout, weight_decay, label_smoothing : float, optional
    class_weight : "balanced" or dict, optional
        Weights of the classes, by label.
    validation_fraction : float
        Share of the sequences that is held out, by which the best epoch is kept; 0 with ``keep="last"`` for none.
    input : {"auto", "texts", "tokens", "ids", "numbers"}
        What X holds; see ``fit``.
    channels : {"auto", "last", "first"}
        Which axis of ``[N, T, D]`` numbers is D; sktime and aeon have it first.
    device : str or Device
        ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
    random_state : int, RandomState or None
        The same whole number on the same device gives the same bits, and those of ``srnn train --seed``.
    verbose : bool
        Whether a bar and a line for each epoch are shown.
    slices, align, reset, candidate, … : optional
        All others are the options of ``srnn train`` by their names; ``srnn train --help`` tells them.

    Attributes
    ----------
    classes_ : ndarray
    model_ : Model
    history_ : list of dict
        An entry for each epoch: ``train_loss``, ``valid_loss``, ``valid_score``, ``seconds``, …
    chosen_ : dict
        What was chosen for settings that were not given.
    """

    classes_: NDArray[Any]
    _tasks = ("class", "labels")

    def fit(self, X: Any, y: Any, validation_data: tuple[Any, Any] | None = None) -> SRNNClassifier:
        """Fit the classifier.

        Parameters
        ----------
        X
            Texts: a list, an array, or a pandas, polars or Arrow column of strings. Token ids: whole numbers ``[N, T]`` or a list of
            ``[T_i]``. Numbers: ``[N, T]``, ``[N, T, D]``, a list of ``[T_i]`` or ``[T_i, D]``, or sktime's tables.
        y
            A label of each, of any type; or 0 and 1 ``[N, L]`` for any of L labels at once.
        validation_data
            X and y to validate with, in place of a share of X.

        Raises
        ------
        KeyboardInterrupt
            When it is stopped, within a step; what was learnt is kept if an epoch was done.
        """
        own, target = self._read(X), _flattened(_target(y, type(self).__name__))
        check_classification_targets(target)
        _count(own, target)
        if target.ndim == 2:
            if self.class_weight is not None:
                raise ValueError("class_weight is for classes, and several labels at once are told here")
            state: dict[str, Any] = {"_several": True, "_names": [], "classes_": np.arange(target.shape[1])}
            valid = self._valid(own, validation_data, lambda X, y: _marks(_target(y, "validation"), target.shape[1]))
            self._fit("labels", own, _marks(target, target.shape[1]), valid, state)
            return self
        classes = np.unique(target)
        names = names_of(classes)
        state = {"_several": False, "_names": names, "classes_": classes}

        def targets(_: Sequences, y: Any) -> _srnn.Targets:
            return _named(_flattened(_target(y, "validation")), classes, names)

        valid = self._valid(own, validation_data, targets)
        self._fit("class", own, _named(target, classes, names), valid, state, self._weights(names, classes))
        return self

    def _fitted(self) -> None:
        self._order = None if self._several else by_name(self._names, self.model_.names)

    def _loaded(self, task: str) -> None:
        self._several = task == "labels"
        self.classes_ = np.arange(len(self._names)) if self._several else np.asarray(self._names)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities ``[N, C]``, in the order of ``classes_``."""
        _, told, _ = self._told(X)
        return told if self._several else told[:, self._order]

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each, by the model's thresholds where it has some; of several labels at once 0 and 1 ``[N, L]``."""
        told, thresholds = self.predict_proba(X), self.model_.thresholds
        if self._several:
            return (told > np.asarray(thresholds) if thresholds else told >= 0.5).astype(int)
        places = told.argmax(axis=1)
        if thresholds and self._order is not None:
            # That of the model's second class.
            second = int(np.argmax(self._order))
            places = np.where(told[:, second] > thresholds[0], second, 1 - second)
        return cast("NDArray[Any]", self.classes_[places])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _flattened(y: NDArray[Any]) -> NDArray[Any]:
    """A single column as what it is."""
    if y.ndim != 2 or y.shape[1] != 1:
        return y
    warnings.warn("A column-vector y was passed when a 1d array was expected.", DataConversionWarning, stacklevel=3)
    return y[:, 0]


def _named(y: NDArray[Any], classes: NDArray[Any], names: list[str]) -> _srnn.Targets:
    unknown = np.setdiff1d(y, classes)
    if unknown.size:
        raise ValueError(f"y holds labels that were not fitted: {unknown[:5].tolist()}")
    return _srnn.Targets.names([names[place] for place in np.searchsorted(classes, y).tolist()])


def _marks(y: NDArray[Any], width: int) -> _srnn.Targets:
    if y.ndim != 2 or y.shape[1] != width:
        raise ValueError(f"y has the shape {list(y.shape)}, and {width} labels are told of each")
    return _srnn.Targets.rows(np.ascontiguousarray(y, dtype=np.float64))


class SRNNRegressor(RegressorMixin, _Transformer, _Estimator):  # type: ignore[misc]
    """A regressor of sequences: a number of each, or several.

    Parameters and attributes are those of ``SRNNClassifier``, but for those of classes.
    """

    _tasks = ("regression",)

    def fit(self, X: Any, y: Any, validation_data: tuple[Any, Any] | None = None) -> SRNNRegressor:
        """Fit the regressor to numbers y, ``[N]`` or ``[N, M]``; X as in ``SRNNClassifier.fit``."""
        own, target = self._read(X), _target(y, type(self).__name__)
        if self.class_weight is not None:
            raise ValueError("class_weight is for classes, and numbers are told here")
        _count(own, target)
        state: dict[str, Any] = {"_flat": target.ndim == 1 or target.shape[1] == 1, "_names": []}
        width = _flattened(target).reshape(len(target), -1).shape[1]
        valid = self._valid(own, validation_data, lambda X, y: _numbers(_target(y, "validation"), width))
        self._fit("regression", own, _numbers(target, width), valid, state)
        return self

    def _loaded(self, task: str) -> None:
        self._flat = len(self._names) == 1

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The numbers of each, in the shape of y."""
        _, told, _ = self._told(X)
        return told[:, 0] if self._flat else told

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _numbers(y: NDArray[Any], width: int) -> _srnn.Targets:
    if y.dtype.kind not in "fiub" and y.dtype != object:
        raise ValueError(f"y has the type {y.dtype}: give real numbers")
    try:
        rows = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"y holds what is no number: {error}") from None
    if not np.isfinite(rows).all():
        raise ValueError("Input y contains NaN or infinity")
    if rows.shape[1] != width:
        raise ValueError(f"y has {rows.shape[1]} numbers for each, and {width} are told")
    return _srnn.Targets.rows(rows)


class SRNNTagger(_Estimator):
    """A tagger: a tag for every step of sequences of tokens or numbers.

    Parameters and attributes are those of ``SRNNClassifier``.
    """

    classes_: NDArray[Any]
    _tasks = ("tags",)

    def fit(self, X: Any, y: Any, validation_data: tuple[Any, Any] | None = None) -> SRNNTagger:
        """Fit the tagger.

        Parameters
        ----------
        X
            Tokens: a list of lists of strings, or of ids; numbers as in ``SRNNClassifier.fit``.
        y
            A list of the tags of each, as many as it has steps; of any type.
        """
        own = self._read(X)
        tags = self._tags(own, y)
        classes = np.unique(np.concatenate([np.asarray(row) for row in tags]))
        names = names_of(classes)
        places = dict(zip(classes.tolist(), names))

        def targets(X: Sequences, y: Any) -> _srnn.Targets:
            try:
                return _srnn.Targets.tags([joined(places[_plain(tag)] for tag in row) for row in self._tags(X, y)])
            except KeyError as error:
                raise ValueError(f"y holds the tag {error}, which was not fitted") from None

        state = {"classes_": classes, "_names": names}
        valid = self._valid(own, validation_data, targets)
        self._fit("tags", own, targets(own, y), valid, state, self._weights(names, classes))
        return self

    def _tags(self, X: Sequences, y: Any) -> list[Any]:
        if X.kind == "texts":
            raise ValueError("a tagger reads tokens: give a list of strings for each text")
        tags = [list(own) for own in y]
        if len(tags) != len(X):
            raise ValueError(f"Found input variables with inconsistent numbers of samples: {[len(X), len(tags)]}")
        for row, (steps, own) in enumerate(zip(X.steps(), tags)):
            if not steps:
                raise ValueError(f"X[{row}] has no step")
            if steps != len(own):
                raise ValueError(f"X[{row}] has {steps} steps, and y[{row}] has {len(own)} tags")
        return tags

    def _fitted(self) -> None:
        self._order = by_name(self._names, self.model_.names)

    def _loaded(self, task: str) -> None:
        self.classes_ = np.asarray(self._names)

    def predict_proba(self, X: Any) -> list[NDArray[np.float64]]:
        """Probabilities of the tags of every step: an array ``[T_i, C]`` for each sequence."""
        own, told, steps = self._told(X)
        rows = np.split(told[:, self._order], np.cumsum(steps)[:-1])
        # Of a sequence without a step the engine tells of one, of nothing.
        return [row[:count] for row, count in zip(rows, own.steps())]

    def predict(self, X: Any) -> list[NDArray[Any]]:
        """The tags of every step: an array ``[T_i]`` for each sequence."""
        return [self.classes_[own.argmax(axis=1)] for own in self.predict_proba(X)]

    def score(self, X: Any, y: Any) -> float:
        """The share of steps whose tag is told rightly."""
        told, truth = np.concatenate(self.predict(X)), np.concatenate([np.asarray(own) for own in y])
        return float((told == truth).mean())


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label

"""The network by itself: shape, weights, logits, gradients and training steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _srnn

__all__ = ["Config", "Network", "devices", "doctor"]


class Config:
    """What a network is: the settings of ``config.json`` by name; what is not given is the paper's (SRNN(8,2), H = 50, …).

    Parameters
    ----------
    **settings
        ``cell`` (gru, lstm, rnn, mingru), ``slicing`` ("8x2" or "rnn"), ``length``, ``hidden``, ``embedding``, ``vocabulary``,
        ``classes``, ``task``, ``direction``, ``layers``, ``heads``, ``pooling``, ``head_pooling``, ``context``, ``input``, …

    Raises
    ------
    ValueError
        For an unknown setting, or settings that make no network.

    Examples
    --------
    >>> Config(slicing="4x1", length=16, vocabulary=10, hidden=8).parameters(embedding=False)
    5490
    """

    _own: _srnn.Config
    _settings: dict[str, Any]

    def __init__(self, **settings: Any) -> None:
        if settings.get("input") == "numbers":
            settings = {"vocabulary": 0, **settings}
        self.__dict__["_own"] = _srnn.Config(_json(settings))
        self.__dict__["_settings"] = json.loads(self._own.json())

    def to_dict(self) -> dict[str, Any]:
        """All settings by name, as ``config.json`` has them."""
        return dict(self._settings)

    def parameters(self, *, embedding: bool = True) -> int:
        """Number of weights, with the embedding's or without."""
        return self._own.parameters(embedding=embedding)

    def sequential_steps(self) -> int:
        """Steps that must wait for one another in a sequence of ``length``: T/n^k + n·k."""
        return self._own.sequential_steps()

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_settings"][name]
        except KeyError:
            raise AttributeError(f"a configuration has no setting {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a configuration does not change: make another one, as Config(**{**config.to_dict(), ...})")

    def __hash__(self) -> int:
        return hash(self._own.json())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self._settings == other._settings

    def __reduce__(self) -> tuple[Any, ...]:
        return _config, (self._settings,)

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"


def _config(settings: Mapping[str, Any]) -> Config:
    return Config(**settings)


class Network:
    """A network on a device.

    Parameters
    ----------
    config : Config
    seed : int
        Of the first weights: the same seed gives the same bits.
    device : str or Device
        ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.

    Notes
    -----
    ``sequences`` are N one-dimensional arrays of token ids, or N arrays ``[T_i, D]`` of numbers. Settings of the optimiser are
    ``learning_rate``, ``weight_decay``, ``momentum`` (gradient descent in place of Adam), ``clip``, ``dropout``,
    ``embedding_dropout``, ``label_smoothing``, ``class_weights`` and ``seed`` (of what is dropped).
    """

    def __init__(self, config: Config, *, seed: int = 1, device: str | _srnn.Device = "auto") -> None:
        self.config = config
        self._asked = device
        self._own = _srnn.Network(config._own, seed, device)

    def __reduce__(self) -> tuple[Any, ...]:
        return _network, (self.config, self._asked, self.state_dict())

    @classmethod
    def load(cls, directory: str | PathLike[str], *, device: str | _srnn.Device = "auto") -> Network:
        """The network of a model directory, with its weights; what it reads and tells is ``Model``'s to know."""
        model = _srnn.Model.load(directory)
        network = cls(Config(**json.loads(model.config.json())), device=device)
        network.load_state_dict(model.state_dict())
        return network

    @property
    def device(self) -> str:
        """The device that it is on."""
        return self._own.device

    def logits(self, sequences: Sequence[ArrayLike]) -> Any:
        """Logits ``[N, C]``; of every step, a list of ``[T_i, C]``."""
        values, ends = self._flat(sequences)
        return self._shaped(self._own.logits(values, ends), ends)

    def probabilities(self, sequences: Sequence[ArrayLike]) -> Any:
        """What the logits say, in their shape: softmax of classes, sigmoids of labels, the numbers themselves."""
        values, ends = self._flat(sequences)
        return self._shaped(self._own.probabilities(values, ends), ends)

    def states(self, sequences: Sequence[ArrayLike]) -> Any:
        """What the head reads: final states ``[N, W]``; of every step, a list of outputs ``[T_i, W]``."""
        values, ends = self._flat(sequences)
        return self._shaped(self._own.states(values, ends), ends)

    def train_step(self, sequences: Sequence[ArrayLike], targets: Any, **optimiser: Any) -> float:
        """Train on one batch.

        Parameters
        ----------
        sequences
            As above.
        targets
            Classes ``[N]``; labels or numbers ``[N, C]``; of every step a list of ``[T_i]`` or ``[T_i, C]``.
        **optimiser
            As above; Adam with a rate of 0.001 by default.

        Returns
        -------
        float
            Mean loss of the batch before the step.
        """
        values, ends = self._flat(sequences)
        return self._own.train_step(values, ends, self._told(targets, ends), _optimiser(optimiser))

    def gradients(
        self, sequences: Sequence[ArrayLike], targets: Any, **optimiser: Any
    ) -> tuple[float, dict[str, NDArray[np.float32]]]:
        """The mean loss of a batch and the gradients of all weights by name, without a step."""
        values, ends = self._flat(sequences)
        return self._own.gradients(values, ends, self._told(targets, ends), _optimiser(optimiser))

    def state_dict(self) -> dict[str, NDArray[np.float32]]:
        """All weights by PyTorch's names: ``levels.0.weight_ih_l0 [3H, D]``, …"""
        return self._own.state_dict()

    def load_state_dict(self, tensors: Mapping[str, Any]) -> None:
        """Take weights by these names: arrays, or tensors of PyTorch.

        Raises
        ------
        ValueError
            For one that is missing, is none of this network's, or has another shape.
        """
        self._own.load_state_dict({name: _array(own) for name, own in tensors.items()})

    def to_onnx(self) -> bytes:
        """The network as an ONNX file: token ids or numbers and lengths in, logits and probabilities out."""
        return self._own.onnx()

    def _flat(self, sequences: Sequence[ArrayLike]) -> tuple[Any, list[int]]:
        numbers = self.config.input == "numbers"
        kind = np.float32 if numbers else np.uint32
        own = [np.asarray(sequence) for sequence in sequences]
        for at, sequence in enumerate(own):
            if numbers and sequence.ndim == 1 and self.config.embedding == 1:
                continue
            wanted = 2 if numbers else 1
            if sequence.ndim != wanted or (numbers and sequence.shape[1] != self.config.embedding):
                shape = f"[T, {self.config.embedding}]" if numbers else "[T]"
                raise ValueError(f"sequence {at} has the shape {list(sequence.shape)}, and the network reads {shape}")
            if not numbers and sequence.size and (sequence.dtype.kind not in "iu" or sequence.min() < 0):
                raise ValueError(f"sequence {at} holds no token ids: whole numbers from 0")
            if not numbers and sequence.size and int(sequence.max()) >= self.config.vocabulary:
                raise ValueError(f"token {sequence.max()} of sequence {at} is beyond the vocabulary of {self.config.vocabulary}")
            whole = self.config.task in ("tags", "series") and self.config.align == "end"
            if whole and len(sequence) > self.config.length:
                raise ValueError(f"sequence {at} has {len(sequence)} steps, and the network tells of {self.config.length} at most")
        ends = list(accumulate(len(sequence) for sequence in own))
        flat = [sequence.ravel() for sequence in own]
        return np.concatenate(flat or [np.empty(0)]).astype(kind), ends

    def _told(self, targets: Any, ends: list[int]) -> Any:
        task, classes = self.config.task, self.config.classes
        if task in ("tags", "series"):
            steps = [end - begin for begin, end in zip([0, *ends], ends)]
            if [len(own) for own in targets] != steps:
                raise ValueError(f"targets are of {[len(own) for own in targets]} steps, and the sequences have {steps}")
            targets = np.concatenate([np.asarray(own) for own in targets])
        own = np.asarray(targets)
        if task in ("class", "tags"):
            if own.dtype.kind not in "iu" or own.ndim != 1 or (own.size and not 0 <= own.min() <= own.max() < classes):
                raise ValueError(f"targets are classes by their number, from 0 to {classes - 1}")
            return own.astype(np.uint32)
        if task == "labels" and not np.isin(own, (0, 1)).all():
            raise ValueError("targets are 0 or 1 for each label")
        return np.ascontiguousarray(own.reshape(len(own), -1), dtype=np.float32)

    def _shaped(self, values: NDArray[np.float32], ends: list[int]) -> Any:
        return np.split(values, ends[:-1]) if self.config.task in ("tags", "series") else values


def _network(config: Config, device: str | _srnn.Device, weights: Mapping[str, Any]) -> Network:
    own = Network(config, device=device)
    own.load_state_dict(weights)
    return own


def _array(tensor: Any) -> NDArray[np.float32]:
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().numpy()
    return np.ascontiguousarray(tensor, dtype=np.float32)


def _optimiser(settings: dict[str, Any]) -> str:
    own = dict(settings)
    momentum, decay = own.pop("momentum", None), own.pop("weight_decay", 0.0)
    rate = own.pop("learning_rate", 1e-3)
    if momentum is not None:
        rule: dict[str, Any] = {"sgd": {"learning_rate": rate, "momentum": momentum, "weight_decay": decay}}
    else:
        betas = {name: own.pop(name, usual) for name, usual in (("beta1", 0.9), ("beta2", 0.999), ("epsilon", 1e-8))}
        rule = {"adam": {"learning_rate": rate, "weight_decay": decay, **betas}}
    known = {"clip", "dropout", "embedding_dropout", "seed", "label_smoothing", "class_weights"}
    for name in own:
        if name not in known:
            raise ValueError(f"an optimiser has no setting {name!r}")
    return _json({"rule": rule, **own})


def _json(settings: Mapping[str, Any]) -> str:
    """As JSON, in which numbers of numpy are numbers."""
    return json.dumps(settings, default=lambda own: own.tolist())


def devices() -> list[dict[str, Any]]:
    """All devices, the best first: what to give for each (``device``), its name, kind, driver and features."""
    own: list[dict[str, Any]] = json.loads(_srnn.devices())
    return own


def doctor(device: str | _srnn.Device = "gpu") -> list[dict[str, Any]]:
    """Run every kernel on a GPU and on the CPU engine from the same buffers, and compare.

    Returns
    -------
    list of dict
        ``kernel``, ``place``, ``binding``, ``error``, ``allowed`` and ``problem``, which is None where all is well.
    """
    own: list[dict[str, Any]] = json.loads(_srnn.doctor(device))
    return own

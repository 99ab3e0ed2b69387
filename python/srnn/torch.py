"""The same network in PyTorch, for those who go on there.

`SRNN` is a module whose parameters have srnn's names and shapes; `load` reads one from a model directory::

    from srnn.torch import load

    network = load("my-model")
    logits = network(tokens, lengths)  # ids [B, T], padded behind each sequence

Sizes in what follows: B sequences of at most T steps of D numbers; H hidden units, and W = H for each direction; C
classes; and, of one level, R slices of P steps in all. The steps of a level stand one after the other, ``[P, D]``; its
slices are read at once, side by side.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SRNN", "load"]

DEFAULTS: dict[str, Any] = {
    "cell": "gru", "reset": "after", "activation": "tanh", "slicing": "8x2", "direction": "forward", "heads": 1,
    "layers": 1, "pooling": "last", "head_pooling": "last", "context": 0, "length": 512, "align": "end",
    "input": "tokens", "vocabulary": 30_000, "embedding": 200, "hidden": 50, "task": "class", "downward": True,
    "classes": 2, "truncate": "front", "overlap": 64, "padding": "masked", "freeze_embedding": False,
}  # fmt: skip
POOLINGS = ("last", "max", "mean", "attention")
CHOICES = {
    "cell": ("gru", "lstm", "rnn", "mingru"),
    "reset": ("after", "before"),
    "activation": ("tanh", "identity", "relu"),
    "direction": ("forward", "backward", "both"),
    "pooling": POOLINGS,
    "head_pooling": POOLINGS,
    "align": ("end", "start"),
    "input": ("tokens", "numbers"),
    "task": ("class", "labels", "regression", "tags", "series"),
    "truncate": ("front", "back"),
    "padding": ("masked", "unmasked"),
}
STEP_TASKS = ("tags", "series")
GATES = {"gru": 3, "lstm": 4, "rnn": 1, "mingru": 2}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu, "identity": lambda x: x}
# The recurrences that PyTorch has and whose states are bounded, so that they may run on behind a row.
FUSED: dict[tuple[str, str, str], Any] = {
    ("gru", "after", "tanh"): torch.gru,
    ("lstm", "after", "tanh"): torch.lstm,
    ("rnn", "after", "tanh"): torch.rnn_tanh,
}


class Slices(NamedTuple):
    """The slices of a level, sequence by sequence: places among its P steps, ``[R]`` each, on the CPU."""

    first: Tensor
    """The first step of a slice."""
    last: Tensor
    """Its last step."""
    begin: Tensor
    """The first step of its sequence."""
    end: Tensor
    """The last step of its sequence."""


class Rows(NamedTuple):
    """How the rows of a level are read in one direction, side by side: as many times as the longest has steps."""

    steps: Tensor
    """``[longest, R]``: which step of the level is read; behind a shorter row its last one again, for nothing."""
    real: Tensor
    """``[longest, R, 1]``: whether it is none of these."""
    own: Tensor
    """``[P]``: where among these places each step is read by its own slice."""

    def of(self, values: Tensor) -> Tensor:
        """Values of steps ``[P, N]`` as they are read, ``[longest, R, N]``."""
        return values.index_select(0, self.steps.flatten()).view(*self.steps.shape, -1)


def cut(counts: Tensor, size: int, align: str) -> tuple[Slices, Tensor]:
    """Cuts sequences of `counts` steps ``[B]`` into slices of `size`, of which one is short; also how many each has."""
    slices = (counts + size - 1) // size
    behind, ends = slices.cumsum(0), counts.cumsum(0)
    steps = torch.full((int(slices.sum()),), size)
    steps[behind - slices if align == "end" else behind - 1] = counts - (slices - 1) * size
    last = steps.cumsum(0) - 1
    sequence = torch.arange(len(counts)).repeat_interleave(slices)
    return Slices(last - steps + 1, last, (ends - counts)[sequence], ends[sequence] - 1), slices


def rows_of(slices: Slices, context: int, backward: bool, device: torch.device) -> Rows:
    """The rows in one direction, each of which begins with up to `context` steps of its sequence before its own."""
    first, last, begin, end = slices
    begin = first if backward else torch.maximum(first - context, begin)
    end = torch.minimum(last + context, end) if backward else last
    time = torch.arange(int((end - begin).max()) + 1)[:, None]
    steps = (end - time).maximum(begin) if backward else (begin + time).minimum(end)
    row = torch.arange(len(first)).repeat_interleave(last - first + 1)
    step = torch.arange(len(row))
    own = (end[row] - step if backward else step - begin[row]) * len(first) + row
    real = (time <= end - begin)[:, :, None]
    return Rows(steps.to(device), real.to(device), own.to(device))


def whole(weight: Tensor, hidden: int) -> Tensor:
    """U ``[G·H, H]`` out of ``[G·H, H/heads]``, whose rows read the states of their own head: zeros elsewhere."""
    units = weight.shape[1]
    blocks = torch.eye(hidden // units, dtype=weight.dtype, device=weight.device)[:, None, :, None]
    return (weight.view(-1, hidden // units, units, 1, units) * blocks).reshape(-1, hidden)


def glorot(weight: Tensor, inputs: int, outputs: int) -> None:
    """Uniform in ±√(6 / (inputs + outputs)); `outputs` are those of one gate."""
    bound = (6.0 / (inputs + outputs)) ** 0.5
    nn.init.uniform_(weight, -bound, bound)


class Level(nn.Module):
    """The weights of a level, and what it does with its steps."""

    def __init__(self, config: Mapping[str, Any], inputs: int, pooling: str) -> None:
        super().__init__()
        self.cell, self.hidden, self.layers = config["cell"], config["hidden"], config["layers"]
        self.kind, self.pooling = (self.cell, config["reset"], config["activation"]), pooling
        # By direction: the end of its parameters' names, and whether it reads backward.
        ways = {"forward": [("", False)], "backward": [("", True)], "both": [("", False), ("_reverse", True)]}
        self.ways = ways[config["direction"]]
        rows, units = GATES[self.cell] * self.hidden, self.hidden // config["heads"]
        for layer in range(self.layers):
            shapes = {"weight_ih": [rows, inputs], "weight_hh": [rows, units], "bias_ih": [rows], "bias_hh": [rows]}
            if self.cell == "mingru":
                del shapes["weight_hh"]
            if self.cell == "mingru" or config["reset"] == "before":
                del shapes["bias_hh"]
            for suffix, _ in self.ways:
                for name, shape in shapes.items():
                    self.register_parameter(f"{name}_l{layer}{suffix}", nn.Parameter(torch.empty(shape)))
            inputs = self.hidden * len(self.ways)
        if pooling == "attention":
            self.attention = nn.Parameter(torch.empty(inputs))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Glorot's uniform W, an orthogonal U for each gate and head, biases 0, but 1 of an LSTM's forget gate."""
        for name, value in self.named_parameters():
            if name == "attention":
                glorot(value, len(value), 1)
            elif name.startswith("weight_ih"):
                glorot(value, value.shape[1], self.hidden)
            elif name.startswith("weight_hh"):
                for block in value.view(-1, value.shape[1], value.shape[1]):
                    nn.init.orthogonal_(block)
            else:
                opened = self.cell == "lstm" and name.startswith("bias_ih")
                value.zero_()[self.hidden : 2 * self.hidden] = float(opened)

    def forward(self, steps: Tensor, slices: Slices, context: int, first: list[Tensor]) -> list[Tensor]:
        """By layer, the outputs ``[P, W]`` of `steps` ``[P, inputs]``; its slices begin with `first` ``[R, W]``."""
        ways = [rows_of(slices, context, backward, steps.device) for _, backward in self.ways]
        outputs = []
        for layer, states in enumerate(first):
            halves = []
            for (suffix, _), rows, state in zip(self.ways, ways, states.chunk(len(ways), 1)):
                names = [f"{name}_l{layer}{suffix}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
                weights = [getattr(self, name, None) for name in names]
                half = self.recurrence(rows.of(steps), rows.real, state.contiguous(), weights)
                halves.append(half.flatten(0, 1).index_select(0, rows.own))
            steps = torch.cat(halves, 1)
            outputs.append(steps)
        return outputs

    def recurrence(self, inputs: Tensor, real: Tensor, state: Tensor, weights: list[Any]) -> Tensor:
        """The states ``[longest, R, H]`` after all steps ``[longest, R, inputs]``, from `state` ``[R, H]`` on."""
        w, u, b, c = weights
        u = None if u is None else whole(u, self.hidden)
        if self.kind in FUSED:
            begin = (state[None], torch.zeros_like(state[None])) if self.cell == "lstm" else state[None]
            # cuDNN keeps what the backward pass needs if it is told to train.
            settings = True, 1, 0.0, torch.is_grad_enabled(), False, False
            return cast(Tensor, FUSED[self.kind](inputs, begin, [w, u, b, c], *settings)[0])
        outputs = []
        for gates, is_real in zip(functional.linear(inputs, w, b), real):
            state = torch.where(is_real, self.step(gates, state, u, c), state)
            outputs.append(state)
        return torch.stack(outputs)

    def step(self, gates: Tensor, h: Tensor, u: Any, c: Any) -> Tensor:
        """The next states ``[rows, H]``, out of all gates' part of the inputs ``[rows, G·H]`` and the states `h`."""
        (cell, reset, activation), both = self.kind, 2 * self.hidden
        phi = ACTIVATIONS[activation]
        if cell == "mingru":
            update, candidate = gates.chunk(2, 1)
            return torch.lerp(h, phi(candidate), update.sigmoid())
        if cell == "rnn":
            return phi(gates + functional.linear(h, u, c))
        product = functional.linear(h, u[:both] if reset == "before" else u, c)
        r, z = (gates[:, :both] + product[:, :both]).sigmoid().chunk(2, 1)
        of_state = functional.linear(r * h, u[both:]) if reset == "before" else r * product[:, both:]
        return torch.lerp(phi(gates[:, both:] + of_state), h, z)

    def pool(self, outputs: Tensor, slices: Slices) -> Tensor:
        """What slices pass up ``[R, W]``, of the outputs ``[P, W]`` of the last layer."""
        first, last = slices.first.to(outputs.device), slices.last.to(outputs.device)
        if self.pooling == "last":
            halves = zip(outputs.chunk(len(self.ways), 1), self.ways)
            return torch.cat([half.index_select(0, first if backward else last) for half, (_, backward) in halves], 1)
        rows = rows_of(slices, 0, False, outputs.device)

        def padded(values: Tensor, padding: float) -> Tensor:  # [P, N] to [longest, R, N]
            return rows.of(values).masked_fill(~rows.real, padding)

        if self.pooling == "max":
            return padded(outputs, -torch.inf).max(0).values
        if self.pooling == "mean":
            return padded(outputs, 0.0).sum(0) / rows.real.sum(0)
        shares = padded((outputs.tanh() @ self.attention)[:, None], -torch.inf).softmax(0)
        return (shares * padded(outputs, 0.0)).sum(0)

    def handed_down(self, outputs: Tensor, first: Tensor, slices: Slices) -> Tensor:
        """The states ``[P, W]`` with which the slices of the level below begin: each is a step here, and begins with
        the output of the step that is read before it, or with what its row began with, `first` ``[R, W]``."""
        halves, parts = [], len(self.ways)
        for (_, backward), half, own in zip(self.ways, outputs.chunk(parts, 1), first.chunk(parts, 1)):
            read_first = (slices.last if backward else slices.first).to(outputs.device)
            halves.append(half.roll(-1 if backward else 1, 0).index_copy(0, read_first, own))
        return torch.cat(halves, 1)


class SRNN(nn.Module):
    """A sliced recurrent network, with srnn's parameters under the same names.

    Parameters
    ----------
    config
        The settings, as ``network`` in a model directory's ``config.json``. What is missing is srnn's default.

    Raises
    ------
    ValueError
        If the settings make no network.

    Notes
    -----
    ``load_state_dict`` takes srnn's tensors, and ``state_dict`` gives them back. There is no dropout, which belongs to
    srnn's training and not to the network.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        config, n, k = checked(config)
        self.config, self.k = config, k
        self.of_steps = config["task"] in STEP_TASKS
        # Steps of a slice, by level.
        self.sizes = [-(-config["length"] // n**k), *[n] * k]
        if self.of_steps and not config["downward"]:
            self.sizes = self.sizes[:1]
        if config["input"] == "tokens":
            self.embedding = nn.Embedding(config["vocabulary"], config["embedding"])
            self.embedding.weight.requires_grad_(not config["freeze_embedding"])
        width = config["hidden"] * (2 if config["direction"] == "both" else 1)
        poolings = [config["pooling"]] * (len(self.sizes) - 1) + [config["head_pooling"]]
        inputs = [config["embedding"]] + [width] * k
        self.levels = nn.ModuleList(Level(config, *own) for own in zip(inputs, poolings))
        self.head = nn.Linear(width, config["classes"])
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """First weights from srnn's distributions, by PyTorch's random numbers."""
        for level in self.levels:
            cast(Level, level).reset_parameters()
        glorot(self.head.weight, self.head.in_features, self.head.out_features)
        self.head.bias.zero_()
        if self.config["input"] == "tokens":
            nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, inputs: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """Logits of sequences, or of all of their steps.

        Parameters
        ----------
        inputs
            Token ids ``[B, T]`` or numbers ``[B, T, D]``. What stands behind a sequence is of no account.
        lengths
            Steps of each sequence ``[B]``; T by default. No token is one padding token (but not in tasks of steps).

        Returns
        -------
        Tensor
            Logits ``[B, C]``; of a task of steps ``[B, T, C]``, with zeros behind each sequence.

        Raises
        ------
        ValueError
            If the network cannot read that.
        """
        read, spread = self._read(inputs, lengths)
        return spread(self.head(read))

    def states(self, inputs: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """What the head reads of sequences ``[B, W]``; arguments as of `forward`."""
        if self.of_steps:
            raise ValueError(f"{self.config['task']} are told of steps, which have outputs: there are no states")
        return self._read(inputs, lengths)[0]

    def outputs(self, inputs: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """What the head reads of steps ``[B, T, W]``, with zeros behind each sequence; arguments as of `forward`."""
        if not self.of_steps:
            raise ValueError(f"{self.config['task']} is told of sequences, which have states: there are no outputs")
        read, spread = self._read(inputs, lengths)
        return spread(read)

    def probabilities(self, logits: Tensor) -> Tensor:
        """What logits ``[..., C]`` say: the softmax of classes and tags, the sigmoid of labels; numbers as they are, on
        the scale of the training (``config.json`` has its mean and deviation)."""
        if self.config["task"] in ("class", "tags"):
            return logits.softmax(-1)
        return logits.sigmoid() if self.config["task"] == "labels" else logits

    def _read(
        self, inputs: Tensor, lengths: Tensor | Sequence[int] | None
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """What the head reads, ``[B, W]`` or ``[P, W]``, and what brings results of it into the shape that is told."""
        steps, counts, spread = self._steps(inputs, lengths)
        align, context, top = self.config["align"], self.config["context"], len(self.sizes) - 1
        levels = [cast(Level, level) for level in self.levels]
        slices, below = [], []  # of every level, and the steps that it reads
        begin: list[Tensor] = []
        for p, (level, size) in enumerate(zip(levels, self.sizes)):
            # From the start, the top of all levels goes on for as long as there are steps.
            endless = align == "start" and p == self.k
            own, counts = cut(counts, int(counts.max()) if endless else size, align)
            begin = [steps.new_zeros(len(own.first), self.head.in_features)] * self.config["layers"]
            slices.append(own)
            below.append(steps)
            if p < top or not self.of_steps:
                steps = level.pool(level(steps, own, context if p == 0 else 0, begin)[-1], own)
        if not self.of_steps:
            return steps, spread
        # Downwards every slice is read again, from what the level above knew before it; so it needs no context.
        for level, own, steps in reversed(list(zip(levels, slices, below))):
            outputs = level(steps, own, context if top == 0 else 0, begin)
            begin = [level.handed_down(*layer, own) for layer in zip(outputs, begin)]
            steps = outputs[-1]
        return steps, spread

    def _steps(
        self, inputs: Tensor, lengths: Tensor | Sequence[int] | None
    ) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
        """The steps ``[P, D]`` of all sequences, cut and padded as set; how many each has ``[B]``; and, as above, what
        spreads results of steps ``[P, ...]`` over ``[B, T, ...]``."""
        config, is_tokens = self.config, self.config["input"] == "tokens"
        shape, most = inputs.shape, config["length"]
        fits = inputs.is_floating_point() != is_tokens and shape[2:] == (() if is_tokens else (config["embedding"],))
        if not fits or len(shape) < 2 or shape[0] == 0:
            wanted = "token ids [B, T]" if is_tokens else f"numbers [B, T, {config['embedding']}]"
            raise ValueError(f"the network reads {wanted}, and these are {inputs.dtype} {list(shape)}")
        counts = torch.as_tensor([shape[1]] * shape[0] if lengths is None else lengths, device="cpu").long()
        least = 0 if is_tokens and not self.of_steps else 1
        if counts.shape != shape[:1] or int(counts.min()) < least or int(counts.max()) > shape[1]:
            raise ValueError(f"lengths are {counts.tolist()}: there must be {shape[0]}, from {least} to {shape[1]}")
        if config["align"] == "start":
            most = shape[1]
        elif self.of_steps and int(counts.max()) > most:
            raise ValueError(f"told of every step, sequences have at most {most} steps: read longer ones in windows")
        kept = counts.clamp(max=most)
        skipped = counts - kept if config["truncate"] == "front" else torch.zeros_like(counts)
        counts = torch.full_like(kept, most) if config["padding"] == "unmasked" else kept.clamp(min=1)
        sequence = torch.arange(len(counts)).repeat_interleave(counts)
        # What stands before the first step is the padding token, id 0.
        step = torch.arange(len(sequence)) - (counts.cumsum(0) - kept - skipped)[sequence]
        at = sequence.to(inputs.device), step.clamp(min=-1).to(inputs.device)
        if is_tokens:
            steps = self.embedding(functional.pad(inputs, (1, 0))[at[0], at[1] + 1])
        else:
            steps = inputs[at].to(self.head.weight.dtype)

        def spread(told: Tensor) -> Tensor:
            return told.new_zeros(*shape[:2], told.shape[1]).index_put(at, told) if self.of_steps else told

        return steps, counts, spread


def checked(given: Mapping[str, Any]) -> tuple[dict[str, Any], int, int]:
    """All settings, and n and k of the slicing; a `ValueError` if they make no network."""
    unknown = ", ".join(given.keys() - DEFAULTS.keys())
    if unknown:
        raise ValueError(f"there is no setting {unknown}: there are {', '.join(DEFAULTS)}")
    numbers = given.get("input") == "numbers"
    config = DEFAULTS | ({"vocabulary": 0} if numbers else {}) | dict(given)
    for name, choices in CHOICES.items():
        if config[name] not in choices:
            raise ValueError(f"{name} is {config[name]!r}: possible are {', '.join(choices)}")
    slicing = str(config["slicing"]).strip().lower()
    parts = re.fullmatch(r"(\d+)x(\d+)", "1x0" if slicing in ("rnn", "1") else slicing)
    if parts is None:
        raise ValueError(f"slicing is {slicing!r}: write NxK such as 8x2, or rnn for the plain network")
    n, k = map(int, parts.groups())
    cell, context, length = config["cell"], config["context"], config["length"]
    steps, masked = config["task"] in STEP_TASKS, config["padding"] == "masked"
    sizes = ["hidden", "heads", "layers", "length", "embedding", "classes", *([] if numbers else ["vocabulary"])]
    problems = {f"{name} is {config[name]}: it must be at least 1": config[name] < 1 for name in sizes}
    problems |= {
        "one of so many classes is told: at least 2": config["classes"] < 2 and config["task"] in ("class", "tags"),
        "numbers have no vocabulary: it must be 0": numbers and config["vocabulary"] != 0,
        "the n of a slicing NxK must be at least 2, as every merge joins n states": k > 0 and n < 2,
        f"there are more slices than the {length} steps of the longest sequence": n**k > length,
        "heads must divide the hidden units": config["hidden"] % max(config["heads"], 1) != 0,
        "only a GRU has a reset gate: leave the reset at after": config["reset"] == "before" and cell != "gru",
        "an LSTM has no other activation than tanh": config["activation"] != "tanh" and cell == "lstm",
        f"context is {context}: it is from 0 to the {length} steps of the longest sequence": not 0 <= context <= length,
        "context is for slices, and the plain network has one": context > 0 and k == 0,
        "padding that is read stands in front: align sequences at their end": not masked and config["align"] == "start",
        "numbers have no padding token: use masked padding": not masked and numbers,
        "steps of padding are none to tell of: use masked padding": not masked and steps,
        "head pooling is for sequences: of a step its own output is read": steps and config["head_pooling"] != "last",
        "pooling is for what slices pass up, and without the downward pass nothing is passed": (
            steps and not config["downward"] and config["pooling"] != "last"
        ),
    }
    for problem, is_there in problems.items():
        if is_there:
            raise ValueError(problem)
    return config, n, k


def load(directory: str | Path) -> SRNN:
    """The network of a model directory with its weights, in evaluation mode.

    Parameters
    ----------
    directory
        What ``srnn train`` wrote: its ``config.json`` and ``model.safetensors`` are read.
    """
    from safetensors.torch import load_file

    config = json.loads(Path(directory, "config.json").read_text(encoding="utf-8"))
    network = SRNN(config["network"])
    network.load_state_dict(load_file(Path(directory, "model.safetensors")))
    return network.eval()

#!/usr/bin/env python3
"""Golden values from PyTorch: logits, loss, every gradient and ten training steps of small sliced networks; single
recurrences that begin with a state given to them; and losses.

    pip install torch safetensors numpy
    python tests/golden/make_golden.py            # all of them
    python tests/golden/make_golden.py NAME...    # these alone

writes the *.safetensors files next to this script. They were made with PyTorch 2.15.0 on the CPU; each file's metadata
says so too. Everything is float64 and deterministic: a second run on the same machine writes the same bytes; another
processor may round the last bits elsewhere, so keep the files that are there and make new ones by name.

What the file of a network holds:

    config                  [3]      n, k, T; the shapes of the parameters say the other sizes
    tokens                  [B, T]   right-aligned ids; the positions in front of a sequence hold id 0, which is never
                                     a real token: its row of `grad.embedding.weight` is zero
    lengths, labels         [B]; labels [P] where every step is told of, P real steps in all
    embedding.weight        [V, D]   the parameters, under PyTorch's names and in its layout
    levels.<p>.weight_ih_l<l>  [G*H, inputs]  of layer l of level p, gates in PyTorch's order: r, z, n or i, f, g, o;
    levels.<p>.weight_hh_l<l>  [G*H, H]       z, c of the minimal GRU. In both directions the names of the backward
    levels.<p>.bias_ih_l<l>    [G*H]          recurrence end in `_reverse`; backward only, they do not. A GRU with the
    levels.<p>.bias_hh_l<l>    [G*H]          reset gate before the product has no bias_hh, a minimal GRU no weight_hh
                                              either. With heads weight_hh is [G*H, H/heads]: each row reads the states
                                              of its own head, whose rows are neighbours within a gate.
    levels.<p>.attention    [W]      where the level pools by attention; W is H, or 2H in both directions
    head.weight             [C, W]
    head.bias               [C]
    logits                  [B, C]; [P, C] where every step is told of
    loss                    []       mean cross-entropy over the batch
    grad.<parameter>                 the gradient of the loss
    trajectory              [10]     the loss before each of ten training steps on this same batch
    gradient_norms          [10]     the global norm of the gradient in each of these steps, before clipping
    trajectory_after.<parameter>     the parameter after the ten steps

Its metadata has one entry, `made_by`, which is JSON; of it, `case` holds the settings of the network: cell, reset (null
but for a GRU), activation, direction, layers, pool, head_pool, context, inputs, hidden, classes, vocabulary, n, k, T, heads
where there are several, and told where every step is told of (the level that pools for the head pools nothing then).

A training step is one of Adam (lr 1e-2, betas 0.9 and 0.999, eps 1e-8, added to the root of the bias-corrected second
moment), after the gradient has been scaled by min(1, 1 / global norm).

The file `state_*` of a single recurrence, of one layer and one direction, holds R rows of steps, which are stored one
after the other without padding, P steps in all:

    rows                    [R, 2]   a row's first step and its number of steps
    inputs                  [P, D]
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0    as above. The names of a recurrence that reads backward (every
                                     row from its last step to its first) do not end in `_reverse`
    h_0                     [R, H]   the state in front of the step that is read first
    c_0                     [R, H]   an LSTM's memory there
    outputs                 [P, H]   the state after every step, at the place of the step
    h_n, c_n                [R, H]   the state and the memory after the step that was read last
    upstream.outputs, upstream.h_n, upstream.c_n    the gradients of a loss into these results. A step that was read
                                     last gets both: that of its output and that of h_n
    grad.inputs, grad.h_0, grad.c_0, grad.weight_ih_l0, ...    the gradients of this loss

Of its metadata, `case` has cell, reset, activation, direction, inputs and hidden.

`losses.safetensors` holds, for each of `smoothed` (cross-entropy with label smoothing and class weights), `binary`
(binary cross-entropy with logits) and `squared` (mean squared error):

    <loss>.logits           [B, C]
    <loss>.targets          [B, C], or the labels [B] of `smoothed`
    <loss>.loss             []
    <loss>.grad             [B, C]   the gradient of the loss
    smoothed.weights        [C]
    smoothed.epsilon        []
"""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.func import functional_call
from torch.nn import functional

STEPS = 10
LEARNING_RATE = 1e-2
MAX_NORM = 1.0


@dataclass
class Case:
    name: str
    seed: int
    n: int  # fan-in of every merge
    k: int  # number of merges
    padded: int  # T
    lengths: list[int]
    inputs: int  # D
    hidden: int  # H
    classes: int  # C
    vocabulary: int = 11  # V
    cell: str = "gru"  # or lstm, rnn, mingru
    reset: str = "after"  # of a GRU, or before
    activation: str = "tanh"  # or relu, identity: of an RNN and of the candidate of a GRU or minimal GRU
    direction: str = "forward"  # or backward, both
    layers: int = 1
    pool: str = "last"  # or max, mean, attention: of the levels below the top
    head_pool: str = "last"  # of the top level
    context: int = 0  # steps of warm-up of a slice of level 0, in each layer
    heads: int = 1  # parts of the hidden units, each with a recurrence of its own
    told: str = ""  # "steps": of every step, with the downward pass; "steps of slices": without, by level 0 alone
    head_scale: float = 1.0  # larger initial weights of the head give larger gradients, which are clipped

    @property
    def directions(self) -> int:
        return 2 if self.direction == "both" else 1

    def settings(self) -> dict:
        names = "cell reset activation direction layers pool head_pool context inputs hidden classes vocabulary n k"
        settings = {name: getattr(self, name) for name in names.split()} | {"T": self.padded}
        settings |= {"heads": self.heads} if self.heads > 1 else {}
        settings |= {"told": self.told} if self.told else {}
        return settings | {"reset": self.reset if self.cell == "gru" else None}


CASES = [
    # The first steps of its trajectory are clipped, the last are not.
    Case("gru_n2_k2", 1, 2, 2, 12, [12] * 4, inputs=5, hidden=7, classes=3, head_scale=3.0),
    # One step; all; one slice and a step; exactly one slice; one step short of two slices.
    Case("gru_n3_k1_ragged", 2, 3, 1, 18, [1, 18, 7, 6, 11], inputs=5, hidden=6, classes=3),
    Case("gru_k0_ragged", 3, 2, 0, 9, [9, 1, 4, 8], inputs=4, hidden=5, classes=2),
    # Cells.
    Case("lstm_n2_k2", 4, 2, 2, 12, [12, 5, 1, 9], inputs=4, hidden=5, classes=3, cell="lstm", head_scale=3.0),
    Case("rnn_tanh_n3_k1", 5, 3, 1, 12, [4, 12, 11], inputs=4, hidden=6, classes=2, cell="rnn"),
    Case("rnn_relu_n2_k1", 6, 2, 1, 10, [10, 6, 3], inputs=4, hidden=6, classes=3, cell="rnn", activation="relu"),
    Case(
        "rnn_identity_n2_k2", 7, 2, 2, 12, [7, 12, 2], inputs=3, hidden=5, classes=3,
        cell="rnn", activation="identity",
    ),
    Case("gru_before_n3_k1", 8, 3, 1, 9, [9, 2, 7, 4], inputs=4, hidden=6, classes=3, reset="before"),
    # The paper's released code.
    Case(
        "gru_before_identity_n2_k2", 9, 2, 2, 16, [16, 3, 13], inputs=4, hidden=5, classes=3,
        reset="before", activation="identity", head_scale=3.0,
    ),
    Case("gru_identity_n4_k1", 10, 4, 1, 8, [8, 5, 1], inputs=3, hidden=5, classes=2, activation="identity"),
    # Directions and layers.
    Case("gru_both_n2_k2", 11, 2, 2, 8, [8, 3, 6], inputs=3, hidden=3, classes=3, direction="both"),
    Case("gru_backward_n4_k1", 12, 4, 1, 12, [12, 8, 5, 10], inputs=4, hidden=6, classes=3, direction="backward"),
    Case("gru_2layers_n3_k1", 13, 3, 1, 12, [12, 1, 10], inputs=4, hidden=4, classes=3, layers=2),
    Case(
        "lstm_both_2layers_n2_k1", 14, 2, 1, 6, [6, 4, 1], inputs=3, hidden=3, classes=2,
        cell="lstm", direction="both", layers=2,
    ),
    Case(
        "gru_before_both_2layers_k0", 15, 2, 0, 6, [5, 6, 1], inputs=3, hidden=4, classes=2,
        reset="before", direction="both", layers=2, head_pool="max",
    ),
    # Pooling. A slice passes up the largest outputs, and only part of them reach the head.
    Case("gru_max_n2_k2", 16, 2, 2, 12, [12, 4, 7], inputs=4, hidden=5, classes=3, pool="max", head_pool="max"),
    Case(
        "rnn_mean_n3_k1", 17, 3, 1, 15, [15, 6, 8], inputs=4, hidden=6, classes=3,
        cell="rnn", pool="mean", head_pool="mean",
    ),
    Case(
        "lstm_both_attention_n2_k2", 18, 2, 2, 8, [8, 2, 7], inputs=3, hidden=2, classes=3,
        cell="lstm", direction="both", pool="attention", head_pool="attention",
    ),
    Case(
        "gru_backward_max_attention_n3_k1", 19, 3, 1, 9, [9, 7, 1], inputs=4, hidden=5, classes=2,
        direction="backward", pool="max", head_pool="attention",
    ),
    # Context: less than a slice, more than a slice.
    Case("gru_context_n3_k1", 20, 3, 1, 12, [12, 9, 6, 2], inputs=4, hidden=6, classes=3, context=2),
    Case(
        "gru_both_context_n2_k2", 21, 2, 2, 8, [8, 5, 6], inputs=3, hidden=3, classes=3,
        direction="both", pool="mean", head_pool="max", context=3,
    ),
    Case(
        "lstm_backward_context_n3_k1", 22, 3, 1, 9, [9, 8, 4], inputs=3, hidden=4, classes=2,
        cell="lstm", direction="backward", pool="attention", context=1,
    ),
    # Layers, each with the context of the one below.
    Case(
        "gru_both_2layers_context_n2_k2", 23, 2, 2, 8, [8, 5, 6], inputs=3, hidden=3, classes=3,
        direction="both", layers=2, pool="attention", context=2,
    ),
    Case(
        "lstm_2layers_context_n3_k1", 24, 3, 1, 12, [12, 9, 5], inputs=3, hidden=4, classes=2,
        cell="lstm", layers=2, context=3,
    ),
    # The minimal GRU (Feng et al. 2024), as in the paper and with all that is around a cell.
    Case(
        "mingru_identity_n2_k2", 25, 2, 2, 12, [12, 5, 1, 9], inputs=4, hidden=6, classes=3,
        cell="mingru", activation="identity", head_scale=3.0,
    ),
    Case(
        "mingru_both_2layers_n2_k1", 26, 2, 1, 8, [8, 3, 6], inputs=3, hidden=3, classes=2,
        cell="mingru", direction="both", layers=2, pool="max", head_pool="mean",
    ),
    Case(
        "mingru_relu_context_n3_k1", 27, 3, 1, 12, [12, 9, 5], inputs=4, hidden=5, classes=3,
        cell="mingru", activation="relu", direction="backward", context=2,
    ),
    # Heads.
    Case(
        "gru_heads_both_2layers_n2_k1", 28, 2, 1, 8, [8, 3, 6], inputs=3, hidden=6, classes=2,
        direction="both", layers=2, heads=3, head_scale=3.0,
    ),
    Case(
        "lstm_heads_context_n3_k1", 29, 3, 1, 12, [12, 9, 5], inputs=4, hidden=4, classes=3,
        cell="lstm", heads=2, pool="max", context=2,
    ),
    # Every step is told of.
    Case("gru_steps_n2_k2", 41, 2, 2, 12, [12, 5, 1, 9], inputs=4, hidden=5, classes=3, told="steps", head_scale=3.0),
    Case(
        "gru_steps_both_n3_k2", 42, 3, 2, 18, [18, 11], inputs=3, hidden=3, classes=3,
        direction="both", told="steps",
    ),
    Case(
        "lstm_steps_both_2layers_n3_k1", 43, 3, 1, 12, [12, 7], inputs=3, hidden=3, classes=2,
        cell="lstm", direction="both", layers=2, pool="max", told="steps",
    ),
    Case(
        "gru_before_steps_backward_context_n2_k2", 44, 2, 2, 12, [12, 8, 3], inputs=3, hidden=4, classes=3,
        reset="before", direction="backward", context=2, told="steps",
    ),
    Case("rnn_steps_k0", 45, 2, 0, 7, [7, 4], inputs=3, hidden=5, classes=2, cell="rnn", told="steps"),
    Case(
        "gru_slices_both_2layers_context_n3_k1", 46, 3, 1, 9, [9, 5], inputs=3, hidden=3, classes=3,
        direction="both", layers=2, context=2, told="steps of slices",
    ),
]  # fmt: skip


def single(name: str, seed: int, **options) -> Case:
    """A recurrence alone, on rows of five, one, three and seven steps."""
    return Case(name, seed, n=1, k=0, padded=7, lengths=[5, 1, 3, 7], inputs=3, hidden=5, classes=0, **options)


# One recurrence each, which begins with a state given to it.
STATES = [
    single("state_gru", 31),
    single("state_gru_reverse", 32, direction="backward"),
    single("state_gru_before", 33, reset="before"),
    single("state_lstm", 34, cell="lstm"),
    single("state_lstm_reverse", 35, cell="lstm", direction="backward"),
    single("state_rnn", 36, cell="rnn"),
    single("state_mingru", 37, cell="mingru", activation="identity"),
]


class Recurrence(nn.Module):
    """A recurrent network that PyTorch has no module for, with the parameters and the results of nn.GRU and nn.RNN:
    the GRU with the reset gate before the product and one bias, the minimal GRU, which does not multiply its state, and
    candidates and RNNs without tanh."""

    def __init__(self, case: Case, inputs: int):
        super().__init__()
        self.case = case
        gates = case.hidden * {"gru": 3, "mingru": 2, "rnn": 1}[case.cell]
        self.one_bias = case.cell == "mingru" or (case.cell == "gru" and case.reset == "before")
        self.ends = ["", "_reverse"][: case.directions]
        bound = case.hidden**-0.5
        for name in self.names():
            self.register_parameter(f"weight_ih_{name}", nn.Parameter(torch.empty(gates, inputs)))
            if case.cell != "mingru":
                self.register_parameter(f"weight_hh_{name}", nn.Parameter(torch.empty(gates, case.hidden)))
            self.register_parameter(f"bias_ih_{name}", nn.Parameter(torch.empty(gates)))
            if not self.one_bias:
                self.register_parameter(f"bias_hh_{name}", nn.Parameter(torch.empty(gates)))
            if name == self.names()[case.directions - 1]:  # the last one that reads the steps themselves
                inputs = case.directions * case.hidden
        for value in self.parameters():
            nn.init.uniform_(value, -bound, bound)

    def names(self) -> list[str]:
        return [f"l{layer}{end}" for layer in range(self.case.layers) for end in self.ends]

    def step(self, name: str, x, h):
        phi = {"tanh": torch.tanh, "relu": torch.relu, "identity": lambda value: value}[self.case.activation]
        from_x = getattr(self, f"weight_ih_{name}") @ x + getattr(self, f"bias_ih_{name}")
        if self.case.cell == "mingru":
            x_z, x_c = from_x.chunk(2)
            z = torch.sigmoid(x_z)
            return (1 - z) * h + z * phi(x_c)
        u = getattr(self, f"weight_hh_{name}")
        if self.case.cell == "rnn":
            return phi(from_x + u @ h + getattr(self, f"bias_hh_{name}"))
        if self.one_bias:
            u_r, u_z, u_n = u.chunk(3)
            x_r, x_z, x_n = from_x.chunk(3)
            r, z = torch.sigmoid(x_r + u_r @ h), torch.sigmoid(x_z + u_z @ h)
            n = phi(x_n + u_n @ (r * h))
        else:
            x_r, x_z, x_n = from_x.chunk(3)
            h_r, h_z, h_n = (u @ h + getattr(self, f"bias_hh_{name}")).chunk(3)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
            n = phi(x_n + r * h_n)
        return (1 - z) * n + z * h

    def forward(self, x, first=None):
        """x [1, steps, inputs] to the last layer's outputs [1, steps, W] and each layer's last states
        [layers * directions, 1, H]. The first states, of the same shape, are 0 if none are given."""
        steps, last = list(x[0]), []
        for layer in range(self.case.layers):
            halves = []
            for end in self.ends:
                h = torch.zeros(self.case.hidden) if first is None else first[len(last), 0]
                outputs = []
                for step in reversed(steps) if end else steps:
                    h = self.step(f"l{layer}{end}", step, h)
                    outputs.append(h)
                last.append(h)
                halves.append(outputs[::-1] if end else outputs)
            steps = [torch.cat(parts) for parts in zip(*halves)]
        return torch.stack(steps).unsqueeze(0), torch.stack(last).unsqueeze(1)


class Heads(nn.Module):
    """A recurrent network whose heads are recurrences of PyTorch's, each with its rows of the parameters."""

    def __init__(self, case: Case, inputs: int):
        super().__init__()
        self.case = case
        self.own = case.hidden // case.heads
        self.ends = ["", "_reverse"][: case.directions]
        single = replace(case, hidden=self.own, heads=1, layers=1, direction="forward")
        self.single = []  # in a list, so that theirs are no weights
        bound = self.own**-0.5
        for layer in range(case.layers):
            self.single.append(recurrence(single, inputs))
            for end in self.ends:
                for name, value in self.single[layer].named_parameters():
                    shape = [case.heads * value.shape[0], *value.shape[1:]]
                    value = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
                    self.register_parameter(name.replace("_l0", f"_l{layer}{end}"), value)
            inputs = case.directions * case.hidden

    def rows(self, name: str, head: int):
        value = getattr(self, name)
        by_gate = value.view(-1, self.case.heads, self.own, *value.shape[1:])
        return by_gate[:, head].flatten(0, 1)

    def forward(self, x):
        for layer, single in enumerate(self.single):
            outputs, last = [], []
            for end in self.ends:
                for head in range(self.case.heads):
                    names = [name for name, _ in single.named_parameters()]
                    weights = {name: self.rows(name.replace("_l0", f"_l{layer}{end}"), head) for name in names}
                    of_head, _ = functional_call(single, weights, (x.flip(1) if end else x,))
                    last.append(of_head[:, -1])
                    outputs.append(of_head.flip(1) if end else of_head)
            x = torch.cat(outputs, 2)
        return x, torch.cat(last, 1).view(self.case.directions, 1, -1)


def recurrence(case: Case, inputs: int) -> nn.Module:
    if case.heads > 1:
        return Heads(case, inputs)
    options = {"num_layers": case.layers, "bidirectional": case.direction == "both", "batch_first": True}
    if case.cell == "lstm":
        return nn.LSTM(inputs, case.hidden, **options)
    if case.cell == "rnn" and case.activation != "identity":
        return nn.RNN(inputs, case.hidden, nonlinearity=case.activation, **options)
    if case.cell == "gru" and case.reset == "after" and case.activation == "tanh":
        return nn.GRU(inputs, case.hidden, **options)
    return Recurrence(case, inputs)


class SlicedNetwork(nn.Module):
    def __init__(self, case: Case):
        super().__init__()
        self.case = case
        width = case.directions * case.hidden
        self.steps = [case.padded // case.n**case.k] + [case.n] * case.k  # L_p of every level
        self.pools = [case.pool] * case.k + [case.head_pool]
        self.embedding = nn.Embedding(case.vocabulary, case.inputs)
        levels = 1 if case.told == "steps of slices" else case.k + 1
        self.levels = nn.ModuleList(recurrence(case, case.inputs if p == 0 else width) for p in range(levels))
        self.head = nn.Linear(width, case.classes)
        for level, pool in zip(self.levels, self.pools):
            if pool == "attention":
                level.attention = nn.Parameter(torch.empty(width).uniform_(-2, 2))
        with torch.no_grad():
            self.head.weight.mul_(case.head_scale)
        # Of one layer each, to run the layers of level 0 one after the other. In a list, so that theirs are no weights.
        self.single_layers = []
        if case.context and case.layers > 1:
            self.single_layers = self.layers_of(0)

    def layers_of(self, p: int) -> list[nn.Module]:
        """Recurrences of one layer, of the sizes of those of level p."""
        case, width = replace(self.case, layers=1), self.case.directions * self.case.hidden
        return [recurrence(case, width if layer or p else case.inputs) for layer in range(self.case.layers)]

    def layers(self, level):
        """What reads the steps of a level one after the other: all of its layers at once, but each by itself where there
        is context, of which each layer reads what the slices before have of the layer below."""
        if level is not self.levels[0] or not self.single_layers:
            return [level]

        def layer(l: int):
            weights = level.named_parameters()
            weights = {name.replace(f"_l{l}", "_l0"): value for name, value in weights if f"_l{l}" in name}
            return lambda x: functional_call(self.single_layers[l], weights, (x,))

        return [layer(l) for l in range(self.case.layers)]

    def read(self, level, x):
        """Steps [steps, inputs] to outputs [steps, W], in the order of the steps, and the last layer's state [W]."""
        backward = self.case.direction == "backward"
        outputs, last = level((x.flip(0) if backward else x).unsqueeze(0))
        last = last[0] if isinstance(last, tuple) else last  # an LSTM gives its memory, too
        outputs = outputs.squeeze(0)
        return outputs.flip(0) if backward else outputs, last[-self.case.directions :].flatten()

    def read_slice(self, layer, context: int, x, first: int, end: int):
        """The outputs of the slice x[first:end] at its own steps, and the last state of what it read."""
        # In either direction the steps of the other side's context are read after the slice's own: they change nothing.
        start = max(0, first - context)
        outputs, last = self.read(layer, x[start : end + context])
        return outputs[first - start : end - start], last

    def pooled(self, level, pool: str, context: int, outputs, last):
        """What a slice passes up."""
        if pool == "last":
            if context == 0:
                return last
            half = self.case.hidden
            return {
                "forward": outputs[-1],
                "backward": outputs[0],
                "both": torch.cat([outputs[-1, :half], outputs[0, half:]]),
            }[self.case.direction]
        if pool == "max":
            return outputs.max(0).values
        if pool == "mean":
            return outputs.mean(0)
        shares = torch.softmax(torch.tanh(outputs) @ level.attention, 0)
        return shares @ outputs

    def slices(self, p: int, count: int):
        """The first step of each slice of level p and the one behind its last, of so many real steps."""
        steps = self.steps[p]
        return [(max(0, end - steps), end) for end in range((count - 1) % steps + 1, count + 1, steps)]

    def passed_up(self, level, p: int, x):
        """The real steps [steps, inputs] of level p to those of the next."""
        slices, context = self.slices(p, len(x)), self.case.context if p == 0 else 0
        *below, top = self.layers(level)
        for layer in below:
            x = torch.cat([self.read_slice(layer, context, x, *own)[0] for own in slices])
        read = [self.read_slice(top, context, x, *own) for own in slices]
        return torch.stack([self.pooled(level, self.pools[p], context, *slice_read) for slice_read in read])

    def final_state(self, tokens):
        """The final state [W] of one sequence, given its real tokens only.

        Padding is never computed: a level sees the real steps alone, which stand at the end of the padded sequence.
        So its slices are counted from the end, the first may be short, and empty ones do not exist.
        """
        x = self.embedding(tokens)
        for p, level in enumerate(self.levels):
            x = self.passed_up(level, p, x)
        assert len(x) == 1, "the last level has one slice"
        return x[0]

    def step_outputs(self, tokens):
        """The outputs [steps, W] of every step of one sequence: up to the steps of the top level, and from there down, where
        every slice begins with what the level above had put out before it."""
        case = self.case
        if len(self.levels) == 1:
            x = self.embedding(tokens)
            for layer in self.layers(self.levels[0]):
                x = torch.cat([self.read_slice(layer, case.context, x, *own)[0] for own in self.slices(0, len(x))])
            return x
        read = [self.embedding(tokens)]  # what each level reads
        for p, level in enumerate(self.levels[:-1]):
            read.append(self.passed_up(level, p, read[-1]))
        first = {}  # of the slices of a level, by layer, direction and slice; nothing is 0
        for p in reversed(range(len(self.levels))):
            x, below, slices = read[p], {}, self.slices(p, len(read[p]))
            single = self.layers_of(p)
            for layer in range(case.layers):
                weights = self.levels[p].named_parameters()
                weights = {name.replace(f"_l{layer}", "_l0"): value for name, value in weights if f"_l{layer}" in name}
                parts = []
                for s, (begin, end) in enumerate(slices):
                    h_0 = [first.get((layer, d, s), torch.zeros(case.hidden)) for d in range(case.directions)]
                    h_0 = torch.stack(h_0).unsqueeze(1)  # [directions, B, H]
                    given = (h_0, torch.zeros_like(h_0)) if case.cell == "lstm" else h_0
                    of_slice = x[begin:end].flip(0) if case.direction == "backward" else x[begin:end]
                    outputs, _ = functional_call(single[layer], weights, (of_slice.unsqueeze(0), given))
                    outputs = outputs[0].flip(0) if case.direction == "backward" else outputs[0]
                    parts.append(outputs)
                    for d, half in enumerate(outputs.split(case.hidden, 1)):
                        backward = case.direction == "backward" or d == 1
                        order = range(begin, end)[::-1] if backward else range(begin, end)
                        state = h_0[d, 0]
                        for step in order:
                            below[layer, d, step] = state
                            state = half[step - begin]
                x = torch.cat(parts)
            first = below
        return x

    def forward(self, tokens, lengths):
        if self.case.told:
            outputs = [self.step_outputs(row[len(row) - length :]) for row, length in zip(tokens, lengths.tolist())]
            return self.head(torch.cat(outputs))
        states = [self.final_state(row[len(row) - length :]) for row, length in zip(tokens, lengths.tolist())]
        return self.head(torch.stack(states))


def make(case: Case) -> dict[str, torch.Tensor]:
    torch.manual_seed(case.seed)
    model = SlicedNetwork(case)
    lengths = torch.tensor(case.lengths)
    tokens = torch.randint(1, case.vocabulary, (len(lengths), case.padded))
    for row, length in zip(tokens, case.lengths):
        row[: case.padded - length] = 0
    labels = torch.randint(0, case.classes, (sum(case.lengths) if case.told else len(lengths),))

    out = {"config": torch.tensor([case.n, case.k, case.padded])}
    out |= {"tokens": tokens, "lengths": lengths, "labels": labels}
    out |= {name: value.detach().clone() for name, value in model.named_parameters()}

    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8)
    trajectory, norms = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = model(tokens, lengths)
        loss = functional.cross_entropy(logits, labels)
        loss.backward()
        if step == 0:
            out |= {"logits": logits.detach().clone(), "loss": loss.detach().clone()}
            out |= {f"grad.{name}": value.grad.clone() for name, value in model.named_parameters()}

        norm = torch.sqrt(sum((value.grad**2).sum() for value in model.parameters()))
        # By hand: torch.nn.utils.clip_grad_norm_ divides by norm + 1e-6.
        scale = min(1.0, MAX_NORM / norm.item())
        for value in model.parameters():
            value.grad.mul_(scale)
        optimizer.step()
        trajectory.append(loss.item())
        norms.append(norm.item())

    out |= {"trajectory": torch.tensor(trajectory), "gradient_norms": torch.tensor(norms)}
    out |= {f"trajectory_after.{name}": value.detach().clone() for name, value in model.named_parameters()}
    return out


def make_state(case: Case) -> dict[str, torch.Tensor]:
    torch.manual_seed(case.seed)
    read = recurrence(case, case.inputs)
    states = ["h", "c"] if case.cell == "lstm" else ["h"]
    rows, steps = len(case.lengths), sum(case.lengths)

    inputs = torch.randn(steps, case.inputs).requires_grad_()
    first = {f"{state}_0": torch.randn(rows, case.hidden).requires_grad_() for state in states}
    given = dict(read.named_parameters()) | first | {"inputs": inputs}

    backward = case.direction == "backward"
    outputs, last = [], []
    for row, x in enumerate(inputs.split(case.lengths)):
        begin = [value[row].view(1, 1, -1) for value in first.values()]  # [layers, B, H]
        of_row, end = read((x.flip(0) if backward else x).unsqueeze(0), tuple(begin) if len(begin) > 1 else begin[0])
        outputs.append(of_row[0].flip(0) if backward else of_row[0])
        last.append([value.flatten() for value in (end if isinstance(end, tuple) else [end])])
    results = {"outputs": torch.cat(outputs)}
    results |= {f"{state}_n": torch.stack(values) for state, values in zip(states, zip(*last))}

    upstream = {name: torch.randn_like(value) for name, value in results.items()}
    sum((value * upstream[name]).sum() for name, value in results.items()).backward()

    lengths = torch.tensor(case.lengths)
    out = {"rows": torch.stack([lengths.cumsum(0) - lengths, lengths], 1)}
    out |= {name: value.detach().clone() for name, value in (given | results).items()}
    out |= {f"upstream.{name}": value for name, value in upstream.items()}
    out |= {f"grad.{name}": value.grad.clone() for name, value in given.items()}
    return out


def losses() -> dict[str, torch.Tensor]:
    torch.manual_seed(100)
    batch, classes, epsilon = 6, 4, 0.1
    weights = torch.rand(classes) + 0.5
    functions = {
        "smoothed": lambda logits, labels: functional.cross_entropy(logits, labels, weights, label_smoothing=epsilon),
        "binary": functional.binary_cross_entropy_with_logits,
        "squared": functional.mse_loss,
    }
    out = {"smoothed.weights": weights, "smoothed.epsilon": torch.tensor(epsilon)}
    for name, function in functions.items():
        logits = (3 * torch.randn(batch, classes)).requires_grad_()
        if name == "smoothed":
            targets = torch.randint(0, classes, (batch,))
        else:
            targets = torch.rand(batch, classes)
        loss = function(logits, targets)
        loss.backward()
        out |= {f"{name}.logits": logits.detach(), f"{name}.targets": targets}
        out |= {f"{name}.loss": loss.detach(), f"{name}.grad": logits.grad}
    return out


def save(name: str, values: dict[str, torch.Tensor], **made_by) -> str:
    """Writes a file and says how large it is."""
    path = Path(__file__).with_name(f"{name}.safetensors")
    version = torch.__version__.split("+")[0]
    # One entry only, for the order of several is not fixed.
    made_by = {"script": "make_golden.py", "torch": version} | made_by
    save_file(values, path, metadata={"made_by": json.dumps(made_by)})
    return f"{path.name}: {path.stat().st_size} bytes (PyTorch {version})"


def main():
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    wanted = sys.argv[1:]
    known = [case.name for case in CASES + STATES] + ["losses"]
    if unknown := set(wanted) - set(known):
        sys.exit(f"make_golden: {', '.join(sorted(unknown))}: no such file; there are {', '.join(known)}")

    for case in CASES:
        if wanted and case.name not in wanted:
            continue
        values = make(case)
        line = save(case.name, values, seed=case.seed, case=case.settings())
        steps, norms = values["trajectory"], values["gradient_norms"]
        print(f"{line}, loss {steps[0]:.6f} -> {steps[-1]:.6f}, gradient norm {norms.min():.3f} to {norms.max():.3f}")
    for case in STATES:
        if not wanted or case.name in wanted:
            of_recurrence = "cell reset activation direction inputs hidden".split()
            settings = {name: value for name, value in case.settings().items() if name in of_recurrence}
            print(save(case.name, make_state(case), seed=case.seed, case=settings))
    if not wanted or "losses" in wanted:
        print(save("losses", losses(), seed=100))


if __name__ == "__main__":
    main()

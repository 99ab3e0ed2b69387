"""A model directory of srnn in PyTorch: the weights have PyTorch's names and layout, so a cell is loaded in a line.

Knows texts and numbers, classes, labels and regression, the cells that PyTorch has, directions, layers, heads, every pooling and
context; what it does not know it says.

    pip install torch safetensors tokenizers
    python examples/pytorch.py MODEL "a text" "another text"
    python examples/pytorch.py MODEL signals.npz                # or .npy: x [N, T, D] or [N, T], and `lengths` where it has them

Prints what `srnn predict` prints.
"""

import json
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

CELLS = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}


def whole(weights, hidden):
    """U `[G·H, H]` out of `[G·H, H/heads]`, of which every row reads its own head alone: zeros elsewhere."""
    units = weights.shape[1]
    blocks = weights.view(-1, hidden // units, units, units)  # by gate and head
    return torch.cat([torch.block_diag(*gate) for gate in blocks])


class Sliced(torch.nn.Module):
    """SRNN(n,k): slices of real steps, aligned at their end or start; a slice without a step is no step of the level above."""

    def __init__(self, network, weights):
        super().__init__()
        known = {
            "cell": list(CELLS), "padding": ["masked"], "reset": ["after"], "task": ["class", "labels", "regression"],
            "activation": ["tanh", "relu"] if network["cell"] == "rnn" else ["tanh"],
        }
        for name, values in known.items():
            if network[name] not in values:
                sys.exit(f"this example knows no {name} but {', '.join(values)}: it is {network[name]}")
        self.n, self.k = (1, 0) if network["slicing"] == "rnn" else map(int, network["slicing"].split("x"))
        self.length, self.front = network["length"], network["truncate"] == "front"
        self.from_start = network.get("align") == "start"
        self.first = -(-self.length // self.n**self.k)  # steps of a slice at level 0
        self.context = network["context"]
        self.pools = [network["pooling"]] * self.k + [network["head_pooling"]]
        self.directions = {"forward": [""], "backward": [""], "both": ["", "_reverse"]}[network["direction"]]
        self.backward = {"forward": [False], "backward": [True], "both": [False, True]}[network["direction"]]
        self.embedding = weights.get("embedding.weight")
        self.attention = [weights.get(f"levels.{level}.attention") for level in range(self.k + 1)]
        self.head = torch.nn.functional.linear
        self.head_weights = weights["head.weight"], weights["head.bias"]
        hidden = network["hidden"]
        settings = {"nonlinearity": network["activation"]} if network["cell"] == "rnn" else {}

        def unit(level, layer, suffix):
            own = {f"{kind}_l0": weights[f"levels.{level}.{kind}_l{layer}{suffix}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
            own["weight_hh_l0"] = whole(own["weight_hh_l0"], hidden)
            made = CELLS[network["cell"]](own["weight_ih_l0"].shape[1], hidden, batch_first=True, **settings)
            made.load_state_dict(own)
            return made

        # [level][layer][direction]
        self.units = [[[unit(level, layer, suffix) for suffix in self.directions] for layer in range(network["layers"])]
                      for level in range(self.k + 1)]

    def outputs(self, units, steps, slices, context):
        """What a layer gives at every step, `[T, W]`: each slice is read from its own first state, after some steps of context."""
        sides = []
        for unit, backward in zip(units, self.backward):
            side = []
            for start, end in slices:
                if backward:
                    read = steps[start : min(end + context, len(steps))].flip(0)
                    side.append(unit(read[None])[0][0][-(end - start) :].flip(0))
                else:
                    read = steps[max(start - context, 0) : end]
                    side.append(unit(read[None])[0][0][-(end - start) :])
            sides.append(torch.cat(side))
        return torch.cat(sides, 1)

    def pooled(self, outputs, level):
        """What a slice passes up, of its outputs `[steps, W]`."""
        how = self.pools[level]
        if how == "last":
            halves = outputs.chunk(len(self.backward), 1)
            return torch.cat([half[0] if backward else half[-1] for half, backward in zip(halves, self.backward)])
        if how == "attention":
            shares = (outputs.tanh() @ self.attention[level].flatten()).softmax(0)
            return shares @ outputs
        return outputs.amax(0) if how == "max" else outputs.mean(0)

    def forward(self, steps):
        """Logits `[C]` of tokens `[T]` or numbers `[T, D]`."""
        if not self.from_start:
            steps = steps[-self.length :] if self.front else steps[: self.length]
        if self.embedding is not None:
            steps = self.embedding[steps]
        for level, layers in enumerate(self.units):
            size = self.first if level == 0 else self.n
            count = len(steps)
            if self.from_start:
                # The last slice holds what is over; the top level reads all there are.
                size = count if level == self.k else size
                slices = [(start, min(start + size, count)) for start in range(0, count, size)]
            else:
                # The first slice holds what is over.
                ends = list(range(count % size or size, count + 1, size))
                slices = list(zip([0, *ends], ends))
            for units in layers:
                steps = self.outputs(units, steps, slices, self.context if level == 0 else 0)
            steps = torch.stack([self.pooled(steps[start:end], level) for start, end in slices])
        return self.head(steps[0], *self.head_weights)


def normal(x, channels, logs):
    """Numbers `[T, D]` as the network reads them: by channel, or by their own mean and deviation, which then stand beside them."""
    mean, deviation = (numpy.array(channels[name]) for name in ("mean", "deviation"))
    if logs is None:
        return (x - mean) / deviation
    own_mean, own = x.mean(0), x.std(0)
    constant = own <= numpy.maximum(1e-12 * abs(own_mean), 1.1754943508222875e-38)
    spread = numpy.maximum(logs["deviation"], 1.0)
    log = numpy.where(constant, -5.0, (numpy.log(numpy.where(constant, 1.0, own)) - logs["mean"]) / spread)
    beside = numpy.concatenate([log, (own_mean - mean) / deviation]).clip(-5.0, 5.0)
    x = (x - own_mean) / numpy.where(constant, 1.0, own)
    return numpy.concatenate([x, numpy.tile(beside, (len(x), 1))], 1)


def sequences(config, folder, given):
    """What is given, as the network reads it."""
    if config["network"]["input"] == "tokens":
        tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        for text in given:
            yield torch.tensor(tokenizer.encode(text).ids or [1])
        return
    for path in map(Path, given):
        loaded = numpy.load(path)
        x, lengths = (loaded["x"], loaded.get("lengths")) if path.suffix == ".npz" else (loaded, None)
        for row, one in enumerate(x.astype(float)):
            one = one[: lengths[row]] if lengths is not None else one
            one = one if one.ndim == 2 else one[:, None]
            yield torch.tensor(normal(one, config["normalisation"], config.get("log_deviation")), dtype=torch.float32)


def told(tells, logits):
    """What `srnn predict` prints of logits."""
    (kind, says), = tells.items()
    if kind == "regression":
        return {"values": (logits.double() * torch.tensor(says["deviation"]) + torch.tensor(says["mean"])).tolist()}
    shares = (logits.softmax(0) if kind == "class" else logits.sigmoid()).tolist()
    probabilities = {label: round(share, 6) for label, share in zip(says, shares)}
    if kind == "labels":
        return {"labels": [label for label, share in zip(says, shares) if share > 0.5], "probabilities": probabilities}
    return {"label": says[max(range(len(shares)), key=shares.__getitem__)], "probabilities": probabilities}


def main():
    folder, *given = sys.argv[1:]
    config = json.load(open(f"{folder}/config.json"))
    model = Sliced(config["network"], load_file(f"{folder}/model.safetensors"))
    with torch.no_grad():
        for steps in sequences(config, folder, given):
            print(json.dumps(told(config["tells"], model(steps))))


if __name__ == "__main__":
    main()

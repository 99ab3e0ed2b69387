"""A model directory of srnn in PyTorch: the weights have PyTorch's names, so loading them is one line a level.

Knows texts with classes, all cells, layers, heads, the last state, maximum and mean; what it does not know it says.

    pip install torch safetensors tokenizers
    python examples/pytorch.py MODEL "a text" "another text"

Prints what `srnn predict` prints.
"""

import json
import sys

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer


CELLS = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}


def pooled(results, how):
    """Of what a recurrent module gives for one slice: the top layer's last states side by side, or a pool of outputs."""
    outputs, states = results
    if how == "last":
        states = states[0] if isinstance(states, tuple) else states
        directions = outputs.shape[-1] // states.shape[-1]
        return states[-directions:, 0].flatten()
    return outputs[0].amax(0) if how == "max" else outputs[0].mean(0)


def whole(weights, hidden):
    """U `[G·H, H]` out of `[G·H, H/heads]`, of which every row reads its own head alone: zeros elsewhere."""
    units = weights.shape[1]
    blocks = weights.view(-1, hidden // units, units, units)  # by gate and head
    return torch.cat([torch.block_diag(*gate) for gate in blocks])


class Sliced(torch.nn.Module):
    """SRNN(n,k): slices of real tokens, right-aligned; a slice without a token is no step of the level above."""

    def __init__(self, folder):
        super().__init__()
        config = json.load(open(f"{folder}/config.json"))
        self.labels, network = config["tells"].get("class"), config["network"]
        known = {
            "input": ["tokens"], "task": ["class"], "padding": ["masked"], "truncate": ["front"], "reset": ["after"],
            "direction": ["forward", "both"], "pooling": ["last", "max", "mean"], "context": [0],
            "head_pooling": ["last", "max", "mean"],
            "activation": ["tanh", "relu"] if network["cell"] == "rnn" else ["tanh"],
        }
        for name, values in known.items():
            if network[name] not in values:
                sys.exit(f"this example knows no {name} but {', '.join(map(str, values))}: it is {network[name]}")
        slicing, hidden, both = network["slicing"], network["hidden"], network["direction"] == "both"
        self.n, k = (1, 0) if slicing == "rnn" else map(int, slicing.split("x"))
        self.keep = network["length"]
        self.first = -(-self.keep // self.n**k)  # steps of a slice at level 0
        self.pools = [network["pooling"]] * k + [network["head_pooling"]]
        self.embedding = torch.nn.Embedding(network["vocabulary"], network["embedding"])
        states = 2 * hidden if both else hidden
        settings = {"num_layers": network["layers"], "bidirectional": both, "batch_first": True}
        if network["cell"] == "rnn":
            settings["nonlinearity"] = network["activation"]
        unit = CELLS[network["cell"]]
        widths = [network["embedding"]] + [states] * k
        self.levels = torch.nn.ModuleList(unit(width, hidden, **settings) for width in widths)
        self.head = torch.nn.Linear(states, network["classes"])
        weights = load_file(f"{folder}/model.safetensors")
        recurrent = {name: whole(w, hidden) for name, w in weights.items() if "weight_hh" in name}
        self.load_state_dict(weights | recurrent)

    def forward(self, tokens):
        steps = self.embedding(tokens[-self.keep :])
        for level, (unit, pool) in enumerate(zip(self.levels, self.pools)):
            size = self.first if level == 0 else self.n
            # Right-aligned: the first slice holds what is over.
            over = len(steps) % size
            slices = [one for one in (steps[:over], *steps[over:].split(size)) if len(one)]
            steps = torch.stack([pooled(unit(one[None]), pool) for one in slices])
        return self.head(steps[0])


folder, *texts = sys.argv[1:]
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
model = Sliced(folder)
with torch.no_grad():
    for text in texts:
        shares = model(torch.tensor(tokenizer.encode(text).ids or [1])).softmax(0).tolist()
        best = max(range(len(shares)), key=shares.__getitem__)
        probabilities = {label: round(share, 6) for label, share in zip(model.labels, shares)}
        print(json.dumps({"label": model.labels[best], "probabilities": probabilities}))

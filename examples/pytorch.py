"""A model directory of srnn in PyTorch: the weights have PyTorch's names, so loading them is one line a level.

    pip install torch safetensors tokenizers
    python examples/pytorch.py MODEL "a text" "another text"

Prints what `srnn predict` prints.
"""

import json
import sys

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer


class Sliced(torch.nn.Module):
    """SRNN(n,k): slices of real tokens, right-aligned; a slice without a token is no step of the level above."""

    def __init__(self, folder):
        super().__init__()
        config = json.load(open(f"{folder}/config.json"))
        self.labels, network = config["tells"]["class"], config["network"]
        slicing, hidden = network["slicing"], network["hidden"]
        self.n, k = (1, 0) if slicing == "rnn" else map(int, slicing.split("x"))
        self.keep = network["length"]
        assert network["padding"] == "masked" and network["truncate"] == "front", "this example knows no other way"
        self.first = -(-self.keep // self.n**k)  # steps of a slice at level 0
        self.embedding = torch.nn.Embedding(network["vocabulary"], network["embedding"])
        widths = [network["embedding"]] + [hidden] * k
        self.levels = torch.nn.ModuleList(torch.nn.GRU(width, hidden, batch_first=True) for width in widths)
        self.head = torch.nn.Linear(hidden, network["classes"])
        self.load_state_dict(load_file(f"{folder}/model.safetensors"))

    def forward(self, tokens):
        steps = self.embedding(tokens[-self.keep :])
        for level, gru in enumerate(self.levels):
            size = self.first if level == 0 else self.n
            # Right-aligned: the first slice holds what is over.
            over = len(steps) % size
            slices = [one for one in (steps[:over], *steps[over:].split(size)) if len(one)]
            steps = torch.stack([gru(one[None])[1][0, 0] for one in slices])
        return self.head(steps[0])


folder, *texts = sys.argv[1:]
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
model = Sliced(folder)
with torch.no_grad():
    for text in texts:
        shares = model(torch.tensor(tokenizer.encode(text).ids)).softmax(0).tolist()
        best = max(range(len(shares)), key=shares.__getitem__)
        probabilities = {label: round(share, 6) for label, share in zip(model.labels, shares)}
        print(json.dumps({"label": model.labels[best], "probabilities": probabilities}))

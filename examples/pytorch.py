"""A model directory of srnn in PyTorch, by the module `srnn.torch` of the Python package, whose weights have PyTorch's names.

Knows texts and numbers, classes, labels and regression.

    pip install torch safetensors tokenizers numpy
    python examples/pytorch.py MODEL "a text" "another text"
    python examples/pytorch.py MODEL signals.npz                # or .npy: x [N, T, D] or [N, T], and `lengths` where it has them

Prints what `srnn predict` prints.
"""

import json
import sys
from pathlib import Path

import numpy
import torch
from tokenizers import Tokenizer

# As it stands in the repository: nothing compiled is needed for it.
sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
import srnn.torch


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
    if config["network"]["task"] in ("tags", "series"):
        sys.exit("this example tells of sequences, and the model of their steps")
    model = srnn.torch.load(folder)
    with torch.no_grad():
        for steps in sequences(config, folder, given):
            print(json.dumps(told(config["tells"], model(steps[None])[0])))


if __name__ == "__main__":
    main()

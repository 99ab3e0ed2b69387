"""The network in PyTorch: against golden values, against srnn's own engine, and alone."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from srnn.torch import SRNN, load

GOLDEN = sorted(Path(__file__).parents[2].glob("tests/golden/*.safetensors"))
NETWORKS = [path for path in GOLDEN if not path.stem.startswith(("state_", "losses"))]


def golden(path):
    """The settings of a network, as in config.json, and the arrays of its file."""
    with safe_open(path, "numpy") as file:
        case = json.loads(file.metadata()["made_by"])["case"]
        arrays = {name: file.get_tensor(name) for name in file.keys()}
    names = ["cell", "activation", "direction", "layers", "context", "hidden", "classes", "vocabulary"]
    told = case.get("told", "")
    config = {name: case[name] for name in names} | {
        "reset": case["reset"] or "after",
        "pooling": case["pool"],
        "head_pooling": case["head_pool"],
        "heads": case.get("heads", 1),
        "slicing": f"{case['n']}x{case['k']}",
        "length": case["T"],
        "embedding": case["inputs"],
        "task": "tags" if told else "class",
        "downward": told != "steps of slices",
    }
    return config, arrays


def padded(sequences, behind):
    """Sequences as one tensor with `behind` behind them, and their lengths."""
    tensors = [torch.as_tensor(sequence) for sequence in sequences]
    filled = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=behind)
    return filled, torch.tensor([len(sequence) for sequence in sequences])


def real(values, lengths):
    """The steps that are no padding, one after the other."""
    return torch.cat([row[:length] for row, length in zip(values, lengths)])


def close(actual, expected, relative, what, least=0.0):
    """Whether all numbers agree, to a share of the largest; errors of `least` are none."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape and np.isfinite(actual).all(), what
    error, scale = np.abs(actual - expected).max(initial=0), np.abs(expected).max(initial=1e-30)
    assert error <= max(relative * scale, least), f"{what}: {error} of {scale}"
    return error / scale


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_golden_values(path):
    config, arrays = golden(path)
    network = SRNN(config).double()
    network.load_state_dict({name: torch.as_tensor(arrays[name]) for name in network.state_dict()}, strict=True)
    names = {name.removeprefix("grad.") for name in arrays if name.startswith("grad.")}
    assert names == set(network.state_dict())

    rows = zip(arrays["tokens"], arrays["lengths"])
    tokens, lengths = padded([row[len(row) - length :] for row, length in rows], -1)
    logits = network(tokens, lengths)
    logits = real(logits, lengths) if config["task"] == "tags" else logits
    close(logits.detach(), arrays["logits"], 1e-6, "logits")
    loss = torch.nn.functional.cross_entropy(logits, torch.as_tensor(arrays["labels"]))
    close(loss.detach(), arrays["loss"], 1e-6, "loss")
    loss.backward()
    for name, value in network.named_parameters():
        close(value.grad, arrays[f"grad.{name}"], 1e-6, f"grad.{name}")


def test_all_golden_networks_are_there():
    assert len(NETWORKS) == 35


SIZES = {"length": 20, "vocabulary": 11, "embedding": 4, "hidden": 6, "classes": 3}


def random_config(rng, cell):
    """Settings of a small network with this cell."""
    task = rng.choice(["class", "labels", "regression", "tags", "series"])
    of_steps, slicing = task in ("tags", "series"), rng.choice(["rnn", "2x1", "3x1", "4x1", "2x2", "4x2", "2x4"])
    numbers, downward = rng.random() < 0.5, rng.random() < 0.7
    align, poolings = rng.choice(["end", "start"]), ["last", "max", "mean", "attention"]
    unmasked = not (numbers or of_steps or align == "start") and rng.random() < 0.5
    return SIZES | {
        "cell": cell,
        "reset": rng.choice(["after", "before"]) if cell == "gru" else "after",
        "activation": "tanh" if cell == "lstm" else rng.choice(["tanh", "relu", "identity"]),
        "slicing": slicing,
        "direction": rng.choice(["forward", "backward", "both"]),
        "heads": rng.choice([1, 2, 3]),
        "layers": rng.choice([1, 1, 2, 3]),
        "pooling": rng.choice(poolings) if downward or not of_steps else "last",
        "head_pooling": "last" if of_steps else rng.choice(poolings),
        "context": 0 if slicing == "rnn" else rng.choice([0, 1, 3, 9]),
        "align": align,
        "input": "numbers" if numbers else "tokens",
        "vocabulary": 0 if numbers else SIZES["vocabulary"],
        "task": task,
        "downward": downward,
        "truncate": rng.choice(["front", "back"]),
        "padding": "unmasked" if unmasked else "masked",
    }


def random_sequences(rng, config):
    """Sequences of one step, of some, of as many as there may be and, where that is possible, of more."""
    most = config["length"]
    lengths = [1, most, rng.randint(1, most), rng.randint(1, most), rng.randint(1, most), most // 2 + 1]
    if config["align"] == "start" or config["task"] not in ("tags", "series"):
        lengths += [most + 1, 2 * most + 3]
    numpys = np.random.default_rng(rng.randrange(1 << 30))
    if config["input"] == "numbers":
        return [numpys.normal(size=(length, config["embedding"])).astype(np.float32) for length in lengths]
    return [numpys.integers(0, config["vocabulary"], length) for length in lengths]


def cases():
    """Ten random networks with each cell, and sequences for them."""
    for cell in ["gru", "lstm", "rnn", "mingru"]:
        for seed in range(10):
            rng = random.Random(f"{cell} {seed}")
            config = random_config(rng, cell)
            yield pytest.param(config, random_sequences(rng, config), id=f"{cell}-{seed}")


CASES = list(cases())


@pytest.mark.parametrize("config, sequences", CASES)
def test_srnn_tells_the_same(config, sequences):
    import srnn

    def compare(what):
        filled, lengths = padded(sequences, 7)
        with torch.no_grad():
            logits, expected = network(filled, lengths), native.logits(sequences)
        if network.of_steps:
            logits, expected = real(logits, lengths), np.concatenate(expected)
        close(logits, expected, 1e-5, what, least=1e-6)

    settings = srnn.Config(**config)
    native, network = srnn.Network(settings, seed=1, device="cpu"), SRNN(settings.to_dict())
    weights = native.state_dict()
    network.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()}, strict=True)
    compare("logits of srnn's weights")
    # There and back again: the same bits. Then, others.
    for name, value in network.state_dict().items():
        assert value.numpy().tobytes() == weights[name].tobytes(), name
    network.reset_parameters()
    native.load_state_dict({name: value.numpy() for name, value in network.state_dict().items()})
    compare("logits of PyTorch's weights")


@pytest.mark.parametrize("config, sequences", CASES)
def test_padding_and_company_do_not_matter(config, sequences):
    network = SRNN(config).double()
    filled, lengths = padded(sequences, torch.nan if config["input"] == "numbers" else -1)
    logits = network(filled, lengths)
    logits.square().sum().backward()
    assert all(value.grad.isfinite().all() for value in network.parameters())
    for row, sequence in zip(logits.detach(), sequences):
        alone = network(torch.as_tensor(sequence)[None]).detach()[0]
        close(row[: len(sequence)] if network.of_steps else row, alone, 1e-12, "logits")
        assert not network.of_steps or not row[len(sequence) :].any()


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn", "mingru"])
def test_gradients_by_differences(cell):
    for seed in range(3):
        torch.manual_seed(seed)
        rng = random.Random(f"differences {cell} {seed}")
        # Largest values and ReLUs have corners.
        config = random_config(rng, cell) | {"input": "numbers", "vocabulary": 0, "padding": "masked"}
        config |= {"activation": "tanh", "length": 5, "slicing": "2x2", "embedding": 2, "context": rng.choice([0, 2])}
        config |= {name: "attention" for name in ("pooling", "head_pooling") if config[name] == "max"}
        network = SRNN(config).double()
        numbers = torch.randn(2, 5, 2, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda x: network(x, torch.tensor([5, 3])), (numbers,), fast_mode=True)


def test_first_weights():
    network = SRNN({"cell": "lstm", "hidden": 8, "heads": 2, "embedding": 5, "vocabulary": 4000, "direction": "both"})
    weights = network.state_dict()
    assert weights["levels.1.weight_hh_l0_reverse"].shape == (32, 4)
    for block in weights["levels.1.weight_hh_l0_reverse"].view(8, 4, 4):
        close(block @ block.T, torch.eye(4), 1e-5, "orthogonal")
    assert weights["levels.0.bias_ih_l0"].tolist() == [0] * 8 + [1] * 8 + [0] * 16
    assert not weights["levels.0.bias_hh_l0"].any() and not weights["head.bias"].any()
    assert 0.9 * (6 / 13) ** 0.5 < weights["levels.0.weight_ih_l0"].abs().max() <= (6 / 13) ** 0.5
    assert 0.09 < weights["embedding.weight"].std() < 0.11
    assert SRNN({}).embedding.weight.requires_grad
    assert not SRNN({"freeze_embedding": True}).embedding.weight.requires_grad


def test_a_model_directory(tmp_path):
    network = SRNN(SIZES | {"slicing": "2x2", "task": "labels"})
    (tmp_path / "config.json").write_text(json.dumps({"network": network.config}))
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    loaded = load(tmp_path)
    assert not loaded.training
    tokens = torch.randint(0, 11, (3, 15))
    logits = loaded(tokens)
    assert torch.equal(logits, network(tokens)) and torch.equal(loaded.head(loaded.states(tokens)), logits)
    assert torch.equal(loaded.probabilities(logits), logits.sigmoid())


def test_what_logits_say():
    logits = torch.randn(2, 3, 4)
    for task, expected in {"class": logits.softmax(2), "tags": logits.softmax(2), "series": logits}.items():
        assert torch.equal(SRNN({"task": task}).probabilities(logits), expected)
    steps = SRNN(SIZES | {"task": "series", "slicing": "2x2"})
    tokens, lengths = torch.randint(0, 11, (2, 9)), [9, 3]
    outputs = steps.outputs(tokens, lengths)
    assert outputs.shape == (2, 9, 6)
    close(real(steps.head(outputs), lengths).detach(), real(steps(tokens, lengths), lengths).detach(), 1e-6, "logits")


def test_a_sequence_without_a_token_is_a_padding_token():
    network = SRNN(SIZES | {"slicing": "2x2"})
    assert torch.equal(network(torch.zeros(1, 0).long()), network(torch.zeros(1, 1).long()))


@pytest.mark.parametrize(
    "config, reason",
    [
        ({"layer": 2}, "no setting layer"),
        ({"cell": "transformer"}, "cell"),
        ({"slicing": "8"}, "NxK"),
        ({"slicing": "1x2"}, "at least 2"),
        ({"length": 63}, "more slices"),
        ({"hidden": 0}, "hidden"),
        ({"classes": 1}, "at least 2"),
        ({"heads": 3}, "heads"),
        ({"cell": "rnn", "reset": "before"}, "reset"),
        ({"cell": "lstm", "activation": "relu"}, "tanh"),
        ({"context": 3, "slicing": "rnn"}, "context"),
        ({"context": 513}, "context"),
        ({"padding": "unmasked", "align": "start"}, "padding"),
        ({"padding": "unmasked", "task": "tags"}, "padding"),
        ({"padding": "unmasked", "input": "numbers"}, "padding"),
        ({"input": "numbers", "vocabulary": 5}, "vocabulary"),
        ({"task": "tags", "head_pooling": "max"}, "head pooling"),
        ({"task": "tags", "pooling": "max", "downward": False}, "downward"),
    ],
)
def test_impossible_networks_are_refused(config, reason):
    with pytest.raises(ValueError, match=reason):
        SRNN(config)


def test_impossible_inputs_are_refused():
    network, tokens = SRNN(SIZES | {"slicing": "2x2"}), torch.ones(2, 30).long()
    steps = SRNN(SIZES | {"slicing": "2x2", "task": "tags"})
    numbers = SRNN(SIZES | {"slicing": "2x2", "input": "numbers", "vocabulary": 0})
    for call, reason in [
        (lambda: network(tokens.float()), "token ids"),
        (lambda: network(tokens[0]), "token ids"),
        (lambda: network(tokens[:0]), "token ids"),
        (lambda: network(tokens, [5]), "lengths"),
        (lambda: network(tokens, [5, 31]), "lengths"),
        (lambda: network(tokens, [5, -1]), "lengths"),
        (lambda: network.outputs(tokens), "no outputs"),
        (lambda: numbers(tokens), "numbers"),
        (lambda: numbers(torch.ones(2, 3, 5)), "numbers"),
        (lambda: numbers(torch.ones(2, 3, 4), [3, 0]), "lengths"),
        (lambda: steps(tokens), "windows"),
        (lambda: steps(tokens, [3, 0]), "lengths"),
        (lambda: steps.states(tokens), "no states"),
    ]:
        with pytest.raises(ValueError, match=reason):
            call()

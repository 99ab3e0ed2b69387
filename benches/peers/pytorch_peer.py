"""PyTorch as a contender of compare.py.

    python pytorch_peer.py VARIANT cpu|cuda THREADS

Variants, of the same network with the same weights:

    users            nn.Embedding and an nn.GRU per level on tokens padded in front, eager; cuDNN on CUDA
    users-compiled   the same through torch.compile
    packed           only real steps: empty slices dropped, packed sequences into nn.GRU; fused Adam
    distinct         as packed, and each distinct token of the batch projected once: the recurrence is written out
    compiled         as distinct, through torch.compile
    graph            (CUDA) users' whole training step captured in a CUDA graph
"""

import sys

import numpy as np

from protocol import Missing, compact, level_steps, padded, serve

try:
    import torch
except ModuleNotFoundError:
    torch = None
else:
    from safetensors.torch import load_file, save_file
    from torch import nn
    from torch.nn import functional
    from torch.nn.utils.rnn import PackedSequence


class Network(nn.Module if torch else object):
    """The weights, in the modules that users write; forward() as they write it."""

    def __init__(self, config):
        super().__init__()
        self.steps, hidden = level_steps(config), config["hidden"]
        self.tokens, both = config["input"] == "tokens", config["direction"] == "both"
        if self.tokens:
            self.embedding = nn.Embedding(config["vocabulary"], config["embedding"])
        unit, states = {"gru": nn.GRU, "lstm": nn.LSTM}[config["cell"]], 2 * hidden if both else hidden
        widths = [config["embedding"]] + [states] * (len(self.steps) - 1)
        self.levels = nn.ModuleList(unit(width, hidden, batch_first=True, bidirectional=both) for width in widths)
        self.head = nn.Linear(states, config["classes"])

    def prepare(self, tokens, lengths):
        """What a data loader does: the inputs of forward(), before the clock starts."""
        if not self.tokens:  # of full length
            return (torch.from_numpy(tokens.reshape(len(lengths), -1, tokens.shape[-1])),)
        return (torch.from_numpy(padded(tokens, lengths, self.steps[0] * self.slices())),)

    def slices(self):
        return self.steps[1] ** (len(self.steps) - 1) if len(self.steps) > 1 else 1

    def forward(self, tokens):
        x = self.embedding(tokens) if self.tokens else tokens
        for steps, unit in zip(self.steps, self.levels):
            x = x.reshape(-1, steps, x.shape[-1])
            x = last_states(unit(x))
        return self.head(x)


def last_states(results):
    """Of what nn.GRU or nn.LSTM returns: [rows, H], or [rows, 2H] of both directions."""
    states = results[1][0] if isinstance(results[1], tuple) else results[1]
    return states[0] if len(states) == 1 else torch.cat((*states,), 1)


class Packed(Network):
    """Real steps only, in packed sequences. Which step stands where comes from the data loader, before the clock
    starts: the longest slices first, step by step, as nn.GRU runs them."""

    def prepare(self, tokens, lengths):
        inputs, values, lengths = [], tokens.astype("int64"), lengths.astype("int64")
        for steps in self.steps:
            rows = -(-lengths // steps)
            sizes = np.full(rows.sum(), steps)
            sizes[np.cumsum(rows) - rows] = lengths - (rows - 1) * steps  # the first slice holds what is over
            starts = np.cumsum(sizes) - sizes
            order = np.argsort(-sizes, kind="stable")
            alive = [int((sizes > step).sum()) for step in range(steps)]
            alive = [count for count in alive if count]
            index = np.concatenate([values[starts[order[:count]] + step] for step, count in enumerate(alive)])
            inputs += [torch.from_numpy(index), torch.tensor(alive)]
            values, lengths = np.argsort(order), rows
        return [*inputs, torch.from_numpy(values)]

    def forward(self, *inputs):
        *inputs, order = inputs
        x = self.embedding.weight
        for unit, index, alive in zip(self.levels, inputs[::2], inputs[1::2]):
            x = last_states(unit(PackedSequence(functional.embedding(index, x), alive)))
        return self.head(x[order])


class Distinct(Network):
    """Real slices only, each distinct token projected once, and the recurrence written out.

    `compact` fills up the first slice of a sequence in front with steps of a row of its own, whose z is 1: they leave
    the state at 0, without a mask. The indices come from the data loader, before the clock starts.
    """

    def __init__(self, config):
        super().__init__(config)
        self.cell = gru_step

    def prepare(self, tokens, lengths):
        distinct, slots = torch.unique(torch.from_numpy(tokens.astype("int64")), return_inverse=True)
        inputs, values, lengths = [distinct], slots.numpy(), lengths.astype(int)
        for steps in self.steps:
            empty = len(distinct) if len(inputs) == 1 else len(values)
            index, lengths = compact(values, lengths, steps, empty)
            inputs.append(torch.from_numpy(index))
            values = torch.arange(index.shape[1]).numpy()
        return inputs

    def forward(self, distinct, *indices):
        x = self.embedding(distinct)
        for gru, index in zip(self.levels, indices):
            gates = functional.linear(x, gru.weight_ih_l0, gru.bias_ih_l0)
            hidden = gru.hidden_size
            idle = gates.new_zeros(1, 3 * hidden)
            idle[:, hidden : 2 * hidden] = 1e4
            gates = functional.embedding(index, torch.cat([gates, idle]))
            x = gates.new_zeros(index.shape[1], hidden)
            for step in gates.unbind(0):
                x = self.cell(step, x, gru.weight_hh_l0, gru.bias_hh_l0)
        return self.head(x)


def gru_step(gates, state, weight, bias):
    recurrent = functional.linear(state, weight, bias)
    r, z, n = gates.chunk(3, 1)
    u_r, u_z, u_n = recurrent.chunk(3, 1)
    z = torch.sigmoid(z + u_z)
    n = torch.tanh(n + torch.sigmoid(r + u_r) * u_n)
    return n + z * (state - n)


class Peer:
    def __init__(self, variant, device, threads):
        self.variant, self.device, self.threads = variant, device, int(threads)

    def load(self, config, file):
        if torch is None:
            raise Missing("torch: pip install torch")
        torch.set_num_threads(self.threads)
        if self.device == "cuda" and not torch.cuda.is_available():
            raise Missing("a CUDA device: torch.cuda.is_available() is False")
        tensors = load_file(file)
        self.model = {"packed": Packed, "distinct": Distinct, "compiled": Distinct}.get(self.variant, Network)(config)
        names = self.model.state_dict()
        self.model.load_state_dict({name: tensors[name] for name in names})
        self.model.to(self.device)
        self.batches = []
        kind = "tokens" if self.model.tokens else "values"
        while (tokens := tensors.get(f"{kind}.{len(self.batches)}")) is not None:
            lengths, labels = (tensors[f"{name}.{len(self.batches)}"] for name in ("lengths", "labels"))
            inputs = self.model.prepare(tokens.numpy(), lengths.numpy())
            batch = [*inputs, labels.long()]
            self.batches.append([one.pin_memory() for one in batch] if self.device == "cuda" else batch)
        strongest = self.variant in ("packed", "distinct", "compiled")
        capturable = {"capturable": True} if self.variant == "graph" else {}
        self.optimiser = torch.optim.Adam(self.model.parameters(), fused=strongest or None, **capturable)
        self.forward = self.model
        if self.variant == "users-compiled":
            self.forward = torch.compile(self.model)
        elif self.variant == "compiled" and max(self.model.steps) <= 64:
            self.forward = torch.compile(self.model, dynamic=True)
        elif self.variant == "compiled":  # a loop of that many steps takes minutes to compile
            self.model.cell = torch.compile(gru_step, dynamic=True)
        if self.variant == "graph":
            self.capture()
        name = torch.cuda.get_device_name() if self.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
        return {"device": name, "version": torch.__version__}

    def inputs(self, batch):
        return [one.to(self.device, non_blocking=True) for one in self.batches[batch % len(self.batches)]]

    def loss(self, inputs, labels):
        self.optimiser.zero_grad()
        logits = self.forward(*inputs)
        loss = functional.cross_entropy(logits, labels)
        loss.backward()
        return logits, loss

    def check(self, batch, gradients=None):
        torch.backends.cudnn.allow_tf32 = False  # PyTorch's default is True: it stays so while timing
        try:
            return self.results(batch, gradients)
        finally:
            torch.backends.cudnn.allow_tf32 = True

    def results(self, batch, gradients):
        *inputs, labels = self.inputs(batch)
        if gradients is None:
            with torch.inference_mode():
                return {"logits": self.forward(*inputs).flatten().tolist()}
        logits, loss = self.loss(inputs, labels)
        found = {name: one.grad.cpu().contiguous() for name, one in self.model.named_parameters()
                 if one.grad is not None}
        save_file(found, gradients)
        return {"logits": logits.flatten().tolist(), "loss": loss.item()}

    def step(self, batch):
        *inputs, labels = self.inputs(batch)
        if self.variant == "graph":
            for fixed, one in zip(self.fixed, (*inputs, labels)):
                fixed.copy_(one, non_blocking=True)
            self.graph.replay()
        else:
            self.train(inputs, labels)
        self.wait()

    def train(self, inputs, labels):
        self.loss(inputs, labels)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()

    def capture(self):
        """Captures the training step; weights and moments are then put back."""
        weights = {name: one.clone() for name, one in self.model.state_dict().items()}
        self.fixed = self.inputs(0)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.train(self.fixed[:-1], self.fixed[-1])
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.train(self.fixed[:-1], self.fixed[-1])
        self.model.load_state_dict(weights)
        for state in self.optimiser.state.values():
            for one in state.values():
                one.zero_()

    def infer(self, batch):
        *inputs, _ = self.inputs(batch)
        with torch.inference_mode():
            self.forward(*inputs).cpu()

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()


if __name__ == "__main__":
    serve(Peer(*sys.argv[1:4]))

#!/usr/bin/env python3
"""Golden values from PyTorch: logits, loss, every gradient and ten training steps of small sliced GRUs.

    pip install torch safetensors numpy
    python tests/golden/make_golden.py

writes the *.safetensors files next to this script. They were made with PyTorch 2.15.0 on the CPU; each file's metadata
says so too. Everything is float64 and deterministic: a second run writes the same bytes.

What a file holds:

    config                  [3]      n, k, T; the shapes of the parameters say the rest
    tokens                  [B, T]   right-aligned ids; the positions in front of a sequence hold id 0, which is never
                                     a real token: its row of `grad.embedding.weight` is zero
    lengths, labels         [B]
    embedding.weight        [V, D]   the parameters, under PyTorch's names and in its layout: a level's weights are
    levels.<p>.weight_ih_l0 [3H, D]  [3H, inputs], gates in the order r, z, n
    levels.<p>.weight_hh_l0 [3H, H]
    levels.<p>.bias_ih_l0   [3H]
    levels.<p>.bias_hh_l0   [3H]
    head.weight             [C, H]
    head.bias               [C]
    logits                  [B, C]
    loss                    []       mean cross-entropy over the batch
    grad.<parameter>                 the gradient of the loss
    trajectory              [10]     the loss before each of ten training steps on this same batch
    gradient_norms          [10]     the global norm of the gradient in each of these steps, before clipping
    trajectory_after.<parameter>     the parameter after the ten steps

A training step is one of Adam (lr 1e-2, betas 0.9 and 0.999, eps 1e-8, added to the root of the bias-corrected second
moment), after the gradient has been scaled by min(1, 1 / global norm).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
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
    vocabulary: int  # V
    head_scale: float = 1.0  # larger initial weights of the head give larger gradients, which are clipped


CASES = [
    # The first steps of its trajectory are clipped, the last are not.
    Case("gru_n2_k2", 1, 2, 2, 12, [12] * 4, inputs=5, hidden=7, classes=3, vocabulary=11, head_scale=3.0),
    # One step; all; one slice and a step; exactly one slice; one step short of two slices.
    Case("gru_n3_k1_ragged", 2, 3, 1, 18, [1, 18, 7, 6, 11], inputs=5, hidden=6, classes=3, vocabulary=11),
    Case("gru_k0_ragged", 3, 2, 0, 9, [9, 1, 4, 8], inputs=4, hidden=5, classes=2, vocabulary=11),
]


class SlicedGru(nn.Module):
    def __init__(self, case: Case):
        super().__init__()
        self.steps = [case.padded // case.n**case.k] + [case.n] * case.k  # L_p of every level
        self.embedding = nn.Embedding(case.vocabulary, case.inputs)
        self.levels = nn.ModuleList(
            nn.GRU(case.inputs if p == 0 else case.hidden, case.hidden, batch_first=True) for p in range(case.k + 1)
        )
        self.head = nn.Linear(case.hidden, case.classes)
        with torch.no_grad():
            self.head.weight.mul_(case.head_scale)

    def final_state(self, tokens):
        """The final state [H] of one sequence, given its real tokens only.

        Padding is never computed: a level sees the real steps alone, which stand at the end of the padded sequence.
        So its slices are counted from the end, the first may be short, and empty ones do not exist.
        """
        x = self.embedding(tokens)
        for level, steps in zip(self.levels, self.steps):
            first = (len(x) - 1) % steps + 1
            slices = torch.split(x, [first] + [steps] * ((len(x) - first) // steps))
            x = torch.cat([level(part.unsqueeze(0))[1].squeeze(0) for part in slices])
        assert len(x) == 1, "the last level has one slice"
        return x[0]

    def forward(self, tokens, lengths):
        states = [self.final_state(row[len(row) - length :]) for row, length in zip(tokens, lengths.tolist())]
        return self.head(torch.stack(states))


def make(case: Case) -> dict[str, torch.Tensor]:
    torch.manual_seed(case.seed)
    model = SlicedGru(case)
    lengths = torch.tensor(case.lengths)
    tokens = torch.randint(1, case.vocabulary, (len(lengths), case.padded))
    for row, length in zip(tokens, case.lengths):
        row[: case.padded - length] = 0
    labels = torch.randint(0, case.classes, (len(lengths),))

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


def main():
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    version = torch.__version__.split("+")[0]
    for case in CASES:
        values = make(case)
        path = Path(__file__).with_name(f"{case.name}.safetensors")
        # One entry only, for the order of several is not fixed.
        made_by = {"script": "make_golden.py", "torch": version, "seed": case.seed}
        save_file(values, path, metadata={"made_by": json.dumps(made_by)})
        losses, norms = values["trajectory"], values["gradient_norms"]
        print(
            f"{path.name}: {path.stat().st_size} bytes, loss {losses[0]:.6f} -> {losses[-1]:.6f}, "
            f"gradient norm {norms.min():.3f} to {norms.max():.3f} (PyTorch {version})"
        )


if __name__ == "__main__":
    main()

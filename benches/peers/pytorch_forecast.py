#!/usr/bin/env python3
"""The demand of electricity a day ahead by a plain GRU in PyTorch, of the size that srnn chooses for it.

    scripts/fetch-data taylor
    pip install torch numpy
    python benches/peers/pytorch_forecast.py data/fetched/taylor [EPOCHS]

Beside: srnn train data/fetched/taylor/train.csv --task series --ahead 48 --out model, and srnn eval model
data/fetched/taylor/test.csv --season 336. H = 48, dropout 0.2 before the head, windows of 512 steps of which neighbours share 64,
B = 8, Adam at 5e-3 on one cycle over 500 epochs, or those that are given.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

AHEAD = 48


def main():
    folder, epochs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 500
    train, test = (np.loadtxt(folder / name, skiprows=1) for name in ("train.csv", "test.csv"))
    mean, deviation = train.mean(), train.std()
    train, test = (torch.tensor((own - mean) / deviation, dtype=torch.float32) for own in (train, test))
    for seed in range(1, 4):
        torch.manual_seed(seed)
        gru, drop, head = nn.GRU(1, 48, batch_first=True), nn.Dropout(0.2), nn.Linear(48, 1)
        parameters = [*gru.parameters(), *head.parameters()]
        x, y = train[:-AHEAD], train[AHEAD:]
        windows = [(x[at : at + 512], y[at : at + 512]) for at in range(0, len(x) - 64, 448)]
        optimizer = torch.optim.Adam(parameters, lr=5e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=epochs * -(-len(windows) // 8))
        for _ in range(epochs):
            for at in range(0, len(windows), 8):
                part = windows[at : at + 8]
                own = nn.utils.rnn.pad_sequence([x for x, _ in part], batch_first=True).unsqueeze(2)
                told = nn.utils.rnn.pad_sequence([y for _, y in part], batch_first=True, padding_value=float("nan"))
                error = head(drop(gru(own)[0])).squeeze(2) - told
                loss = error[~told.isnan()].square().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                schedule.step()
        with torch.no_grad():
            told = head(gru(test[None, :-AHEAD, None])[0]).squeeze()
        errors = (told - test[AHEAD:]).numpy() * deviation
        print(f"seed {seed}: mean absolute error {np.abs(errors).mean():.1f}, root of mean squared {np.sqrt((errors**2).mean()):.1f}")


if __name__ == "__main__":
    main()

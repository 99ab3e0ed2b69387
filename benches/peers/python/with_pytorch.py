"""The same network in PyTorch, as people would write it: padding in front, read like words."""

import re
import sys
import time
from collections import Counter

import pandas
import torch
from torch import nn

torch.manual_seed(1)
train, test = (pandas.read_csv(f"{sys.argv[1]}/{name}.tsv", sep="\t", quoting=3) for name in ("train", "test"))
words = lambda text: re.findall(r"\w+|[^\w\s]", text.lower())  # noqa: E731
counts = Counter(word for text in train.text for word in words(text))
ids = {word: at for at, (word, count) in enumerate(counts.most_common(29_998), 2) if count > 1}


def encode(texts):
    rows = torch.zeros(len(texts), 512, dtype=torch.long)
    for row, text in enumerate(texts):
        own = [ids.get(word, 1) for word in words(text)][-512:]
        rows[row, 512 - len(own) :] = torch.tensor(own)
    return rows


class Sliced(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(30_000, 50)
        self.levels = nn.ModuleList(nn.GRU(50, 50, batch_first=True) for _ in range(3))
        self.head = nn.Linear(50, 2)

    def forward(self, tokens):
        steps = self.embedding(tokens)
        for level in self.levels:
            states = level(steps.reshape(-1, 8, 50))[1][0]
            steps = states.reshape(len(tokens), -1, 50)
        return self.head(steps[:, 0])


x, y = encode(train.text), torch.tensor(pandas.factorize(train.label, sort=True)[0])
held = torch.arange(len(x)) % 10 == 0
model = Sliced()
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(4):
    begin, order = time.perf_counter(), torch.randperm(int((~held).sum()))
    own, told = x[~held], y[~held]
    for rows in order.split(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(own[rows]), told[rows]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
    seconds = time.perf_counter() - begin
    with torch.no_grad():
        right = (model(x[held]).argmax(1) == y[held]).float().mean()
    print(f"epoch {epoch + 1}: {100 * right:.2f} % of those held out, {seconds:.1f} s", flush=True)
test_y = torch.tensor(pandas.factorize(test.label, sort=True)[0])
with torch.no_grad():
    told = torch.cat([model(rows).argmax(1) for rows in encode(test.text).split(1000)])
print(f"{100 * (told == test_y).float().mean():.2f} % of the test, {seconds:.1f} s an epoch")

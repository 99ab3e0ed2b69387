#!/usr/bin/env python3
"""Seconds of an epoch of tagging the Brown corpus with a plain bidirectional GRU in PyTorch, on the CPU.

    pip install torch numpy
    python benches/peers/pytorch_tags.py data/fetched/brown/train.conll

Windows of 512 words (the last of a document shorter), B = 20, D = H = 64, Adam 3e-3; padded batches of windows of about one
length, which PyTorch reads several times as fast as packed ones: as
srnn train data/fetched/brown/train.conll --task tags --preset plain --lower-case --slices rnn --direction both --length 512
--overlap 0 --hidden 64 --embedding 64 --batch 20 --epochs 3 --learning-rate 0.003 has them. Prints the accuracy on test.conll
beside it, too.
"""

import sys
import time
from collections import Counter
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence


def documents(path):
    text = Path(path).read_text().strip()
    for document in text.split("\n\n"):
        yield [line.split("\t") for line in document.split("\n")]


def main():
    train, test = (list(documents(Path(sys.argv[1]).with_name(name))) for name in ("train.conll", "test.conll"))
    counts = Counter(word.lower() for document in train for word, _ in document)
    words = {word: at for at, (word, count) in enumerate(counts.most_common(), 2) if count > 1}
    tags = {tag: at for at, tag in enumerate(sorted({tag for document in train + test for _, tag in document}))}

    def windows(all_documents):
        for document in all_documents:
            ids = torch.tensor([words.get(word.lower(), 1) for word, _ in document])
            told = torch.tensor([tags[tag] for _, tag in document])
            yield from zip(ids.split(512), told.split(512))

    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(len(words) + 2, 64)
            self.gru = nn.GRU(64, 64, bidirectional=True)
            self.head = nn.Linear(128, len(tags))

        def forward(self, ids):
            return self.head(self.gru(self.embedding(ids))[0])

    torch.manual_seed(1)
    model = Tagger()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    own = sorted(windows(train), key=lambda pair: -len(pair[0]))

    def batch(pairs):
        ids, told = zip(*pairs)
        return pad_sequence(ids), pad_sequence(told, padding_value=-100)

    batches = [batch(own[at : at + 20]) for at in range(0, len(own), 20)]
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {len(batches)} batches, {len(words)} words")
    for epoch in range(3):
        begin = time.perf_counter()
        for at in torch.randperm(len(batches)).tolist():
            ids, told = batches[at]
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(ids).flatten(0, 1), told.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}, {time.perf_counter() - begin:.1f} s")
    with torch.no_grad():
        right = count = 0
        for ids, told in windows(test):
            right += (model(ids.unsqueeze(1)).argmax(2).squeeze(1) == told).sum().item()
            count += len(told)
    print(f"test accuracy {100 * right / count:.2f} %")


if __name__ == "__main__":
    main()

"""IMDB with srnn: SRNN(8,2) of GRUs, H = 50, as people would write it."""

import sys

import pandas
from srnn import SRNNClassifier

train, test = (pandas.read_csv(f"{sys.argv[1]}/{name}.tsv", sep="\t", quoting=3) for name in ("train", "test"))
model = SRNNClassifier(
    preset="plain", slices="8x2", length=512, hidden=50, embedding=50, epochs=4, device="cpu", random_state=1,
    padding=sys.argv[2] if len(sys.argv) > 2 else None,
)  # fmt: skip
model.fit(train.text, train.label)
seconds = sum(epoch["seconds"] for epoch in model.history_) / len(model.history_)
print(f"{100 * model.score(test.text, test.label):.2f} % of the test, {seconds:.1f} s an epoch")

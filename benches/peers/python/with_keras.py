"""The same network in Keras on PyTorch, as people would write it: padding in front, read like words."""

import os
import re
import sys
import time
from collections import Counter

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy
import pandas
from keras import layers, ops

keras.utils.set_random_seed(1)
train, test = (pandas.read_csv(f"{sys.argv[1]}/{name}.tsv", sep="\t", quoting=3) for name in ("train", "test"))
words = lambda text: re.findall(r"\w+|[^\w\s]", text.lower())  # noqa: E731
counts = Counter(word for text in train.text for word in words(text))
ids = {word: at for at, (word, count) in enumerate(counts.most_common(29_998), 2) if count > 1}


def encode(texts):
    return keras.utils.pad_sequences([[ids.get(word, 1) for word in words(text)] for text in texts], 512)


class Sliced(keras.Model):
    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(30_000, 50)
        self.levels = [layers.GRU(50) for _ in range(3)]
        self.head = layers.Dense(2)

    def call(self, tokens):
        steps = self.embedding(tokens)
        for level in self.levels:
            steps = ops.reshape(level(ops.reshape(steps, (-1, 8, 50))), (ops.shape(tokens)[0], -1, 50))
        return self.head(steps[:, 0])


x, y = encode(train.text), pandas.factorize(train.label, sort=True)[0]
held = numpy.arange(len(x)) % 10 == 0
model = Sliced()
model.compile(keras.optimizers.Adam(global_clipnorm=1), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
begin = time.perf_counter()
model.fit(x[~held], y[~held], 100, 4, validation_data=(x[held], y[held]), verbose=2)
seconds = (time.perf_counter() - begin) / 4
told = model.predict(encode(test.text), 1000, verbose=0).argmax(1)
print(f"{100 * (told == pandas.factorize(test.label, sort=True)[0]).mean():.2f} % of the test, {seconds:.1f} s an epoch")

"""Makes word vectors for the IMDB reviews: GloVe's 100 numbers, and beside them 200 of word2vec, learnt from the texts of the training
reviews (their labels are not looked at, and no text of the test is).

    scripts/fetch-data imdb && scripts/fetch-data glove100
    pip install gensim && python benches/accuracy/vectors.py data/fetched/imdb/train.tsv data/fetched/glove100/glove.100d.txt OUT

Ten minutes with one thread. The same version of gensim (4.4.0 made those of docs/results.md) gives the same numbers on the same machine.
"""

import re
import sys

import numpy
from gensim.models import Word2Vec

# As srnn cuts English texts into words.
WORD = re.compile(r"n't(?!\w)|'(?:s|m|d|re|ve|ll)(?!\w)|\.\.\.|--|[^\w\s]|_|(?:(?!n't(?!\w))[^\W_])+")


def words_of(text):
    return WORD.findall(text.lower().replace("\u2019", "'"))


def main(reviews, glove, out):
    with open(reviews, encoding="utf-8") as file:
        header = next(file).rstrip("\n").split("\t")
        texts = [words_of(line.rstrip("\n").split("\t")[header.index("text")]) for line in file]
    learnt = Word2Vec(
        texts, vector_size=200, window=8, min_count=2, sg=1, negative=5, epochs=10, workers=1, seed=1, sample=1e-4
    ).wv
    # Of the size of GloVe's numbers.
    own = learnt.vectors * (0.5 / numpy.sqrt((learnt.vectors**2).mean()))
    given = {}
    with open(glove, encoding="utf-8") as file:
        for line in file:
            word, numbers = line.rstrip("\n").split(" ", 1)
            if word in learnt.key_to_index:
                given[word] = numbers
    with open(out, "w", encoding="utf-8") as file:
        for word, row in zip(learnt.index_to_key, own):
            beside = " ".join(f"{number:.5g}" for number in row)
            file.write(f"{word} {given.get(word, ' '.join(['0'] * 100))} {beside}\n")
    print(f"{out}: {len(own)} words, {len(given)} of them with GloVe's numbers")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])

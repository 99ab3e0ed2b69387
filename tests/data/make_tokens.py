#!/usr/bin/env python3
"""Writes how Python's `tokenizers` cuts texts by the rules of a tokenizer.json that srnn wrote.

    make_tokens.py MODEL/tokenizer.json tokens.json            # of a model trained with --tokens words
    make_tokens.py MODEL/tokenizer.json characters.json        # and with --tokens chars

The texts are made of parts on which engines of regular expressions differ: numbers that are no digits, joiners, marks, letters of
other scripts. A test in src/data/words.rs has srnn cut the same.
"""

import json
import random
import sys
from pathlib import Path

from tokenizers import Tokenizer

PARTS = ["n't", "'", "s", "'s", "re", "'ve", "ll", ".", "...", "-", "--", "_", " ", "\n", "\u000b", "\u001c", "A", "n", "N", "t", "9",
         "é", "E\u0301", "\u0301", "’", "İ", "ß", "\u00a0", "\u0085", "中", "ǅ", "½", "²", "Ⅷ", "٣", "😀", "\u200d", "\u200c", "\u200b", "Σ",
         "ª", "\u2060", "\ufeff", "‿", "ـ", "ﬁ", "Å", "\u3000", "ज्ञ", "ำ", "👩\u200d🚀", "\ufe0f", "\u202e", "¼n't", "²n't", "'s²", "'s\u200d",
         "👍🏽", "🇩🇪", "🇩", "❤", "☺\ufe0f", "➊", "\u3099", "は", "Ａ", "\t"]


def main():
    tokenizer = Tokenizer.from_file(sys.argv[1])
    choose = random.Random(1)
    texts = ["".join(choose.choices(PARTS, k=choose.randint(0, 9))) for _ in range(1500)]
    cut = []
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text)
        cut.append([text, [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]])
    lines = ",\n".join(json.dumps(pair) for pair in cut)
    Path(__file__).with_name(sys.argv[2]).write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()

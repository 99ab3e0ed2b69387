"""Labels of any type, and the names that a model directory has for them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What a reader of labels would change: blanks around it, characters that cannot be seen, nothing at all.
_CHANGED = re.compile(r"^\s|\s$|^$|[\x00-\x1f\u200b-\u200f\ufeff]")


def _is_changed(name: str) -> bool:
    """Whether a reader of labels would give it another name: numbers too, as `1e3` is `1000` to it."""
    try:
        number = float(name)
    except ValueError:
        return bool(_CHANGED.search(name))
    return not np.isfinite(number) or (number.is_integer() and name != str(int(number)))


def names_of(labels: NDArray[Any]) -> list[str]:
    """A name for each label, all different: the label itself where it can be read again, else its place."""
    own = [_name(label) for label in labels.tolist()]
    if any(_is_changed(name) for name in own) or len({name.casefold() for name in own}) < len(own):
        return [f"label {place}" for place in range(len(own))]
    return own


def _name(label: Any) -> str:
    whole = isinstance(label, (bool, int)) or (isinstance(label, float) and label.is_integer())
    return str(int(label)) if whole else str(label)


def by_name(names: list[str], known: list[str]) -> NDArray[np.int64]:
    """Where each of these names stands among those of a model."""
    places = {name: place for place, name in enumerate(known)}
    return np.asarray([places[name] for name in names], dtype=np.int64)

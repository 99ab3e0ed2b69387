"""From what people hold sequences in to what the engine reads: texts, tokens, or steps of numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import _srnn

Kind = Literal["texts", "tokens", "ids", "numbers"]


@dataclass
class Sequences:
    """N sequences of one kind.

    Attributes
    ----------
    kind
        ``texts`` (strings), ``tokens`` (lists of strings), ``ids`` (whole numbers) or ``numbers``.
    rows
        Of texts and tokens the lists themselves; of ids and numbers all of them one behind the other.
    ends
        Of ids and numbers: where each sequence ends, in steps.
    width
        Numbers of a step.
    first
        Whether those of the sequences as they were given came before the time.
    """

    kind: Kind
    rows: Any
    ends: list[int]
    width: int = 1
    first: bool = False

    def __len__(self) -> int:
        return len(self.ends) if self.kind in ("ids", "numbers") else len(self.rows)

    def inputs(self) -> _srnn.Inputs:
        """As the engine takes them."""
        if self.kind == "texts":
            return _srnn.Inputs.texts(self.rows)
        if self.kind == "tokens":
            return _srnn.Inputs.tokens([joined(row) for row in self.rows])
        if self.kind == "ids":
            return _srnn.Inputs.ids(self.rows, self.ends)
        return _srnn.Inputs.numbers(self.rows, self.ends, self.width)

    def steps(self) -> list[int]:
        """Steps of each; of texts nothing is known yet."""
        if self.kind == "tokens":
            return [len(row) for row in self.rows]
        return [end - begin for begin, end in zip([0, *self.ends], self.ends)]


# What an empty token is read as: the engine would take it for none.
_EMPTY = "\u2400"


def joined(tokens: Iterable[Any]) -> str:
    """Tokens, or tags, as the engine takes those of a sequence."""
    own = [str(token) or _EMPTY for token in tokens]
    for token in own:
        if "\n" in token:
            raise ValueError(f"the token {token!r} has a line break in it")
    return "\n".join(own)


def read(X: Any, *, kind: str = "auto", channels: str = "auto") -> Sequences:
    """Read sequences, and refuse other kinds than are asked for.

    Parameters
    ----------
    X
        Texts: a list, an array, a pandas, polars or Arrow column of strings, or a table with one such column. Tokens: a list of
        lists of strings. Token ids: an array ``[N, T]`` of whole numbers, or a list of such ``[T_i]``. Numbers: an array
        ``[N, T]`` or ``[N, T, D]``, a list of ``[T_i]`` or ``[T_i, D]``, a nested table of sktime (a series in every cell), or a
        table with two levels of rows (sequence, time).
    kind : {"auto", "texts", "tokens", "ids", "numbers"}
        ``auto`` goes by the type: whole numbers are ids, unless they have three dimensions.
    channels : {"auto", "last", "first"}
        Which axis of a sequence ``[T, D]`` of numbers has the channels. sktime and aeon have them first: ``[N, D, T]``. ``auto``
        finds out where the sequences tell it (one channel, or different lengths), and takes them for last elsewhere.

    Notes
    -----
    Arrays of float32 or float64 whose numbers stand one behind the other are handed over as they are, and the engine takes one copy,
    before it makes them normal; other layouts and types are copied once more here, strings into the engine's own.
    """
    if kind not in ("auto", "texts", "tokens", "ids", "numbers"):
        raise ValueError(f"input={kind!r}: use auto, texts, tokens, ids or numbers")
    if channels not in ("auto", "last", "first"):
        raise ValueError(f"channels={channels!r}: use auto, last or first")
    own = _read(X, kind, channels)
    if kind not in ("auto", own.kind) and not (kind == "tokens" and own.kind == "ids"):
        raise ValueError(f"X holds {own.kind}, and {kind} are asked for")
    return own


def _read(X: Any, kind: str, channels: str) -> Sequences:
    if isinstance(X, (str, bytes)):
        raise ValueError("X is one string: give a list of them")
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise TypeError("X is a sparse matrix: sequences are dense, use X.toarray()")
    X = _column(X, channels)
    if isinstance(X, _Channelled):
        X, channels = X.sequences, "last"
    if isinstance(X, np.ndarray) and X.dtype != object and X.dtype.kind not in "UST":
        return _array(X, kind, channels)
    if isinstance(X, np.ndarray):
        words = X.dtype.kind in "UST" or (X.size and all(isinstance(own, str) for own in X.ravel()[:100]))
        if X.ndim == 2 and X.shape[1] == 1 and words:
            X = X[:, 0]
        X = X.tolist() if X.ndim == 1 or words else _objects(X)
        if isinstance(X, np.ndarray):
            return _array(X, kind, channels)
    X = list(X)
    if not X:
        raise ValueError("X has no sequence: Found array with 0 sample(s), and at least 1 is needed")
    if any(isinstance(own, (str, np.str_)) for own in X):
        return _texts(X)
    if _are_tokens(X):
        return Sequences("tokens", [list(own) for own in X], [])
    return _ragged(X, kind, channels)


@dataclass
class _Channelled:
    """Sequences that are known to be ``[T_i, D]``."""

    sequences: list[NDArray[Any]]


def _column(X: Any, channels: str) -> Any:
    """What stands in a table or a column of pandas, polars or Arrow."""
    home = type(X).__module__.partition(".")[0]
    if home == "pandas":
        import pandas as pd

        if isinstance(X, pd.DataFrame):
            return _frame(X)
        return X.to_numpy()
    if home == "polars":
        import polars as pl

        if isinstance(X, pl.DataFrame):
            X = X.to_series() if X.width == 1 else X.to_numpy()
        return X if isinstance(X, np.ndarray) else X.to_list() if X.dtype in (pl.String, pl.List) else X.to_numpy()
    if home == "pyarrow":
        if hasattr(X, "column_names"):
            columns = [X.column(at) for at in range(X.num_columns)]
            return columns[0].to_pylist() if len(columns) == 1 else np.column_stack([own.to_numpy() for own in columns])
        return X.to_pylist()
    return np.asarray(X) if hasattr(X, "__array__") and not isinstance(X, np.ndarray) else X


def _frame(X: Any) -> Any:
    import pandas as pd

    if isinstance(X.index, pd.MultiIndex):
        # sktime's table of (sequence, time), a column for each channel.
        return _Channelled([own.to_numpy() for _, own in X.groupby(level=0, sort=False)])
    if X.shape[1] == 1 and X.shape[0] and isinstance(X.iloc[0, 0], str):
        return X.iloc[:, 0].tolist()
    if X.shape[0] and X.shape[1] and all(hasattr(own, "__len__") and not isinstance(own, str) for own in X.iloc[0]):
        # sktime's nested table: a series in every cell.
        return _Channelled([np.column_stack([np.asarray(own) for own in row]) for row in X.itertuples(index=False)])
    return X.to_numpy()


def _objects(X: NDArray[Any]) -> NDArray[Any]:
    """An array of Python's own numbers."""
    try:
        return X.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"X holds what is neither text nor number: {error}") from None


def _are_tokens(X: list[Any]) -> bool:
    first = next((own for own in X if not isinstance(own, np.ndarray) and hasattr(own, "__len__") and len(own)), None)
    return first is not None and isinstance(first[0], str)


def _texts(X: list[Any]) -> Sequences:
    for row, own in enumerate(X):
        if not isinstance(own, (str, np.str_)):
            raise ValueError(f"X[{row}] is {own!r}, and others are texts")
    return Sequences("texts", [str(own) for own in X], [])


def _numbers(X: NDArray[Any]) -> NDArray[Any]:
    if X.dtype.kind == "c":
        raise ValueError("Complex data not supported: the numbers of a step are real")
    if X.dtype.kind not in "fiub":
        raise ValueError(f"X has the type {X.dtype}: give numbers")
    return np.ascontiguousarray(X, dtype=X.dtype if X.dtype in (np.float32, np.float64) else np.float64)


def _array(X: NDArray[Any], kind: str, channels: str) -> Sequences:
    if X.ndim not in (2, 3):
        hint = "Reshape your data: Expected 2D array, got {} instead; ".format("scalar array" if X.ndim == 0 else f"{X.ndim}D array")
        raise ValueError(hint + "sequences are [N, T], or [N, T, D] of D numbers a step")
    if X.shape[0] == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required.")
    if X.shape[1] == 0:
        raise ValueError(f"Found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 is required.")
    ids = kind in ("ids", "tokens") or (kind == "auto" and X.ndim == 2 and X.dtype.kind in "iu")
    if ids:
        if X.ndim != 2 or X.dtype.kind not in "iu":
            raise ValueError("token ids are whole numbers [N, T]")
        length = X.shape[1]
        ends = [length * (row + 1) for row in range(len(X))]
        return Sequences("ids", np.ascontiguousarray(X, dtype=np.int64).ravel(), ends)
    numbers = _numbers(X)
    if not np.isfinite(numbers).all():
        raise ValueError("Input X contains NaN or infinity: numbers must be finite")
    first = numbers.ndim == 3 and _is_first([numbers.shape[1:]], channels)
    if first:
        numbers = np.ascontiguousarray(numbers.transpose(0, 2, 1))
    width = 1 if numbers.ndim == 2 else numbers.shape[2]
    length = numbers.shape[1]
    ends = [length * (row + 1) for row in range(len(numbers))]
    return Sequences("numbers", numbers.ravel(), ends, width, first)


def _ragged(X: Sequence[Any], kind: str, channels: str) -> Sequences:
    own = [np.asarray(sequence) for sequence in X]
    for row, sequence in enumerate(own):
        if sequence.ndim not in (1, 2) or sequence.ndim != own[0].ndim:
            raise ValueError(
                f"X[{row}] has {sequence.ndim} dimensions, and X[0] has {own[0].ndim}: Expected 2D array, a list of [T] or [T, D]"
                ". Reshape your data if X is one sequence"
            )
    if kind in ("ids", "tokens") or (kind == "auto" and own[0].ndim == 1 and all(sequence.dtype.kind in "iu" for sequence in own)):
        ids = np.concatenate([_ids(sequence, row) for row, sequence in enumerate(own)])
        return Sequences("ids", ids, _ends(own))
    first = own[0].ndim == 2 and _is_first([sequence.shape for sequence in own], channels)
    if first:
        own = [sequence.T for sequence in own]
    width = 1 if own[0].ndim == 1 else own[0].shape[1]
    for row, sequence in enumerate(own):
        if sequence.ndim == 2 and sequence.shape[1] != width:
            raise ValueError(f"X[{row}] has steps of {sequence.shape[1]} numbers, and X[0] of {width}")
        if not len(sequence):
            raise ValueError(f"X[{row}] has no step")
        if not np.isfinite(_numbers(sequence)).all():
            raise ValueError(f"Input X contains NaN or infinity: X[{row}], where numbers must be finite")
    single = all(sequence.dtype == np.float32 for sequence in own)
    flat = np.concatenate([sequence.ravel() for sequence in own]).astype(np.float32 if single else np.float64, copy=False)
    return Sequences("numbers", flat, _ends(own), width, first)


def _ids(sequence: NDArray[Any], row: int) -> NDArray[np.int64]:
    if sequence.dtype.kind not in "iu":
        raise ValueError(f"X[{row}] holds no token ids: whole numbers")
    return sequence.astype(np.int64)


def _ends(own: list[NDArray[Any]]) -> list[int]:
    return list(accumulate(len(sequence) for sequence in own))


def _is_first(shapes: Sequence[tuple[int, ...]], channels: str) -> bool:
    """Whether the channels come before the time."""
    if channels != "auto":
        return channels == "first"
    firsts, lasts = {shape[0] for shape in shapes}, {shape[1] for shape in shapes}
    if firsts == {1} and lasts != {1}:
        return True
    if len(firsts) == 1 and len(lasts) > 1:
        return True
    if len(firsts) == 1 and len(lasts) == 1 and min(lasts) > max(firsts):
        steps, width = min(firsts), min(lasts)
        warnings.warn(
            f"sequences of shape [{steps}, {width}] are read as {steps} steps of {width} numbers: if they have their channels first, "
            "as those of sktime and aeon, say channels='first' (else channels='last')",
            UserWarning,
            stacklevel=6,
        )
    return False

"""Shows a training in a terminal or a notebook: a bar by tqdm where it is there, else a line for each epoch."""

from __future__ import annotations

import json
import sys
from typing import Any


class Progress:
    """What a training tells of itself, shown."""

    def __init__(self) -> None:
        self._bar: Any = None
        try:
            from tqdm.auto import tqdm
        except ImportError:
            tqdm = None
        # In a file a bar would be as long as the training.
        notebook = tqdm is not None and any("notebook" in own.__module__ for own in tqdm.__mro__)
        self._tqdm: Any = tqdm if notebook or (sys.stderr is not None and sys.stderr.isatty()) else None

    def step(
        self, epoch: int, epochs: int, step: int, steps: int, loss: float | None, score: float | None, seconds: float
    ) -> None:
        """After some steps: the bar moves."""
        if self._tqdm is None:
            return
        if self._bar is None:
            self._bar = self._tqdm(total=steps, leave=False, desc=f"epoch {epoch}/{epochs}", unit="step")
        self._bar.n = step
        if loss is not None:
            self._bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
        self._bar.refresh()

    def epoch(self, text: str, epochs: int) -> None:
        """After an epoch: a line."""
        self.close()
        own = json.loads(text)
        valid = f", validation {own['valid_score']:.4f}" if isinstance(own["valid_score"], float) else ""
        best = " (best)" if own["best"] else ""
        line = f"epoch {own['epoch']}/{epochs}: loss {own['train_loss']:.4f}{valid}{best}, {own['seconds']:.1f} s"
        _line(line)

    def refit(self, sequences: int, epochs: int) -> None:
        """Before the training on all sequences."""
        _line(f"training anew on all {sequences} sequences, for {epochs} epochs")

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _line(text: str) -> None:
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)

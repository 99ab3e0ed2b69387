"""The command ``srnn``, as the shell starts it."""

from __future__ import annotations

import signal
import sys

from . import _srnn


def main() -> None:
    """Run the command of the arguments and end with its exit status."""
    # Ctrl-C is the command's own.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_srnn.command(["srnn", *sys.argv[1:]]))

"""``python -m srnn`` is the command ``srnn``."""

from ._command import main

main()

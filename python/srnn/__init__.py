"""Sliced recurrent neural networks (Yu & Liu, 2018) on any GPU through wgpu, and fast on the CPU.

``SRNNClassifier``, ``SRNNRegressor`` and ``SRNNTagger`` are scikit-learn estimators over sequences; ``Network`` and ``Config`` are
the network by itself; ``srnn.torch`` is the same network in PyTorch. ``srnn`` on the command line is the command.

Examples
--------
>>> from srnn import SRNNClassifier
>>> texts = ["a great film", "an awful film", "great fun", "awful acting"] * 10
>>> model = SRNNClassifier(epochs=20, random_state=1).fit(texts, ["good", "bad", "good", "bad"] * 10)
>>> model.predict(["a great plot"]).tolist()
['good']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._estimators import SRNNClassifier, SRNNRegressor, SRNNTagger
    from ._network import Config, Network, devices, doctor
    from ._srnn import Device, Model, __version__

__all__ = [
    "Config",
    "Device",
    "Model",
    "Network",
    "SRNNClassifier",
    "SRNNRegressor",
    "SRNNTagger",
    "__version__",
    "devices",
    "doctor",
]

# What is used is imported then: scikit-learn alone takes longer than everything here.
_HOMES = {
    "SRNNClassifier": "._estimators",
    "SRNNRegressor": "._estimators",
    "SRNNTagger": "._estimators",
    "Config": "._network",
    "Network": "._network",
    "devices": "._network",
    "doctor": "._network",
    "Device": "._srnn",
    "Model": "._srnn",
    "__version__": "._srnn",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'srnn' has no attribute {name!r}")
    from . import _srnn

    _srnn.log_to_python()
    value = getattr(importlib.import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""The shape of every tensor in attention code, known without running it.

Importing this package loads neither libcst nor torch: the public names are looked up on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shapecheck.rule import Finding as Finding
    from shapecheck.rule import Rule as Rule
    from shapecheck.rule import Severity as Severity
    from shapecheck.rule import load_rules as load_rules

__version__ = "0.1.0"
__all__ = ["Finding", "Rule", "Severity", "__version__", "load_rules"]

_HOMES = {
    "Finding": "shapecheck.rule",
    "Rule": "shapecheck.rule",
    "Severity": "shapecheck.rule",
    "load_rules": "shapecheck.rule",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

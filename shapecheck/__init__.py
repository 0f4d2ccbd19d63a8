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
    from shapecheck.runtime.checked import checked as checked
    from shapecheck.runtime.errors import ShapeError as ShapeError
    from shapecheck.runtime.errors import ShapeWarning as ShapeWarning
    from shapecheck.runtime.record import trace as trace
    from shapecheck.runtime.recording import Observation as Observation
    from shapecheck.runtime.recording import Recording as Recording
    from shapecheck.runtime.verify import Verification as Verification
    from shapecheck.runtime.verify import verify as verify

__version__ = "0.1.0"
__all__ = [
    "Finding", "Observation", "Recording", "Rule", "Severity", "ShapeError", "ShapeWarning", "Verification",
    "__version__", "checked", "load_rules", "trace", "verify",
]  # fmt: skip

_HOMES = {
    "Finding": "shapecheck.rule",
    "Observation": "shapecheck.runtime.recording",
    "Recording": "shapecheck.runtime.recording",
    "Rule": "shapecheck.rule",
    "Severity": "shapecheck.rule",
    "ShapeError": "shapecheck.runtime.errors",
    "ShapeWarning": "shapecheck.runtime.errors",
    "Verification": "shapecheck.runtime.verify",
    "checked": "shapecheck.runtime.checked",
    "load_rules": "shapecheck.rule",
    "trace": "shapecheck.runtime.record",
    "verify": "shapecheck.runtime.verify",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

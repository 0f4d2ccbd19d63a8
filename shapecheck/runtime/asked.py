"""What torch is asked for → an op of the linter's table: its name there, and its arguments in the order in which it takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_SAID_BY = {
    "__and__": "bitwise_and", "__or__": "bitwise_or", "__xor__": "bitwise_xor",
    "__invert__": "bitwise_not", "__iter__": "unbind", "data": "detach", "real": "detach", "__matmul__": "matmul",
    "__mod__": "remainder", "__floordiv__": "floor_divide", "__pow__": "pow",
}  # fmt: skip
_SWAPPED = {"__rdiv__": "div", "__rtruediv__": "div", "__rsub__": "sub", "__rpow__": "pow", "__rmatmul__": "matmul"}


def named(function: Callable[..., Any]) -> str:
    """The name of a function, or of the attribute that it gets."""
    name = getattr(function, "__name__", "?")
    return getattr(getattr(function, "__self__", None), "__name__", name) if name == "__get__" else name


def asked(name: str, args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The name and the arguments of an op as the table has them."""
    if name in _SWAPPED:
        return _SWAPPED[name], args[::-1]
    if name == "__getitem__":
        return "index", (args[0], *(args[1] if isinstance(args[1], tuple) else args[1:]))
    return _SAID_BY.get(name, name), args

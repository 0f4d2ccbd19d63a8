"""What is noted while objects are built: divisions, layers, sizes, scales, and classes given known numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shapecheck.shapes.dim import Dim, Symbol
from shapecheck.shapes.scale import Scale

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Place, Trace


@dataclass(frozen=True, slots=True)
class Division:
    """A division of sizes as it was written: `d_out // num_heads`.

    `in_init` is whether it is done while objects are built, before forward runs.
    `in_sight` is False where a size comes from an object whose class can't be read: it may check what it holds.
    `fallback` where it is only taken because a width of its own wasn't given: `head_dim or dim // heads`.
    """

    dividend: Dim
    divisor: Dim
    place: Place
    in_init: bool = True
    in_sight: bool = True
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """A layer that `__init__` built: `name` is the attribute, `takes` and `gives` its widths where it has such."""

    type: str
    name: str
    place: Place
    takes: Dim | None
    gives: Dim | None
    in_init: bool
    heads: Dim | None = None  # of nn.MultiheadAttention, whose width is `takes`


@dataclass(frozen=True, slots=True)
class Size:
    """A number that `__init__` put under a name, as an attribute or as an argument of a class it builds."""

    name: str
    dim: Dim
    place: Place
    of: str | None = None  # the class that was built with it


@dataclass(frozen=True, slots=True)
class StatedScale:
    """A float made of sizes that `__init__` put under a name: `self.scale = head_dim**-0.5`."""

    name: str
    scale: Scale
    place: Place


@dataclass(frozen=True, slots=True)
class Construction:
    """A class built with known numbers: by a call, a config literal, or a config object passed on.

    `divisions` are those that leave a remainder, `numbers` what else stands near with a name: 48 is `n_layers`.
    """

    symbol: str
    place: Place
    divisions: tuple[Remainder, ...]
    numbers: tuple[tuple[str, int, Place | None], ...]
    arguments: tuple[Argument, ...]
    traces: tuple[Trace, ...]


@dataclass(frozen=True, slots=True)
class Remainder:
    """`dividend // divisor` with known numbers that don't divide; `place` is where the divisor was written."""

    dividend: int
    divisor: int
    name: str
    place: Place
    division: Place


@dataclass(frozen=True, slots=True)
class Argument:
    """A known number given for a constructor's parameter."""

    symbol: Symbol
    value: int
    place: Place

"""Making: what ops say of the values that they make, so that a mask is known by who made it.

They are details like those of `shapes.details`, of ops that leave shapes alone: which triangle was kept, what a tensor
was filled with, what was compared with what.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.shape import Axis

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Place, Tensor

BOOL, FLOAT, INT = "bool", "float", "int"  # dtypes, as far as a mask's takers tell them apart
SAME = "same"  # the dtype that the operand has


@dataclass(frozen=True, slots=True)
class Filled:
    """One value everywhere: zeros, ones, full. `value` is None where it isn't known; so is `dtype`."""

    value: float | None
    dtype: str | None


@dataclass(frozen=True, slots=True)
class Counted:
    """arange: the whole numbers from `start`."""

    start: Dim


@dataclass(frozen=True, slots=True)
class Triangle:
    """triu or tril: what is kept, and from or up to which diagonal (None: not known), and where that is written."""

    upper: bool
    diagonal: Dim | None
    at: Place | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """`a == b`. For a number on one side: its value, or the size that it is; the tensor then stands on the left."""

    how: str  # == != < <= > >=
    value: float | None = None
    size: Dim | None = None


@dataclass(frozen=True, slots=True)
class Offset:
    """A number added: `value + x`, or `value - x` where x is negated; as a float or as a size."""

    value: float | None
    size: Dim | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Converted:
    """A cast to a dtype: None is not known, SAME none at all (to another device)."""

    dtype: str | None


@dataclass(frozen=True, slots=True)
class Put:
    """masked_fill: what is put where the mask, the second operand, is True; and where both are written."""

    value: float | Tensor | None
    mask_at: Place | None = None
    value_at: Place | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """where: its condition, what is taken where that is True, and what elsewhere."""

    condition: Tensor | None
    chosen: float | Tensor | None
    other: float | Tensor | None


@dataclass(frozen=True, slots=True)
class Cut:
    """What slices left of axes: each before, each after, and where the stretch begins (None: not known)."""

    axes: tuple[tuple[Axis, Axis, Dim | None], ...]

"""Details: what an op says of itself beyond the shapes that go in and come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.making import Choice, Compared, Converted, Counted, Cut, Filled, Offset, Put, Triangle
from shapecheck.shapes.reshape import Regrouping
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Axis

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Place, Tensor


@dataclass(frozen=True, slots=True)
class Contraction:
    """A product of two tensors: the axes summed over, left and right, whether they agree, and the kept axes of each."""

    summed: tuple[tuple[Axis, Axis], ...]
    left: tuple[Axis, ...]  # axes of the left operand alone
    right: tuple[Axis, ...]
    clash: tuple[Axis, Axis] | None = None  # two axes that must agree and never do
    ratio: Dim | None = None  # … and how many times one is the other, where it is
    certain: bool = True  # they were known to agree before it was learnt from their meeting here


@dataclass(frozen=True, slots=True)
class Reshape:
    regrouping: Regrouping
    old: tuple[Axis, ...]
    new: tuple[Dim, ...]
    inferred: int | None = None  # the place of a -1
    joins_strides: bool = False  # a view that joins axes which are no neighbours in memory
    what: str = "reshape"  # view, reshape, flatten, rearrange, …


@dataclass(frozen=True, slots=True)
class Applied:
    """A layer applied: what it is, the width it takes and the width it got."""

    layer: str  # Linear, Conv2d, LayerNorm, …
    name: str  # out_proj
    takes: Dim | None
    got: Axis | None
    clash: bool = False
    ratio: Dim | None = None
    weak: bool = False  # the clash is of two arguments that callers may give the same value
    trained: bool = True  # False for a layer that forward itself makes, anew at each call
    batch_first: bool | None = None  # of layers that can be told so, where it is known
    masks: tuple[tuple[Tensor, Place | None], ...] = ()  # that nn.MultiheadAttention, or its like, was given, and where


@dataclass(frozen=True, slots=True)
class Softmax:
    axis: Axis | None  # None: not known which
    index: int | None  # as written; None for no dim


@dataclass(frozen=True, slots=True)
class Meeting:
    """Axes that had to agree and never do: a broadcast, a cat, a stack."""

    left: Axis
    right: Axis
    ratio: Dim | None = None


@dataclass(frozen=True, slots=True)
class Parted:
    """An axis cut into parts of given sizes that never make it up."""

    axis: Axis
    parts: tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class Scaled:
    """Multiplied or divided by a number: `by` is which one it was, where nothing but that is known of it."""

    scale: Scale
    by: object = None


@dataclass(frozen=True, slots=True)
class Sdpa:
    """scaled_dot_product_attention or another kernel: `layout` is the order it takes, as einops would write it."""

    layout: str
    scale: Scale | None = None  # the scale that was passed
    dropout: str | None = None  # the share of the weights that it drops outside of training, where it surely drops some
    grouped: bool = False  # queries of several heads in a row share the keys and values of one: enable_gqa
    mask: Tensor | None = None
    mask_at: Place | None = None  # where it is written
    causal: bool = False  # is_causal, where it is surely True
    masked: bool = False  # a mask was surely given


@dataclass(frozen=True, slots=True)
class Joined:
    """cat or stack: along which axis, of how many (a known number or a size)."""

    axis: Axis | None
    count: Dim


@dataclass(frozen=True, slots=True)
class Reduced:
    """Axes summed up: `how` is sum, mean, amax, …"""

    how: str


Making = Filled | Counted | Triangle | Compared | Offset | Converted | Put | Choice | Cut
Detail = Contraction | Reshape | Applied | Softmax | Meeting | Parted | Scaled | Sdpa | Joined | Reduced | Making

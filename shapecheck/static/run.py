"""Run: one path through `__init__` and `forward`. Its facts, its steps, its decisions.

A path is a list of decisions; the code is run again from the start for each, so that nothing ever has to be merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import libcst as cst

from shapecheck.shapes.built import Division, Remainder, Size, StatedScale
from shapecheck.shapes.details import Detail
from shapecheck.shapes.dim import Dim, Kind, Symbol
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.shape import Axis, Factor, Origin, Row, Shape
from shapecheck.shapes.trace import Bound, Discarded, Step, Tensor
from shapecheck.static.ranks import Ranks
from shapecheck.static.syntax import NodePlace, Slice
from shapecheck.static.values import Const, Num, Unknown, Value

MOST_NODES = 60_000  # expressions evaluated on one path
MOST_STEPS = 1500
DEEPEST_CALL = 14


class GiveUp(Exception):
    """The path grew too long to be followed."""


class Dead(Exception):
    """The path ends in a raise."""


@dataclass(slots=True)
class Frame:
    """A body being run: the slice that its nodes belong to, and the class or function it stands in."""

    symbol: str
    slice: Slice
    method: str
    row: int = 0
    call: int = 0  # which call of a function, counted from the beginning of the path


@dataclass(frozen=True, slots=True)
class Named:
    """An input under a name: whether it is a tensor shows later, by its use."""

    name: str
    value: Unknown
    place: NodePlace
    frame: str


@dataclass(frozen=True, slots=True)
class Fork:
    """Code that a path went past: which branch it is, and the decisions that kept the path from it."""

    branch: object
    decisions: frozenset[object]


@dataclass(eq=False)
class Run(Ranks):
    """The state of one path."""

    forced: dict[object, bool]
    seed: Facts | None = None
    heed: bool = True  # whether arguments have the shapes that are written of them

    # which way it goes
    decisions: dict[object, bool] = field(default_factory=dict)
    asked: list[object] = field(default_factory=list)  # the decisions that were looked at, in order
    told: dict[object, str] = field(default_factory=dict)  # decision → how a message names it
    forks: list[Fork] = field(default_factory=list)  # code that this path went past
    ran: set[object] = field(default_factory=set)  # branches that it took
    equal_to: dict[object, object] = field(default_factory=dict)  # the constants that unknown values were decided to be
    by_flag: bool = False  # a flag or a mode that is given to forward decided something

    # where it is
    frames: list[Frame] = field(default_factory=list)
    calls: int = 0  # of functions that were inlined
    building: list[Any] = field(default_factory=list)  # the objects whose __init__ is being run
    in_forward: bool = False  # the objects are built, and what they do is run
    trying: int = 0  # inside how many bodies of try
    fallback: int = 0  # inside how many defaults for what wasn't given

    # what its trace will hold
    steps: list[Step] = field(default_factory=list)
    changed: dict[int, int] = field(default_factory=dict)  # step → the last step before its result was changed in place
    bound: list[Bound | Named] = field(default_factory=list)
    divisions: list[Division] = field(default_factory=list)
    guarded: list[Any] = field(default_factory=list)  # remainders that are worked out: where, and of what
    even: set[Any] = field(default_factory=set)  # the places of divisions that left no remainder whatever the sizes
    discarded: list[Discarded] = field(default_factory=list)
    layers: list[Any] = field(default_factory=list)  # every layer built, in order
    sizes: list[Size] = field(default_factory=list)  # numbers put under names while a class was built
    scales: list[StatedScale] = field(default_factory=list)
    lines: list[Any] = field(default_factory=list)  # those that comments may speak of
    entered: list[Any] = field(default_factory=list)  # the functions called whose docstrings or annotations say shapes
    annotated: list[Any] = field(default_factory=list)

    # what it remembers
    once: dict[object, Any] = field(default_factory=dict)  # what is worked out once a path: top-level values, lineages
    inputs: dict[object, Tensor] = field(default_factory=dict)  # unknown values that were used as tensors
    defaults: dict[object, int] = field(default_factory=dict)  # parameter → its default, where that is a number
    stretches: dict[Symbol, Axis] = field(default_factory=dict)  # the size of each of many stretches → the axis cut
    axis_names: dict[int, dict[str, Dim]] = field(default_factory=dict)  # of annotations, call by call

    # what is built with known numbers
    constructions: list[Any] = field(default_factory=list)
    remainders: list[tuple[Remainder, Any]] = field(default_factory=list)  # each with the object it is for
    configs_noted: bool = False
    configs: list[Any] = field(default_factory=list)  # dicts and objects of the top level that hold numbers

    # how far it went, and what it passed
    nodes: int = 0
    _seen: dict[int, int] = field(default_factory=dict)
    _fresh: int = 0

    def __post_init__(self) -> None:
        if self.seed is not None:
            self.facts.rows.update(self.seed.rows)
            self.facts.names.update(self.seed.names)
            self.facts.assumed |= self.seed.assumed

    # -- identities -------------------------------------------------------------------------------------------------
    def key(self, node: object) -> tuple[int, int]:
        """An identity that is the same each time the path is run: the node, and how often it was passed."""
        count = self._seen.get(id(node), 0)
        self._seen[id(node)] = count + 1
        return id(node), count

    def place(self, node: cst.CSTNode) -> NodePlace:
        return NodePlace(self.frames[-1].slice, node, self.frames[-1].symbol)

    def fresh(self, size: Dim, why: object = None, origin: Origin = Origin.OTHER) -> Factor:
        """A factor with an identity of its own."""
        self._fresh += 1
        return Factor(size, (why, self._fresh), origin)

    def axis(self, size: Dim, origin: Origin = Origin.OTHER) -> Axis:
        return Axis() if size.is_one else Axis((self.fresh(size, None, origin),))

    def unknown_size(self, name: str = "?") -> Dim:
        self._fresh += 1
        return Dim.of(Symbol(name, Kind.UNKNOWN, ("?", self._fresh)))

    # -- steps ------------------------------------------------------------------------------------------------------
    def step(
        self,
        op: str,
        node: cst.CSTNode,
        operands: Sequence[Tensor],
        shapes: Shape | Sequence[Shape | None] | None,
        detail: Detail | None = None,
        *,
        origin: Origin = Origin.OTHER,
        memory: tuple[object, ...] | None = None,
        lost_by: str | None = None,
    ) -> Step:
        """Record an op; results get their shapes, in order."""
        if len(self.steps) >= MOST_STEPS:
            raise GiveUp
        index = len(self.steps)
        listed = (shapes,) if shapes is None or isinstance(shapes, Shape) else shapes
        results = tuple(Tensor(shape, index, origin, memory, count) for count, shape in enumerate(listed))
        frame = self.frames[-1].symbol
        step = Step(index, op, self.place(node), tuple(operands), results, frame, detail, lost_by)
        self.steps.append(step)
        return step

    def emit(
        self,
        op: str,
        node: cst.CSTNode,
        operands: Sequence[Tensor],
        shape: Shape | None,
        detail: Detail | None = None,
        **more: Any,
    ) -> Tensor:
        """Record an op with one result."""
        return self.step(op, node, operands, shape, detail, **more).result

    def lost(self, node: cst.CSTNode, operands: Sequence[Tensor], what: str, op: str = "unknown") -> Tensor:
        """A tensor of which nothing is known, its rank included, because of `what`."""
        return self.emit(op, node, operands, Shape((Row(self.key(node), "…"),)), lost_by=what)

    def alter(self, tensor: Tensor) -> None:
        """Note that a tensor is changed in place, and with it those that it is a view of."""
        index = tensor.step
        while index not in self.changed:
            self.changed[index] = len(self.steps) - 1
            step = self.steps[index]
            if step.op not in _VIEWS or not step.operands:
                return
            index = step.operands[0].step

    # -- shapes -----------------------------------------------------------------------------------------------------
    def shape(self, tensor: Tensor) -> Shape:
        """The shape with all that is known by now put in; a lone Row where nothing is known."""
        return self.facts.shape(tensor.shape) if tensor.shape is not None else Shape((Row(("lost", tensor.step)),))

    def tensor(self, value: Value, node: cst.CSTNode) -> Tensor | None:
        """The tensor that a value is when it is used as one; None where it can't be."""
        if isinstance(value, Tensor):
            return value
        if isinstance(value, Unknown):
            if value.tensor is not None:
                return Tensor(Shape((value.row,)), value.tensor.step, count=hash(value.key))
            origin = Origin.PARAMETER if value.kind in (Kind.CONFIG, Kind.CONSTRUCTOR) else Origin.OTHER
            op = "parameter" if origin is Origin.PARAMETER else "input"
            known = self.inputs.get(value.key)
            if known is None:
                known = self.inputs[value.key] = self.emit(op, node, (), Shape((value.row,)), origin=origin)
            return known
        return None

    def name_size(self, dim: Dim, name: str) -> None:
        """Call a size of an input as the source does: `b, t, _ = x.shape`."""
        symbol = dim.symbol
        if symbol is None or symbol in self.facts.names:
            return
        if symbol.kind in (Kind.INPUT, Kind.UNKNOWN) or symbol.name == "?":
            if not name.startswith("_"):
                self.facts.names[symbol] = name

    # -- decisions --------------------------------------------------------------------------------------------------
    def decide(self, key: object, default: bool, told: str = "") -> bool:
        """Which way the path goes at something that isn't known."""
        if key not in self.decisions:
            self.decisions[key] = self.forced.get(key, default)
            self.told[key] = told
        self.asked.append(key)
        return self.decisions[key]

    def decided(self, key: object) -> bool | None:
        """Which way the path went at something, where it came by it before."""
        answer = self.decisions.get(key)
        if answer is not None:
            self.asked.append(key)
        return answer

    def forked(self, since: int, taken: object, passed: object) -> None:
        """Note that the path took one branch and went past another, for the decisions looked at `since` then."""
        self.ran.add(taken)
        if since < len(self.asked):
            self.forks.append(Fork(passed, frozenset(self.asked[since:])))

    def settled(self, value: Value) -> Value:
        """A value that the path has decided to be None is None."""
        if isinstance(value, Unknown) and value.optional and self.decided(("none", value.key)):
            return Const(None)
        return value

    def is_one_default(self, one: Symbol, other: Symbol) -> bool:
        """Whether two parameters have the same number by default: they are meant to be given the same."""
        default = self.defaults.get(one.key)
        return default is not None and default == self.defaults.get(other.key)

    def defaulted(self, value: Any) -> None:
        """Note that a size is only a default for one that may be given: the division that made it owes no check."""
        quotient = value.dim.function if isinstance(value, Num) else None
        if quotient is not None and quotient.name == "//":
            self.divisions = [
                replace(one, fallback=True) if (one.dividend, one.divisor) == quotient.arguments else one
                for one in self.divisions
            ]


_VIEWS = frozenset({"index", "reshape", "permute", "unsqueeze", "squeeze", "expand", "split", "unbind", "rearrange"})


def unknown(run: Run, node: cst.CSTNode, name: str = "?", **more: Any) -> Unknown:
    """A value that nothing is known of but the node that it comes from."""
    return Unknown(run.key(node), name, **more)

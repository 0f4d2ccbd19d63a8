"""Run: one path through `__init__` and `forward`. Its facts, its steps, its decisions.

A path is a list of decisions; the code is run again from the start for each, so that nothing ever has to be merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import libcst as cst

from shapecheck.shapes.details import Detail
from shapecheck.shapes.dim import Dim, Function, Kind, Symbol
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.shape import Axis, Entry, Factor, Origin, Row, Shape
from shapecheck.shapes.trace import (
    Bound,
    BuiltLayer,
    Discarded,
    Division,
    Remainder,
    Size,
    StatedScale,
    Step,
    Tensor,
    Trace,
)
from shapecheck.static.syntax import NodePlace, Slice
from shapecheck.static.values import Cond, Const, Layer, Num, Seq, Unknown, Value, number

MOST_NODES = 60_000  # expressions evaluated on one path
MOST_STEPS = 1500
DEEPEST_CALL = 14
USUAL = 3  # what nobody says the rank of is taken to be (batch, sequence, features) where an index must be resolved


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
class Run:
    """The state of one path."""

    forced: dict[object, bool]
    seed: Facts | None = None
    assume: bool = False
    facts: Facts = field(default_factory=Facts)
    steps: list[Step] = field(default_factory=list)
    bound: list[Bound | Named] = field(default_factory=list)
    divisions: list[Division] = field(default_factory=list)
    discarded: list[Discarded] = field(default_factory=list)
    lines: list[Any] = field(default_factory=list)  # those that comments may speak of
    entered: list[Any] = field(default_factory=list)  # the functions called whose docstrings or annotations say shapes
    calls: int = 0  # of functions that were inlined
    annotated: list[Any] = field(default_factory=list)
    axis_names: dict[int, dict[str, Dim]] = field(default_factory=dict)  # of annotations, call by call
    heed: bool = True  # whether arguments have the shapes that are written of them
    changed: dict[int, int] = field(default_factory=dict)  # step → the last step before its result was changed in place
    trying: int = 0  # inside how many bodies of try
    decisions: dict[object, bool] = field(default_factory=dict)
    asked: list[object] = field(default_factory=list)  # the decisions that were looked at, in order
    forks: list[Fork] = field(default_factory=list)  # code that this path went past
    ran: set[object] = field(default_factory=set)  # branches that it took
    told: dict[object, str] = field(default_factory=dict)  # decision → how a message names it
    frames: list[Frame] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)  # numbers put under names while a class was built
    scales: list[StatedScale] = field(default_factory=list)
    layers: list[Any] = field(default_factory=list)  # every layer built, in order
    once: dict[object, Any] = field(default_factory=dict)  # what is worked out once a path: top-level values, lineages
    inputs: dict[object, Tensor] = field(default_factory=dict)  # unknown values that were used as tensors
    constructions: list[Any] = field(default_factory=list)
    building: list[Any] = field(default_factory=list)  # the objects whose __init__ is being run
    remainders: list[tuple[Remainder, Any]] = field(
        default_factory=list
    )  # of known numbers, with the object they are for
    configs_noted: bool = False
    configs: list[Any] = field(default_factory=list)  # dicts and objects of the top level that hold numbers
    guarded: list[Any] = field(default_factory=list)
    even: set[Any] = field(default_factory=set)  # the places of divisions that left no remainder whatever the sizes
    unsettled: bool = False  # some op needed a rank that wasn't known yet
    equal_to: dict[object, object] = field(default_factory=dict)  # the constants that unknown values were decided to be
    stretches: dict[Symbol, Axis] = field(default_factory=dict)  # the size of each of many stretches → the axis cut
    ranks: dict[object, Shape] = field(default_factory=dict)  # a rank as a value → the shape that has it
    defaults: dict[object, int] = field(default_factory=dict)  # parameter → its default, where that is a number
    fallback: int = 0  # inside how many defaults for what wasn't given
    blind: bool = False  # two shapes were broadcast of which too little was known
    in_forward: bool = False  # the objects are built, and what they do is run
    by_flag: bool = False  # a flag or a mode that is given to forward decided something
    conflict: bool = False  # some op needed another rank than the one known
    usual: dict[object, int] = field(
        default_factory=dict
    )  # row → the rank that its use speaks for, where it isn't the common one
    common: int = USUAL
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

    def front(self, shape: Shape, index: int) -> Shape:
        """The shape with axes from `index` on (counted from the front) laid bare, where a Row hides them.

        A row gives up one axis after another: `x.shape[1]` says no more than that there are two.
        """
        while (row := shape.row) is not None and shape.at(index) is None:
            place = shape.entries.index(row)
            if index < place:
                break
            if index > 1 and place < len(shape.entries) - 1:  # it may be one of those behind the row
                return self.ranked(shape, None, f"axis {index}", least=index + 1)
            self._open(row, 1)
            shape = self.facts.shape(shape)
        return shape

    def back(self, shape: Shape, index: int, size: Dim | None = None) -> Shape:
        """The shape with its axis at a negative index laid bare; `size` is what that axis is, where it is known."""
        while (row := shape.row) is not None and shape.at(index) is None:
            behind = len(shape.entries) - 1 - shape.entries.index(row)
            if -index <= behind:
                break
            self._open(row, -1, size if -index == behind + 1 else None)
            shape = self.facts.shape(shape)
        return shape

    def _open(self, row: Row, side: int, size: Dim | None = None) -> None:
        rest = Row((row.key, side), row.name, row.given)
        name = f"{_word(row.name)}_{ahead(row.key)}" if side > 0 else f"{_word(row.name)}_last{_depth(row.key)}"
        axis = _of_row(row, 0 if side > 0 else -1, name, size)
        self.facts.rows[row.key] = (axis, rest) if side > 0 else (rest, axis)

    def close(self, row: Row, axes: Sequence[Entry]) -> None:
        """Take a row to be these axes."""
        self.facts.rows[row.key] = tuple(axes)

    def ranked(self, shape: Shape, rank: int | None = None, why: str | None = None, least: int = 0) -> Shape:
        """The shape with its rank settled: to `rank` where the source says so, else, on a second run, as is usual."""
        row = shape.row
        if row is None:
            self.conflict |= rank is not None and shape.rank != rank
            if rank is not None and self.facts.assumed:  # what the source says is no assumption any more
                self.facts.assumed -= _rows_of(shape)
            return shape
        others = len(shape.entries) - 1
        if rank is None:
            self.unsettled = True
            if not self.assume or why is None:
                return shape
            rank = max(least, others + max(0, self.usual.get(_whole(row.key), self.common) - _depth(row.key)))
            self._suppose(row, rank, why)
        if rank < others:
            return shape
        axes: list[Entry] = []
        for index in range(rank - others):
            last = index == rank - others - 1 and shape.entries[-1] == row
            axes.append(_of_row(row, -1 if last else index, f"{_word(row.name)}_{ahead(row.key) + index}"))
        self.close(row, axes)
        return self.facts.shape(shape)

    def only_assumed(self, shape: Shape) -> bool:
        """Whether a shape has its rank from an assumption."""
        return bool(self.facts.assumed) and not self.facts.assumed.isdisjoint(_rows_of(shape))

    def supposed(self, shape: Shape, rank: int, why: str) -> Shape:
        """The shape with the rank that its use speaks for without proving it."""
        if shape.row is not None:
            self._suppose(shape.row, rank, why)
            return self.ranked(shape, rank)
        self.conflict |= shape.rank != rank
        return shape

    def _suppose(self, row: Row, rank: int, why: str) -> None:
        self.facts.assumptions.append(f"{row.name} has rank {rank}: {why}")
        self.facts.assumed.add(row.key)

    def takes_ids(self, shape: Shape) -> None:
        """Note that a tensor holds indices of an embedding: by custom [batch, sequence]."""
        if shape.row is not None and shape.row.given:
            self.usual[_whole(shape.row.key)] = 2

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

    def learn(self, cond: Value, truth: bool) -> None:
        """What follows for sizes from a condition's being true or false."""
        match cond:
            case Cond("not", (operand,)):
                self.learn(operand, not truth)
            case Cond("and", operands) if truth:
                for operand in operands:
                    self.learn(operand, True)
            case Cond("and", operands):  # false, and all but one are known to be true
                left = [operand for operand in operands if not (isinstance(operand, Const) and operand.value)]
                for operand in left:  # a check with an exception that can't be told is taken to check
                    if len(left) == 1 or _is_remainder_check(operand):
                        self.learn(operand, False)
            case Cond("or", operands) if not truth:
                for operand in operands:
                    self.learn(operand, False)
            case Cond("==" | "!=" as op, (left, right)):
                if truth is (op == "=="):
                    self._equal(left, right)
                else:
                    self._unequal(left, right)
            case Cond("truth", (operand,)) if not truth:
                self._equal(operand, Num(Dim.of(0)))
            case Cond(">", (left, right)) if not truth:  # `if d % h > 0: raise`, `if stride > 1`
                one = number(right)
                if _remainder(left) or (one is not None and one.value == 1):
                    self._equal(left, right)
            case Num() if not truth:
                self._equal(cond, Num(Dim.of(0)))
            case Num():
                self._unequal(cond, Num(Dim.of(0)))

    def rank_of(self, shape: Shape) -> Unknown:
        """A rank that isn't known, as a value: which one it is may be told by a condition."""
        value = Unknown(("ndim", shape.row.key if shape.row is not None else None, len(shape.entries)), "ndim")
        self.ranks[value.key] = shape
        return value

    def _equal(self, left: Value, right: Value) -> None:
        if isinstance(left, Seq) and isinstance(right, Seq):
            self._equal_shapes(left, right)
            return
        a, b = number(left), number(right)
        if isinstance(left, Unknown) and left.key in self.ranks and b is not None and b.value is not None:
            self.ranked(self.facts.shape(self.ranks[left.key]), b.value)
            return
        if a is None or b is None:
            return
        a, b = self.facts.resolve(a), self.facts.resolve(b)
        for one, other in ((a, b), (b, a)):
            function = one.function
            if function is not None and function.name == "%" and other.value == 0:
                self.facts.divisible.add((function.arguments[0], function.arguments[1]))
                return
        if a != b and self.facts.same(a, b):
            for dim in (a, b):
                for atom in dim.atoms():
                    if isinstance(atom, Function) and atom.name == "//":
                        self.facts.divisible.add((atom.arguments[0], atom.arguments[1]))
            return
        if not (a.function is not None and a.function.name == "%") and not _remainder(right):
            self.facts.equate(a, b)

    def _unequal(self, left: Value, right: Value) -> None:
        """A remainder that isn't 0, or a product of a quotient that isn't the whole: the division comes out uneven."""
        a, b = number(left), number(right)
        if a is None or b is None:
            return
        a, b = self.facts.resolve(a), self.facts.resolve(b)
        for one, other in ((a, b), (b, a)):
            function = one.function
            if function is not None and function.name == "%" and other.value == 0:
                self.facts.uneven.add((function.arguments[0], function.arguments[1]))
                return
        if a != b and self.facts.same(a, b):
            quotients = [atom for dim in (a, b) for atom in dim.atoms() if isinstance(atom, Function)]
            if len(quotients) == 1 and quotients[0].name == "//":
                self.facts.uneven.add((quotients[0].arguments[0], quotients[0].arguments[1]))

    def _equal_shapes(self, left: Seq, right: Seq) -> None:
        """`x.size() == (b, t, d)`: the rank, and each size that isn't known otherwise."""
        from shapecheck.static.sequences import as_shape

        if not all(one.unsure is False and all(map(_is_size, one.items)) for one in (left, right)):
            return
        shapes = [self.facts.shape(as_shape(one.items)) for one in (left, right)]
        for one, other in (shapes, shapes[::-1]):
            if one.row is not None and other.rank is not None:
                self.ranked(one, other.rank)
        pair = [self.facts.shape(shape).axes for shape in shapes]
        if pair[0] is not None and pair[1] is not None and len(pair[0]) == len(pair[1]):
            for a, b in zip(pair[0], pair[1], strict=True):
                if self.facts.kinds(a.size) & {Kind.INPUT, Kind.UNKNOWN} or self.facts.kinds(b.size) & {Kind.INPUT}:
                    self.facts.equate(a.size, b.size)

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

    def finish(self, symbol: str, result: Value, *, completed: bool) -> Trace:
        """The path as a value: everything that rules may ask of it."""
        from shapecheck.static.annotations import annotated
        from shapecheck.static.remarks import remarks

        told = [(self.told[key], value) for key, value in self.decisions.items() if self.told[key]]
        return Trace(
            symbol, tuple(self.steps), tuple(self._bound()), tuple(self.divisions), tuple(map(_built, self.layers)), self.facts,
            tuple(told), tuple(_tensors(result)), tuple(self.sizes), tuple(self.scales), completed,
            tuple(self.guarded), frozenset(instance.of.name for instance, *_ in self.constructions), self.conflict,
            frozenset(self.even), self.by_flag, tuple(self.discarded), remarks=tuple(remarks(self)), annotated=annotated(self),
            changed=self.changed,
        )  # fmt: skip

    def _bound(self) -> Iterator[Bound]:
        """The tensors that were bound to names: inputs too, where something later took them for tensors."""
        for one in self.bound:
            if isinstance(one, Bound):
                yield one
            elif (tensor := self.inputs.get(one.value.key)) is not None:
                yield Bound(one.name, tensor, one.place, one.frame)


_VIEWS = frozenset({"index", "reshape", "permute", "unsqueeze", "squeeze", "expand", "split", "unbind", "rearrange"})


def unknown(run: Run, node: cst.CSTNode, name: str = "?", **more: Any) -> Unknown:
    """A value that nothing is known of but the node that it comes from."""
    return Unknown(run.key(node), name, **more)


def _built(layer: Layer) -> BuiltLayer:
    def width(name: str) -> Dim | None:
        return number(layer.arguments.get(name, Const(None)))

    takes, gives, heads = _WIDTHS.get(layer.type, ("", "", ""))
    in_init = layer.built_in == "__init__"
    return BuiltLayer(layer.type, layer.name, layer.place, width(takes), width(gives), in_init, width(heads))


_WIDTHS = {
    "Linear": ("in_features", "out_features", ""),
    "Conv1D": ("nx", "nf", ""),
    "MultiheadAttention": ("embed_dim", "embed_dim", "num_heads"),
}


def _of_row(row: Row, place: int, name: str, size: Dim | None = None) -> Axis:
    """An axis that a row gives up: an input's own, or one of a tensor that nothing is known of."""
    kind, origin = (Kind.INPUT, Origin.INPUT) if row.given else (Kind.UNKNOWN, Origin.OTHER)
    return Axis(
        (Factor(size or Dim.of(Symbol(name, kind, (row.key, place, "size"))), (row.key, place, "axis"), origin),)
    )


def axis_of_row(key: object, place: int, *, given: bool) -> Axis:
    """The same by the row's key alone."""
    whole = _whole(key)
    value = whole[1] if isinstance(whole, tuple) and len(whole) > 1 else None  # ("param", owner, name)
    word = _word(str(value[-1])) if isinstance(value, tuple) else "x"
    name = f"{word}_last{_depth(key)}" if place < 0 else f"{word}_{ahead(key) + place}"
    return _of_row(Row(key, word, given), place, name)


def _rows_of(shape: Shape) -> set[object]:
    """The keys of the rows that gave a shape its axes."""
    return {factor.id[0] for factor in shape.factors() if isinstance(factor.id, tuple)}


def _is_remainder_check(cond: Value) -> bool:
    """Whether a condition is `d % h != 0`, or `d % h` itself."""
    match cond:
        case Cond("!=" | ">", (left, _)):
            return _remainder(left)
    return _remainder(cond)


def _is_size(item: Any) -> bool:
    return isinstance(item, Row | Num) or (isinstance(item, Unknown) and item.tensor is None)


def _remainder(value: Value) -> bool:
    return isinstance(value, Num) and value.dim.function is not None and value.dim.function.name == "%"


def _tensors(value: Value) -> list[Tensor]:
    from shapecheck.static.values import Table, iterate

    match value:
        case Tensor():
            return [value]
        case Unknown(tensor=Tensor() as tensor):
            return [tensor]
        case Seq():
            return [tensor for item in iterate(value) for tensor in _tensors(item)]
        case Table(items=items):
            return [tensor for item in items.values() for tensor in _tensors(item)]
    return []


def ahead(key: object) -> int:
    """How many axes a row's front has given up."""
    count = 0
    while _depth(key):
        assert isinstance(key, tuple)
        count, key = count + (key[1] == 1), key[0]
    return count


def _whole(key: object) -> object:
    """The key of the row that a row is the rest of."""
    while _depth(key):
        assert isinstance(key, tuple)
        key = key[0]
    return key


def _depth(key: object) -> int:
    depth = 0
    while isinstance(key, tuple) and len(key) == 2 and key[1] in (1, -1) and isinstance(key[0], tuple):
        depth += 1
        key = key[0]
    return depth


def _word(name: str) -> str:
    return name if name.isidentifier() else "x"

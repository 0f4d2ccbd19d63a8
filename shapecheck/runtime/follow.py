"""A real run → Trace: every op that torch is asked for is also worked out on named axes, with the sizes that it really got.

The table of ops is the linter's; the path, the layers and the arguments are those of the run, however they came about.
What an op makes is compared with what the table says: where the two differ, the recorded shape holds from there on, and
no rule is asked about what descends from it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import libcst as cst
import torch
from torch.overrides import TorchFunctionMode

from shapecheck.runtime.asked import asked, named
from shapecheck.runtime.numbers import Numbers
from shapecheck.runtime.record import tensors
from shapecheck.runtime.spot import Spot, Spots
from shapecheck.runtime.symbolic import LEDGER, Whole
from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.shape import Axis, Origin, Shape
from shapecheck.shapes.trace import Tensor, Trace
from shapecheck.static.ended import trace_of
from shapecheck.static.ops import apply, apply_layer
from shapecheck.static.run import Frame, Run
from shapecheck.static.values import NONE, Const, Layer, Num, Real, Seq, Table, Unknown, Value

_OF_SIZES = frozenset({"shape", "size", "numel", "nelement"})


class _Run(Run):
    """A run of the linter's whose places are those of the code that is really being run."""

    spot: Spot

    def place(self, node: cst.CSTNode) -> Any:
        return self.spot


@dataclass(frozen=True, slots=True)
class Contradiction:
    """An op whose result isn't what the table of ops says."""

    spot: Spot
    op: str
    expected: str
    found: tuple[int, ...]


@dataclass(eq=False)
class Follower:
    """One run being followed: what is known of each tensor so far."""

    symbol: str
    run: _Run = field(default_factory=lambda: _Run({}))
    spots: Spots = field(default_factory=Spots)
    contradictions: list[Contradiction] = field(default_factory=list)
    spoilt: set[int] = field(default_factory=set)  # steps whose result isn't what the table says
    raised_at: int | None = None  # the step that raised
    numbers: Numbers = field(init=False)
    running: bool = False  # the class is built, and is being called
    _known: dict[int, tuple[torch.Tensor, Tensor]] = field(default_factory=dict)
    _filled: dict[int, Tensor] = field(default_factory=dict)  # memory → what was made there while the class was built
    _silent: int = 0  # inside how many ops: what is asked of tensors there is torch's own asking, or ours

    def __post_init__(self) -> None:
        self.numbers = Numbers(self.run)
        self.run.frames.append(Frame(self.symbol, cast("Any", None), "__init__"))
        self.run.spot = self.spots.here()

    # -- around the run
    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Follow what is run in here."""
        token = LEDGER.set(self)
        try:
            with _Mode(self):
                yield
        finally:
            LEDGER.reset(token)

    def input(self, name: str, value: torch.Tensor) -> None:
        """Take a tensor for an argument of forward."""
        self.here()
        given = self.run.tensor(Unknown(("param", self.symbol, name), name, Kind.INPUT), cast("Any", self.run.spot))
        assert given is not None
        shape = self.run.ranked(self.run.shape(given), value.dim())
        for axis, size in zip(shape.axes or (), value.shape, strict=True):
            self.numbers.meet(axis.size, size)
        self._known[id(value)] = value, given

    def trace(self, output: object, *, completed: bool) -> Trace:
        """What was followed, as rules read it."""
        returned = tuple(self._known[id(one)][1] for one in tensors(output) if id(one) in self._known)
        return replace(trace_of(self.run, self.symbol, NONE, completed=completed), returned=returned)

    def here(self) -> Spot:
        spot = self.run.spot = self.spots.here()
        self.run.frames[-1].symbol = spot.frame
        return spot

    def bound(self, value: torch.Tensor) -> Tensor | None:
        """What is known of a tensor that a name was bound to."""
        known = self._known.get(id(value))
        return known[1] if known is not None else None

    # -- numbers (the ledger)
    def combined(self, operation: str, left: Any, right: Any, result: Any) -> Any:
        if self._silent:
            return result
        self.here()
        return self.numbers.combined(operation, left, right, result)

    def compared(self, operation: str, left: Any, right: Any, answer: bool) -> None:
        if not self._silent:
            self.here()
            self.numbers.compared(operation, left, right, answer)

    # -- ops
    def op(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Do what torch is asked for, and follow it."""
        if self._silent:
            return function(*args, **kwargs)
        name = named(function)
        self.here()
        with self._quietly():
            try:
                output = function(*args, **kwargs)
            except Exception:
                self._work_out(name, args, kwargs)  # a rule may say why
                self.raised_at = len(self.run.steps) - 1
                raise
            if name in _OF_SIZES:
                return self._sizes(name, args, kwargs, output)
            if name == "__iter__":
                output = list(output)
            if not self._is_of_building(name) and next(tensors(output), None) is not None:
                self._meet(self._work_out(name, args, kwargs), output)
            return iter(output) if name == "__iter__" else output

    def _is_of_building(self, name: str) -> bool:
        """Whether a tensor is only filled with numbers, as layers do when they are built."""
        return name.endswith("_") and not name.endswith("__") and not self.running

    def layer(self, layer: Layer, args: tuple[Any, ...], kwargs: Mapping[str, Any], work: Callable[..., Any]) -> Any:
        """Apply a layer of torch, and follow it as one op."""
        if self._silent:
            return work(*args, **kwargs)
        node = cast("Any", self.here())
        with self._quietly():
            given, named = [self.value(one) for one in args], {name: self.value(one) for name, one in kwargs.items()}
            try:
                output = work(*args, **kwargs)
            except Exception:
                apply_layer(self.run, layer, given, named, node)
                self.raised_at = len(self.run.steps) - 1
                raise
            if next(tensors(output), None) is not None:
                self._meet(apply_layer(self.run, layer, given, named, node), output)
            return output

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        self._silent += 1
        try:
            yield
        finally:
            self._silent -= 1

    def _sizes(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> Any:
        of = self.value(args[0])
        axes = self.run.shape(of).axes if isinstance(of, Tensor) else None
        if axes is None:
            return output
        if name in ("numel", "nelement"):
            return self.numbers.whole(output, Shape(axes).total or Dim.of(output))
        if isinstance(output, int):
            index = kwargs.get("dim", args[1] if len(args) > 1 else 0)
            return self.numbers.whole(output, axes[index].size)
        pairs = zip(output, axes, strict=True)
        return torch.Size([self.numbers.whole(size, axis.size) for size, axis in pairs])

    def _work_out(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Value:
        """What the table of ops says; where it can't tell because of a size, asked again with the plain number."""
        node = cast("Any", self.run.spot)
        name, args = asked(name, args)
        before = len(self.run.steps)
        found = apply(
            self.run,
            name,
            node,
            [self.value(one) for one in args],
            {key: self.value(one) for key, one in kwargs.items()},
        )
        if not isinstance(found, Unknown) or not any(isinstance(one, Whole) for one in (*args, *kwargs.values())):
            return found
        if len(self.run.steps) == before + 1:  # nothing has taken its result yet
            del self.run.steps[before:]
        return apply(
            self.run, name, node, [self._plainly(one) for one in args],
            {key: self._plainly(one) for key, one in kwargs.items()},
        )  # fmt: skip

    def _plainly(self, value: Any) -> Value:
        return Num(Dim.of(int(value))) if isinstance(value, Whole) else self.value(value)

    # -- values
    def value(self, value: Any) -> Value:
        """A real value as the table of ops takes it."""
        match value:
            case torch.Tensor():
                return self._tensor(value)
            case None | bool() | str():
                return Const(value)
            case int():
                return Num(self.numbers.dim(value))
            case float():
                return Real(self.numbers.scale(value))
            case slice():
                return Seq([self.value(one) for one in (value.start, value.stop, value.step)], fields=("slice",))
            case tuple() | list():
                return Seq([self.value(one) for one in value], is_list=isinstance(value, list))
            case dict():
                return Table({key: self.value(one) for key, one in value.items()})
        return Const(...) if value is ... else Unknown(("object", id(value)), type(value).__name__)

    def _tensor(self, value: torch.Tensor) -> Tensor:
        """What is known of a tensor; a parameter's and a buffer's sizes are looked up among those that have names."""
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        node = cast("Any", self.run.spot)
        origin = Origin.PARAMETER if isinstance(value, torch.nn.Parameter) else Origin.CREATED
        if value.grad_fn is not None:  # made by something that can't be followed
            made = self.run.emit("unknown", node, (), self._by_number(value, Origin.OTHER), lost_by="not followed")
        else:
            op = "parameter" if origin is Origin.PARAMETER else "create"
            made = self.run.emit(op, node, (), self._by_number(value, origin), origin=origin)
        self._known[id(value)] = value, made
        return made

    def _by_number(self, value: torch.Tensor, origin: Origin) -> Shape:
        """The sizes of a tensor by what was made in its memory, else by their numbers."""
        sizes = [self.numbers.dim(size) for size in value.shape]
        filled = self._filled.get(_memory(value)) if origin is Origin.PARAMETER else None
        axes = self.run.shape(filled).axes if filled is not None else None
        if axes is not None and len(axes) == len(sizes):
            same = [self.numbers.meet(axis.size, number) for axis, number in zip(axes, value.shape, strict=True)]
            sizes = [axis.size if fits else size for axis, size, fits in zip(axes, sizes, same, strict=True)]
        return Shape(tuple(self.run.axis(size, origin) for size in sizes))

    # -- what the table says, and what was made
    def _meet(self, value: Value, output: object) -> None:
        match value, output:
            case Tensor(), torch.Tensor():
                self._made(value, output)
            case Seq(items=items), tuple() | list() if value.plain and len(items) == len(output):
                for one, made in zip(items, output, strict=True):
                    self._meet(one, made)
            case Unknown(tensor=Tensor() as lost), _:
                for one in tensors(output):
                    self._lose(lost, one)
            case _:
                last = self.run.steps[-1].result if self.run.steps else None
                for one in tensors(output):
                    if last is not None:
                        self._lose(last, one)

    def _lose(self, maker: Tensor, output: torch.Tensor) -> None:
        shape = self._by_number(output, Origin.OTHER)
        self._known[id(output)] = output, replace(maker, shape=shape, memory=None, origin=Origin.OTHER)

    def _made(self, said: Tensor, output: torch.Tensor) -> None:
        shape = self.run.shape(said)
        axes = shape.axes
        if axes is None:
            self._lose(said, output)
            return
        sizes = tuple(output.shape)
        if len(axes) != len(sizes) or not all(map(self.numbers.meet, (axis.size for axis in axes), sizes)):
            op = self.run.steps[said.step].op
            self.contradictions.append(Contradiction(self.run.spot, op, str(shape), sizes))
            self.spoilt.add(said.step)
            self._lose(said, output)
            return
        known = Shape(tuple(map(self._named, axes, sizes)))
        said = said if known == shape else replace(said, shape=known)
        self._known[id(output)] = output, said
        if not self.running and (memory := _memory(output)):
            self._filled[memory] = said

    def _named(self, axis: Axis, size: int) -> Axis:
        """An axis whose size the table can't tell, with the size that it has."""
        if axis.size.known:
            return axis
        return self.run.axis(self.numbers.dim(size), axis.factors[0].origin if axis.factors else Origin.OTHER)


class _Mode(TorchFunctionMode):
    """Hands everything that torch is asked for to a follower."""

    def __init__(self, follower: Follower) -> None:
        super().__init__()
        self.follower = follower

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        return self.follower.op(func, args, kwargs or {})


def _memory(value: torch.Tensor) -> int:
    try:
        return value.data_ptr()
    except RuntimeError:  # of a tensor without memory
        return 0

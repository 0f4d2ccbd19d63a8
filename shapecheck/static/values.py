"""What an expression can be: numbers, floats, sequences, layers, functions, and the unknown.

Tensors are shapes.trace.Tensor. Everything is immutable but Seq, Table and Instance, which are Python's own lists,
dicts and objects: code changes them in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from shapecheck.shapes.dim import Dim, Kind, Symbol
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Row
from shapecheck.shapes.trace import Tensor

if TYPE_CHECKING:
    import libcst as cst

    from shapecheck.static.project import File
    from shapecheck.static.scope import Scope
    from shapecheck.static.syntax import NodePlace, Slice


@dataclass(frozen=True, slots=True)
class Const:
    """None, a bool, a str, `...`: anything written down that is no number."""

    value: object


@dataclass(frozen=True, slots=True)
class Num:
    """A whole number; `place` is where it was written down, for one that was."""

    dim: Dim
    place: NodePlace | None = field(compare=False, default=None)


@dataclass(frozen=True, slots=True)
class Real:
    """A float: a coefficient times sizes to powers; `head_dim ** -0.5`."""

    scale: Scale


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that nothing is known of but where it came from.

    It becomes a number or a tensor by being used as one. `default` is what a parameter is when it isn't given (MISSING
    where it must be); `tensor` is set where an unknown op was given tensors, so that the trace stays one graph.
    """

    key: object
    name: str
    kind: Kind = Kind.OPAQUE
    default: object = None
    optional: bool = False  # may be None
    flag: bool = False  # is a bool
    tensor: Tensor | None = None

    @property
    def symbol(self) -> Symbol:
        return Symbol(self.name, self.kind, self.key)

    @property
    def row(self) -> Row:
        return Row(("row", self.key), self.name, given=self.kind is Kind.INPUT and self.tensor is None)


@dataclass(frozen=True, slots=True)
class Many:
    """Inside a Seq: `count` elements that are all like `element`."""

    element: Value
    count: Dim | None


@dataclass(eq=False, slots=True)
class Seq:
    """A list or a tuple. Items may be a Row (from x.shape, its length unknown) or Many."""

    items: list[Any]
    is_list: bool = False
    unsure: bool = False  # changed in a way that wasn't followed
    fields: tuple[str, ...] = ()  # the names of a named tuple's or an output object's items

    @property
    def plain(self) -> bool:
        """Whether every item stands for itself."""
        return not self.unsure and not any(isinstance(item, (Row, Many)) for item in self.items)


@dataclass(eq=False, slots=True)
class Table:
    """A dict; `open` where it has keys that are not known."""

    items: dict[object, Value]
    open: bool = False
    key: object = None


@dataclass(frozen=True, slots=True)
class Cond:
    """A condition that isn't decided yet: kept whole, so that what it teaches is known once it is."""

    op: str  # == != < <= > >= none truth not and or opaque
    operands: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class External:
    """A name from outside the project: `torch.nn.Linear`."""

    path: str

    @property
    def last(self) -> str:
        return self.path.rsplit(".", 1)[-1]


@dataclass(frozen=True, slots=True, eq=False)
class Class:
    """A class of the project."""

    name: str
    node: cst.ClassDef
    slice: Slice
    scope: Scope
    file: File


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function, method or lambda of the project, with the scope that it closes over."""

    name: str
    node: cst.FunctionDef | cst.Lambda
    slice: Slice
    scope: Scope
    owner: Class | None = None  # the class whose body it stands in
    bound: Value | None = None  # self


@dataclass(frozen=True, slots=True)
class Method:
    """A method of something that isn't an object of the project: `x.view`."""

    owner: Any
    name: str


@dataclass(frozen=True, slots=True)
class Partial:
    function: Any
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Super:
    of: Class
    bound: Any


@dataclass(eq=False, slots=True)
class Instance:
    """An object of a class of the project."""

    of: Class
    key: object
    attributes: dict[str, Any] = field(default_factory=dict)
    open: bool = False  # has attributes that nobody set: a config object passed in
    kind: Kind = Kind.CONFIG  # of the attributes of an open one


@dataclass(eq=False, slots=True)
class Layer:
    """A layer of torch.nn, with the arguments that it was built with."""

    type: str  # Linear, Conv2d, LayerNorm, ModuleList, …
    arguments: dict[str, Any]
    key: object
    place: NodePlace
    name: str = ""
    children: Seq | None = None  # of Sequential, ModuleList
    table: Table | None = None  # of ModuleDict
    built_in: str = ""  # the method that built it: only what __init__ builds is trained


Value = (
    Tensor
    | Const
    | Num
    | Real
    | Unknown
    | Seq
    | Table
    | Cond
    | External
    | Class
    | Function
    | Method
    | Partial
    | Super
    | Instance
    | Layer
)
NONE, TRUE, FALSE = Const(None), Const(True), Const(False)
MISSING = object()


def number(value: Value) -> Dim | None:
    """The size that a value is when it is used as a whole number; None where it can't be one."""
    match value:
        case Num(dim):
            return dim
        case Unknown(tensor=None):
            return Dim.of(value.symbol)
        case Const(bool(truth)):
            return Dim.of(int(truth))
        case Real(scale) if scale.known and not scale.learnt and not scale.powers and scale.coefficient.is_integer():
            return Dim.of(int(scale.coefficient))
        case Real(scale) if scale.known and not scale.learnt and scale.coefficient == 1.0 and len(scale.powers) == 1:
            ((dim, power),) = scale.powers
            return dim if power == 1 else None
    return None


def real(value: Value) -> Scale:
    """The scale that a value is when something is multiplied by it."""
    match value:
        case Real(scale):
            return scale
        case Num(dim):
            return scale_of(dim)
        case Unknown(kind=Kind.OPAQUE):
            return Scale(known=False)
        case Unknown():
            return Scale(learnt=True)
        case Const(bool(truth)):
            return Scale(coefficient=float(truth))
    return Scale(known=False)


def scale_of(dim: Dim) -> Scale:
    if dim.value is not None:
        return Scale(coefficient=float(dim.value))
    return Scale(powers=((dim, Fraction(1)),))


def iterate(value: Seq) -> Iterator[Value]:
    """The items, one for each Many."""
    for item in value.items:
        yield item.element if isinstance(item, Many) else item


Op = Callable[..., Value]

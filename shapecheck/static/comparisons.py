"""Comparisons of values: whether they hold on this path, which way they go by default, how they read."""

from __future__ import annotations

from typing import Any

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.making import BOOL
from shapecheck.static.ops.making import dtype_named
from shapecheck.static.run import Run
from shapecheck.static.values import MISSING, Cond, Const, External, Num, Real, Seq, Table, Unknown, Value, number

# Flags that no reader of shapes should follow: they change what is logged, stored or compiled, not what is computed.
NEVER_FOLLOWED = {
    "training", "gradient_checkpointing", "is_scripting", "is_tracing", "is_compiling", "is_grad_enabled",
    "output_attentions", "_torch_npu_available", "_torch_xla_available", "is_in_onnx_export", "requires_grad", "is_cuda", "is_autocast_enabled", "verbose", "debug",
}  # fmt: skip


def constant_of(value: Any) -> object:
    """What a value is in plain Python; MISSING where it isn't known."""
    match value:
        case Const(constant):
            return constant
        case Num(dim) if dim.value is not None:
            return dim.value
    return MISSING


def equal(run: Run, left: Any, right: Any) -> bool | None:
    """Whether two values are the same, where that is known or was decided."""
    if isinstance(left, Const) and isinstance(right, Const):
        return bool(left.value == right.value)
    if isinstance(left, External | Unknown) and isinstance(right, External | Unknown):
        kinds = {dtype_named(left), dtype_named(right)}
        if BOOL in kinds and None not in kinds:  # a bool is no float, and a float may be any of them
            return len(kinds) == 1
    a, b = number(left), number(right)
    if isinstance(left, Const | Seq | Table) or isinstance(right, Const | Seq | Table) or a is None or b is None:
        return _decided_equal(run, left, right)
    x, y = run.facts.resolve(a), run.facts.resolve(b)
    if x == y:
        return True
    for one, other in ((x, y), (y, x)):
        function = one.function
        if (
            function is not None
            and function.name == "%"
            and other.value == 0
            and not run.facts.owes(*function.arguments)
        ):
            return True
    difference = (x - y).value
    if difference is not None:
        return False
    if run.facts.ratio(x, y) is not None and not _mentions_division(x) and not _mentions_division(y):
        return None if 1 in (x.value, y.value) else False
    return run.decided(equality(left, right))


def _decided_equal(run: Run, left: Any, right: Any) -> bool | None:
    """What the path decided before: a value that is one string is no other."""
    for one, other in ((left, right), (right, left)):  # `self.training is True`
        if isinstance(one, Unknown) and one.name in NEVER_FOLLOWED and isinstance(other, Const):
            return other.value is False
    decided = run.decided(equality(left, right))
    if decided is not None:
        return decided
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Unknown) and isinstance(other, Const) and one.key in run.equal_to:
            return bool(run.equal_to[one.key] == other.value)
    return None


def _mentions_division(dim: Dim) -> bool:
    return any(Dim.of(atom).function is not None for atom in dim.atoms())


def equality(left: Any, right: Any) -> tuple[object, ...]:
    """What a path decides by whether two values are the same: one key, whichever stands first."""
    return ("==", *sorted((_identity(left), _identity(right)), key=repr))


def _identity(value: Any) -> object:
    match value:
        case Const(constant):
            return ("const", repr(constant))
        case Num(dim):
            return ("num", str(dim))
        case Unknown(key=key):
            return ("key", str(key))
        case External(path):
            return ("external", path)
    return ("object", type(value).__name__)


def ordered(run: Run, op: str, left: Any, right: Any) -> bool | None:
    """Whether `left op right`, where that is known."""
    a, b = number(left), number(right)
    if a is None or b is None or not isinstance(left, Num | Unknown) or not isinstance(right, Num | Unknown | Const):
        return None
    difference = (run.facts.resolve(a) - run.facts.resolve(b)).value
    if difference is None:
        if b.value == 0 and run.facts.resolve(a).function is None and isinstance(left, Num):
            return op in (">", ">=")  # sizes are positive
        return None
    return {"<": difference < 0, "<=": difference <= 0, ">": difference > 0, ">=": difference >= 0}[op]


def default_equal(left: Any, right: Any) -> bool:
    """Whether two values are the same if a parameter has its default."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Unknown) and isinstance(other, Const | Num):
            return bool(one.default == constant_of(other))
    return False


def default_order(cond: Value) -> bool:
    """Which way `a > b` goes for a parameter's default."""
    match cond:
        case Cond("<" | "<=" | ">" | ">=" as op, (left, right)):
            a, b = _default_number(left), _default_number(right)
            if a is not None and b is not None:
                return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]
    return False


def _default_number(value: Any) -> float | None:
    match value:
        case Num(dim):
            return dim.value
        case Unknown(default=int() | float() as default):
            return default
        case Real(scale) if scale.known and not scale.learnt and not scale.powers:
            return scale.coefficient
    return None


def word(value: Any) -> str:
    """A value as the text of a decision has it."""
    match value:
        case Const(constant):
            return repr(constant)
        case Num(dim):
            return str(dim)
        case Unknown(name=name):
            return name
        case External(path):
            return path
    return "…"


def told(cond: Cond) -> str:
    """A comparison as the text of a decision has it."""
    return f" {cond.op} ".join(word(operand) for operand in cond.operands)

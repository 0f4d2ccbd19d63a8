"""Conditions: what is known of them, which way a path takes them, and what they teach."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import libcst as cst

from shapecheck.shapes.dim import Kind
from shapecheck.shapes.trace import Tensor
from shapecheck.static import comparisons
from shapecheck.static.learning import learn
from shapecheck.static.ops.making import dtype_named
from shapecheck.static.run import Fork, Run
from shapecheck.static.values import (
    FALSE,
    MISSING,
    TRUE,
    Class,
    Cond,
    Const,
    External,
    Function,
    Instance,
    Layer,
    Method,
    Num,
    Partial,
    Real,
    Seq,
    Table,
    Unknown,
    Value,
    number,
)  # fmt: skip


def truth(run: Run, value: Value, node: cst.CSTNode) -> Value:
    """A value in the place of a condition."""
    match value:
        case Cond() | Const() | Num() | Unknown():
            return value
        case Seq(items=items) if not value.unsure:
            return TRUE if items else FALSE
        case Table(items=items, open=False):
            return TRUE if items else FALSE
        case Instance() | Layer() | Function() | Class() | Method() | Partial() | External():
            return TRUE
        case Tensor():
            return Cond("opaque", (run.key(node),))
    return Cond("opaque", (run.key(node),))


def compare(run: Run, operator: cst.BaseCompOp, left: Value, right: Value, node: cst.CSTNode) -> Value:
    """`left operator right` for anything but tensors."""
    match operator:
        case cst.Is() | cst.IsNot():
            if isinstance(right, Const):
                result = _is_none(left) if right.value is None else _same(run, left, right, node)
                return _negated(result) if isinstance(operator, cst.IsNot) else result
            if dtype_named(right) is not None:  # `mask.dtype is torch.bool`
                return Cond("!=" if isinstance(operator, cst.IsNot) else "==", (left, right))
            return Cond("opaque", (run.key(node),))
        case cst.In() | cst.NotIn():
            result = _inside(run, left, right, node)
            return _negated(result) if isinstance(operator, cst.NotIn) else result
    symbol = {
        cst.Equal: "==", cst.NotEqual: "!=", cst.LessThan: "<", cst.LessThanEqual: "<=", cst.GreaterThan: ">",
        cst.GreaterThanEqual: ">=",
    }.get(type(operator))  # fmt: skip
    if symbol is None:
        return Cond("opaque", (run.key(node),))
    return Cond(symbol, (left, right))


def _negated(value: Value) -> Value:
    match value:
        case Const(bool(answer)):
            return FALSE if answer else TRUE
        case Cond("not", (inner,)):
            return inner  # type: ignore[no-any-return]
    return Cond("not", (value,))


def _is_none(value: Value) -> Value:
    if isinstance(value, Const):
        return TRUE if value.value is None else FALSE
    if isinstance(value, Unknown) and value.tensor is None:
        return Cond("none", (value,))
    return FALSE


def _same(run: Run, left: Value, right: Const, node: cst.CSTNode) -> Value:
    if isinstance(left, Const):
        return TRUE if left.value is right.value else FALSE
    return Cond("==", (left, right)) if isinstance(left, Unknown) else Cond("opaque", (run.key(node),))


def _inside(run: Run, left: Value, right: Value, node: cst.CSTNode) -> Value:
    constant = left.value if isinstance(left, Const) else number(left).value if isinstance(left, Num) else None  # type: ignore[union-attr]
    if isinstance(right, Table) and constant is not None and not right.open:
        return TRUE if constant in right.items else FALSE
    if isinstance(right, Seq) and right.plain and constant is not None:
        values = [comparisons.constant_of(one) for one in right.items]
        if constant in [one for one in values if one is not MISSING]:
            return TRUE
        if MISSING not in values:
            return FALSE
    if isinstance(left, Unknown) and isinstance(right, Seq) and right.plain:
        default = left.default
        told = [comparisons.constant_of(one) for one in right.items]
        return Cond("in", (left, tuple(one for one in told if one is not MISSING), default in told))
    return Cond("opaque", (run.key(node),))


def known(run: Run, cond: Value) -> bool | None:
    """The answer, where the path knows it by now."""
    match cond:
        case Const(value):
            return bool(value)
        case Num(dim):
            value = run.facts.resolve(dim).value
            if value is not None:
                return bool(value)
            if (function := dim.function) is not None and function.name == "%":
                return False if not run.facts.owes(*function.arguments) else None
            return None if function is not None and function.name != "//" else True  # a size, divided or not, isn't 0
        case Real():
            return True
        case Unknown():
            return _known_truth(run, cond)
        case Cond("not", (inner,)):
            answer = known(run, inner)
            return None if answer is None else not answer
        case Cond("and" | "or" as op, operands):
            answers = _asked(run, operands, lambda operand: known(run, operand), ends=op == "or")
            return op == "or" if (op == "or") in answers else None if None in answers else op == "and"
        case Cond("none", (value,)):
            if not value.optional:
                return False
            return run.decided(("none", value.key))
        case Cond("==" | "!=" as op, (left, right)):
            same = comparisons.equal(run, left, right)
            return None if same is None else same is (op == "==")
        case Cond("<" | "<=" | ">" | ">=" as op, (left, right)):
            return comparisons.ordered(run, op, left, right)
    return None


def _known_truth(run: Run, value: Unknown) -> bool | None:
    if value.name in comparisons.NEVER_FOLLOWED:
        return False
    if value.optional and run.decided(("none", value.key)) is True:
        return False
    if value.optional and run.decided(("none", value.key)) is False and not value.flag:
        return True
    if value.tensor is None and not value.optional and not value.flag and value.kind in (Kind.CONSTRUCTOR, Kind.INPUT):
        return (
            True
            if value.kind is Kind.INPUT or isinstance(value.default, int | float) or value.default is MISSING
            else None
        )
    return run.decided(("truth", value.key))


def test(run: Run, value: Value, node: cst.CSTNode) -> bool:
    """Take a condition one way: as known, or as this path decides. Learns what follows."""
    cond = truth(run, value, node)
    answer = known(run, cond)
    if answer is None:
        answer = _choose(run, cond, node)
    learn(run, cond, answer)
    return answer


def _choose(run: Run, cond: Value, node: cst.CSTNode) -> bool:
    match cond:
        case Cond("not", (inner,)):
            return not _choose_known(run, inner, node)
        case Cond("and" | "or" as op, operands):
            answers = _asked(
                run, operands, lambda operand: _choose_known(run, operand, node), ends=op == "or", lazy=True
            )
            return answers[-1] is True
        case Cond("none", (value,)):
            key = ("none", value.key)
            answer = run.decide(key, value.default is None, f"{value.name} is None")
            if value.kind in (Kind.CONSTRUCTOR, Kind.CONFIG):  # with it or without it, sizes are other ones
                run.forks.append(Fork((key, not answer), frozenset((key,))))
            return answer
        case Unknown():
            return _choose_flag(run, cond)
        case Cond("in", (value, told, default)):
            return run.decide(("in", value.key, str(told)), bool(default), f"{value.name} in {told}")
        case Cond("==" | "!=" as op, (left, right)):
            default = comparisons.default_equal(left, right)
            same = run.decide(
                comparisons.equality(left, right), default, f"{comparisons.word(left)} == {comparisons.word(right)}"
            )
            for one, other in ((left, right), (right, left)):
                if isinstance(one, Unknown) and isinstance(other, Const):
                    run.by_flag |= one.kind is Kind.INPUT
                if same and isinstance(one, Unknown) and isinstance(other, Const):
                    run.equal_to[one.key] = other.value
            learn(run, Cond("==", (left, right)), same)
            return same is (op == "==")
        case Num(dim):
            return not run.decide(("zero", str(dim)), False, f"{dim} == 0")
    code = run.place(node).code if not isinstance(cond, Cond) or cond.op == "opaque" else comparisons.told(cond)
    if any(name in code for name in comparisons.NEVER_FOLLOWED):
        return False
    key = ("cond", id(node)) if not isinstance(cond, Cond) or cond.op == "opaque" else ("cond", code)
    return run.decide(key, comparisons.default_order(cond), code)


def _asked(
    run: Run, operands: Sequence[Value], ask: Callable[[Value], bool | None], *, ends: bool, lazy: bool = False
) -> list[bool | None]:
    """The answers of an `and`, which a False `ends`, or an `or`, up to that answer if `lazy`.

    Where it is given, only those who gave it are blamed: the path would go the same way if another operand were otherwise.
    """
    start, answers, asked = len(run.asked), list[bool | None](), list[list[object]]()
    for operand in operands:
        since = len(run.asked)
        answers.append(ask(operand))
        asked.append(run.asked[since:])
        if lazy and answers[-1] is ends:
            break
    if ends in answers:
        run.asked[start:] = [key for answer, keys in zip(answers, asked, strict=True) if answer is ends for key in keys]
    return answers


def _choose_known(run: Run, cond: Value, node: cst.CSTNode) -> bool:
    answer = known(run, cond)
    return _choose(run, cond, node) if answer is None else answer


def _choose_flag(run: Run, value: Unknown) -> bool:
    """A flag goes as its default; an optional value is there or isn't; the rest of the unknown is taken to be true."""
    if value.optional and not value.flag:
        return not run.decide(("none", value.key), value.default is None, f"{value.name} is None")
    run.by_flag |= value.flag and value.kind is Kind.INPUT
    default = bool(value.default) if value.default not in (MISSING, None) else value.kind is not Kind.INPUT
    return run.decide(("truth", value.key), default, value.name)

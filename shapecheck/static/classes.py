"""Classes: what they derive from, and what a name is in their bodies."""

from __future__ import annotations

from typing import Any

import libcst as cst

from shapecheck.static.registries import shared_table
from shapecheck.static.run import Run
from shapecheck.static.syntax import Slice
from shapecheck.static.values import Class, External, Function, Value


def lineage(run: Run, of: Class) -> list[Class]:
    """The class and its bases of the project, in the order in which names are looked up."""
    return _ancestry(run, of)[0]


def external_bases(run: Run, of: Class) -> frozenset[str]:
    """The bases from outside the project, of the class and of those it derives from."""
    return _ancestry(run, of)[1]


def _ancestry(run: Run, of: Class) -> tuple[list[Class], frozenset[str]]:
    known: dict[object, Any] = run.once if of.scope.names else of.file.remembered  # a local class may have local bases
    key = ("ancestry", id(of.node))
    if key in known:
        return known[key]  # type: ignore[no-any-return]
    decided = len(run.asked)
    known[key] = ([of], frozenset())  # a class that derives from itself
    order, outside = [of], set[str]()
    for base in base_values(run, of):
        if isinstance(base, Class) and base not in order:
            inner, more = _ancestry(run, base)
            order += [one for one in inner if one not in order]
            outside |= more
        elif isinstance(base, External):
            outside.add(base.path)
    found = (order, frozenset(outside))
    if len(run.asked) > decided:  # on this path
        del known[key]
        known = run.once
    known[key] = found
    return found


def base_values(run: Run, of: Class) -> list[Value]:
    """What the bases of a class evaluate to."""
    from shapecheck.static.expressions import evaluate

    return [
        evaluate(run, base.value, of.scope)
        for base in of.node.bases
        if isinstance(base.value, cst.Name | cst.Attribute)
    ]


_NO_MODULES = ("builtins.", "enum.", "abc.", "typing.", "dataclasses.", "torch.autograd", "torch.utils.data", "keras", "tensorflow",
               "flax", "jax", "mxnet", "mlx", "paddle", "tf.", "unittest")  # fmt: skip


def is_module(run: Run, of: Class) -> bool:
    """Whether instances are layers: an nn.Module, or something derived from what can't be read but has a forward."""
    bases = external_bases(run, of)
    if any(base.startswith(("torch.nn.", "torch.jit.")) for base in bases):
        return True
    outside = [base for base in bases if not base.startswith(_NO_MODULES)]
    return bool(outside) and find_in_class(run, of, "forward") is not None


def find_in_class(run: Run, of: Class, name: str) -> Value | None:
    """A method or an attribute of a class or of its bases."""
    for one in lineage(run, of):
        found = own(run, one, name)
        if found is not None:
            return found
    return None


def own(run: Run, of: Class, name: str) -> Value | None:
    """What the body of a class gives a name, its bases apart."""
    from shapecheck.static.expressions import evaluate

    body = class_body(run, of).get(name)
    if body is None:
        return None
    if isinstance(body, Slice):
        return Function(name, body.method, body, of.scope, of)
    if isinstance(body, cst.FunctionDef):
        return Function(name, body, of.slice, of.scope, of)
    if isinstance(body, cst.ClassDef):
        return Class(name, body, of.slice, of.scope, of.file)
    if isinstance(body, cst.Dict):
        return shared_table(run, of, name, body)
    return evaluate(run, body, of.scope)


def class_body(run: Run, of: Class) -> dict[str, Any]:
    """name → the method, class or value that the body of a class gives it."""
    known = of.file.remembered
    found: dict[str, Any] | None = known.get(id(of.node))
    if found is not None:
        return found
    found = dict(of.slice.methods_of(of.node))
    statements = of.node.body.body if isinstance(of.node.body, cst.IndentedBlock) else ()
    for statement in statements:
        if isinstance(statement, cst.FunctionDef | cst.ClassDef):
            if not (isinstance(statement, cst.FunctionDef) and _is_overload(statement)):
                found[statement.name.value] = statement
        elif isinstance(statement, cst.SimpleStatementLine):
            for small in statement.body:
                if isinstance(small, cst.Assign) and isinstance(small.targets[0].target, cst.Name):
                    found[small.targets[0].target.value] = small.value
                elif (
                    isinstance(small, cst.AnnAssign) and isinstance(small.target, cst.Name) and small.value is not None
                ):
                    found[small.target.value] = small.value
    known[id(of.node)] = found
    return found


def _is_overload(node: cst.FunctionDef) -> bool:
    return any(
        isinstance(decorator.decorator, cst.Attribute) and decorator.decorator.attr.value in ("setter", "deleter")
        for decorator in node.decorators
    )


def decorators(function: Function) -> set[str]:
    """The last words of a function's decorators."""
    found = set()
    if isinstance(function.node, cst.FunctionDef):
        for decorator in function.node.decorators:
            expression = decorator.decorator
            expression = expression.func if isinstance(expression, cst.Call) else expression
            if isinstance(expression, cst.Attribute):
                found.add(expression.attr.value)
            elif isinstance(expression, cst.Name):
                found.add(expression.value)
    return found

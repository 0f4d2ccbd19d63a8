"""A function → its code with every assignment of a tensor recorded; the function itself isn't touched.

The code is compiled anew from the source, inside a class and a function of the same names, so that `super()`, `__x` and
the cells of closures mean what they meant; lines are the original ones. The tap that it reports to is a constant of it:
globals, locals and cells stay as they were, and the code fits any function that the original fits.
"""

from __future__ import annotations

import ast
import copy
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shapecheck.runtime.definition import FunctionNode, NoSource, compiled, definition, text_of
from shapecheck.runtime.recording import Site

TAP = "\0the tap of shapecheck"


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Code that reports to the tap that `with_tap` puts in, and the places that it reports."""

    code: types.CodeType
    sites: tuple[Site, ...]

    def with_tap(self, tap: object) -> types.CodeType:
        return _replaced(self.code, tap)


def rewritten(function: types.FunctionType) -> Rewritten:
    """The recording code of a function; raises NoSource."""
    original = function.__code__
    node, owner = definition(original)
    text = text_of(original.co_filename)
    assert text is not None
    rewriter = _Rewriter(text, Path(original.co_filename), original.co_name)
    node = rewriter.function(copy.deepcopy(node))
    code = compiled(node, owner, original)
    if code.co_freevars != original.co_freevars or code.co_varnames[: _arguments(code)] != _parameters(original):
        raise NoSource(f"the source of `{original.co_name}` isn't what was compiled")
    return Rewritten(code, tuple(rewriter.sites))


def _arguments(code: types.CodeType) -> int:
    return code.co_argcount + code.co_kwonlyargcount


def _parameters(code: types.CodeType) -> tuple[str, ...]:
    return code.co_varnames[: _arguments(code)]


def _replaced(code: types.CodeType, tap: object) -> types.CodeType:
    def new(one: object) -> object:
        if isinstance(one, types.CodeType):
            return _replaced(one, tap)
        return tap if isinstance(one, str) and one == TAP else one

    constants = tuple(map(new, code.co_consts))
    return code.replace(co_consts=constants)


# -- rewriting -----------------------------------------------------------------------------------------------------------
class _Rewriter(ast.NodeTransformer):
    """Calls of the tap after assignments, at the starts of blocks, and around what is returned."""

    def __init__(self, text: str, path: Path, function: str) -> None:
        self.lines = text.split("\n")
        self.path = path
        self.names = [function]
        self.sites: list[Site] = []

    # -- sites
    def _site(self, kind: str, name: str, node: ast.AST, code: ast.AST | None, end: ast.AST | None = None) -> int:
        row, column = self._start(node)
        end_row, end_column = self._end(end or node)
        shown = self._code(code) if code is not None else ""
        site = Site(kind, name, self.path, row, column, shown, self.names[-1], end_row, end_column)
        self.sites.append(site)
        return len(self.sites) - 1

    def _start(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, ast.stmt | ast.expr | ast.arg)
        return node.lineno, self._column(node.lineno, node.col_offset)

    def _end(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, ast.stmt | ast.expr | ast.arg)
        assert node.end_lineno is not None and node.end_col_offset is not None
        return node.end_lineno, self._column(node.end_lineno, node.end_col_offset)

    def _column(self, row: int, offset: int) -> int:
        line = self.lines[row - 1] if row <= len(self.lines) else ""
        return len(line.encode("utf-8")[:offset].decode("utf-8", "replace")) + 1

    def _code(self, node: ast.AST) -> str:
        assert isinstance(node, ast.stmt | ast.expr | ast.arg)
        assert node.end_lineno is not None and node.end_col_offset is not None
        stretch = [line.encode("utf-8") for line in self.lines[node.lineno - 1 : node.end_lineno]]
        stretch[-1] = stretch[-1][: node.end_col_offset]
        stretch[0] = stretch[0][node.col_offset :]
        return " ".join(line.decode("utf-8", "replace").strip() for line in stretch)

    # -- calls
    def _tapped(self, method: str, site: int, value: ast.expr | None, near: ast.AST) -> ast.expr:
        arguments: list[ast.expr] = [ast.Constant(site), *([value] if value is not None else [])]
        call = ast.Call(ast.Attribute(ast.Constant(TAP), method, ast.Load()), arguments, [])
        return _located(call, near)  # type: ignore[no-any-return]

    def _statement(self, method: str, site: int, value: ast.expr | None, near: ast.AST) -> ast.stmt:
        return _located(ast.Expr(self._tapped(method, site, value, near)), near)  # type: ignore[no-any-return]

    def _after(self, targets: Sequence[ast.expr], value: ast.AST | None, near: ast.AST) -> list[ast.stmt]:
        """What records the names that targets bind."""
        return [
            self._statement("bind", self._site("assign", name.id, name, value), ast.Name(name.id, ast.Load()), near)
            for target in targets
            for name in _names(target)
        ]

    def _block(self, body: list[ast.stmt], first: Sequence[ast.stmt] = ()) -> list[ast.stmt]:
        """A block whose stretches report that they are reached: a new one begins where an earlier one may have left."""
        done: list[ast.stmt] = []
        for stretch in _stretches(body):
            site = self._site("block", "", stretch[0], None, stretch[-1])
            done += [self._statement("reach", site, None, stretch[0]), *first]
            first = ()
            for statement in stretch:
                new = self.visit(statement)
                done += new if isinstance(new, list) else [new]
        return done

    # -- functions
    def function(self, node: FunctionNode) -> FunctionNode:
        arguments = node.args
        plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        near = node.body[0]
        given = [
            self._statement("bind", self._site("argument", one.arg, one, one), ast.Name(one.arg, ast.Load()), near)
            for one in plain
        ]
        docstring = [node.body[0]] if ast.get_docstring(node, clean=False) is not None and len(node.body) > 1 else []
        node.body = [*docstring, *self._block(node.body[len(docstring) :], given)]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> FunctionNode:
        self.names.append(node.name)
        done = self.function(node)
        self.names.pop()
        return done

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> FunctionNode:
        self.names.append(node.name)
        done = self.function(node)
        self.names.pop()
        return done

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return node  # its body is no code of the call

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        return node

    def visit_Return(self, node: ast.Return) -> ast.Return:
        if node.value is not None:
            site = self._site("return", "return", node, node.value)
            node.value = self._tapped("give", site, self.visit(node.value), node.value)
        return node

    # -- assignments
    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        after = self._after(node.targets, node.value, node)
        self.generic_visit(node)
        return [node, *after]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> list[ast.stmt]:
        after = self._after([node.target], node.value, node) if node.value is not None else []
        if after:
            self.sites[-1] = replace(self.sites[-1], annotation=ast.unparse(node.annotation))
        if node.value is not None:
            node.value = self.visit(node.value)
        return [node, *after]

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        after = self._after([node.target], node, node)
        node.value = self.visit(node.value)
        return [node, *after]

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.NamedExpr:
        site = self._site("assign", node.target.id, node.target, node.value)
        node.value = self._tapped("bind", site, self.visit(node.value), node.value)
        return node

    # -- blocks
    def visit_If(self, node: ast.If) -> ast.If:
        node.test = self.visit(node.test)
        node.body = self._block(node.body)
        if node.orelse:
            node.orelse = self._block(node.orelse)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.IfExp:
        node.test = self.visit(node.test)
        node.body, node.orelse = self._arm(node.body), self._arm(node.orelse)
        return node

    def _arm(self, node: ast.expr) -> ast.expr:
        site = self._site("block", "", node, None)
        return self._tapped("arm", site, self.visit(node), node)

    def _loop(self, node: Any, first: Sequence[ast.stmt] = ()) -> Any:
        node.body = self._block(node.body, first)
        if node.orelse:
            node.orelse = self._block(node.orelse)
        return node

    def visit_While(self, node: ast.While) -> Any:
        node.test = self.visit(node.test)
        return self._loop(node)

    def visit_For(self, node: ast.For) -> Any:
        first = self._after([node.target], node.iter, node.body[0])
        node.iter = self.visit(node.iter)
        return self._loop(node, first)

    def visit_With(self, node: ast.With) -> Any:
        bound = [item for item in node.items if item.optional_vars is not None]
        first = [
            one
            for item in bound
            if item.optional_vars is not None
            for one in self._after([item.optional_vars], item.context_expr, node.body[0])
        ]
        node.body = self._block(node.body, first)
        return node

    def visit_Try(self, node: Any) -> Any:
        node.body = self._block(node.body)
        for handler in node.handlers:
            handler.body = self._block(handler.body)
        for part in ("orelse", "finalbody"):
            if getattr(node, part):
                setattr(node, part, self._block(getattr(node, part)))
        return node

    visit_TryStar = visit_Try  # noqa: N815 (the name of the node)

    def visit_match_case(self, node: ast.match_case) -> ast.match_case:
        node.body = self._block(node.body)
        return node


def _stretches(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """The parts of a block that run as a whole, but for what raises."""
    stretch: list[ast.stmt] = []
    for statement in body:
        stretch.append(statement)
        if any(isinstance(inside, ast.Return | ast.Break | ast.Continue) for inside in ast.walk(statement)):
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _names(target: ast.expr) -> Iterator[ast.Name]:
    match target:
        case ast.Name():
            yield target
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from _names(element)
        case ast.Starred(value=value):
            yield from _names(value)


def _located(node: Any, near: ast.AST) -> Any:
    """The node and what is in it at the place of another one, so that no line moves."""
    for one in ast.walk(node):
        if isinstance(one, ast.expr | ast.stmt) and not hasattr(one, "lineno"):
            ast.copy_location(one, near)
    return node

"""A code object → the definition that it was compiled from, and a changed definition → a code object in its place."""

from __future__ import annotations

import ast
import linecache
import types
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_FUTURE = 0x1FF0000  # the flags of `from __future__ import …` that a code object carries
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class NoSource(Exception):
    """The source of a function isn't at hand, or isn't what was compiled; says which."""


def text_of(filename: str) -> str | None:
    lines = linecache.getlines(filename)  # it knows notebooks' cells and doctests, too
    return "".join(lines) or None


@lru_cache(maxsize=8)
def _tree(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def definition(code: types.CodeType) -> tuple[FunctionNode, str | None]:
    """The definition that a code object was compiled from, and the class that it stands in."""
    text = text_of(code.co_filename)
    if text is None:
        raise NoSource(f"the source of `{code.co_name}` isn't at hand")
    try:
        tree = _tree(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise NoSource(f"the source of `{code.co_name}` doesn't parse: {error}") from error
    for node, owner in _definitions(tree, None):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        if node.name == code.co_name and first == code.co_firstlineno:
            return node, owner
    raise NoSource(f"the source of `{code.co_name}` isn't what was compiled")


def _definitions(node: ast.AST, owner: str | None) -> Iterator[tuple[FunctionNode, str | None]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode):
            yield child, owner
            yield from _definitions(child, owner)
        elif isinstance(child, ast.ClassDef):
            yield from _definitions(child, child.name)
        elif not isinstance(child, ast.expr):
            yield from _definitions(child, owner)


# -- compiling ----------------------------------------------------------------------------------------------------------
def compiled(node: FunctionNode, owner: str | None, original: types.CodeType) -> types.CodeType:
    """The definition compiled where its free names are free names, `__class__` among them."""
    node.decorator_list = []
    free = [ast.arg(name, lineno=1, col_offset=0) for name in original.co_freevars]
    around: ast.stmt = _with_body(ast.parse("def around(): pass").body[0], node)
    assert isinstance(around, ast.FunctionDef)
    around.args.args = free
    if owner is not None:
        around = _with_body(ast.parse(f"class {owner}: pass").body[0], around)
    module = ast.fix_missing_locations(ast.Module([around], []))
    flags = original.co_flags & _FUTURE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            whole = compile(module, original.co_filename, "exec", flags=flags, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError) as error:
            raise NoSource(f"`{original.co_name}` can't be compiled by itself: {error}") from error
    found = _inside(whole, node.name, node.lineno)
    named: dict[str, Any] = {"co_firstlineno": original.co_firstlineno}
    if hasattr(original, "co_qualname"):  # Python 3.11
        named["co_qualname"] = original.co_qualname
    return found.replace(**named)


def _with_body(statement: ast.stmt, inner: ast.stmt) -> ast.FunctionDef | ast.ClassDef:
    assert isinstance(statement, ast.FunctionDef | ast.ClassDef)
    statement.body = [inner]
    return statement


def _inside(code: types.CodeType, name: str, row: int) -> types.CodeType:
    waiting = [code]
    while waiting:
        one = waiting.pop(0)
        if one.co_name == name and one.co_firstlineno == row and one is not code:
            return one
        waiting += [constant for constant in one.co_consts if isinstance(constant, types.CodeType)]
    raise NoSource(f"`{name}` can't be compiled by itself")


# -- exchanging ---------------------------------------------------------------------------------------------------------
def replacing(outer: Any, inner: types.FunctionType, tapped: types.CodeType, depth: int = 4) -> Any:
    """A copy of a decorated function that calls `inner` with other code; None where the decorator hides its function."""
    if outer is inner:
        return _copied(inner, tapped, inner.__closure__)
    if not isinstance(outer, types.FunctionType) or not depth:
        return None
    cells = []
    found = False
    for cell in outer.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:
            content = None
        other = None
        if isinstance(content, types.FunctionType) and (content is inner or content.__closure__):
            other = replacing(content, inner, tapped, depth - 1)
        found = found or other is not None
        cells.append(cell if other is None else types.CellType(other))
    return _copied(outer, outer.__code__, tuple(cells)) if found else None


def _copied(function: types.FunctionType, code: types.CodeType, cells: tuple[Any, ...] | None) -> types.FunctionType:
    made = types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__, cells)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__qualname__ = function.__qualname__
    made.__dict__.update({name: value for name, value in vars(function).items() if name != "__wrapped__"})
    return made

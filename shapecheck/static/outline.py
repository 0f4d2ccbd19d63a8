"""A text → its top-level statements and the methods of its classes, as stretches of lines.

CPython's parser cuts the text: it is ten times as fast as libcst's, which then parses only the stretches that are run.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from shapecheck.static.locate import attends

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Member:
    """A method of a class, decorators included: rows count from 1, the last one is its own."""

    name: str
    row: int
    end_row: int


@dataclass(frozen=True, eq=False)
class Block:
    """A statement at the top level, with the names that it may define: a class, a function, or anything else.

    `members` are the methods of a class that can be parsed by themselves, `skeleton` the rows that are left without them.
    """

    kind: str  # "class", "def" or "statement"
    names: tuple[str, ...]
    text: str
    row: int  # of its first line, from 1
    members: tuple[Member, ...] = ()
    skeleton: tuple[int, ...] = ()

    @property
    def name(self) -> str | None:
        """The name of a class or a function."""
        return self.names[0] if self.kind != "statement" else None

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of its text: names, and whatever comments and strings say."""
        return frozenset(_WORD.findall(self.text))

    @cached_property
    def mentions_attention(self) -> bool:
        """Whether its code, docstrings apart, calls a kernel of attention, or a softmax and a product."""
        return attends(self.text, is_function=self.kind == "def")


@dataclass(frozen=True)
class Outline:
    """The top level of one text: which block defines which name."""

    blocks: tuple[Block, ...]

    @cached_property
    def names(self) -> dict[str, list[Block]]:
        """name → the blocks that define it, in order. A teaching notebook defines one class several times."""
        found: dict[str, list[Block]] = {}
        for block in self.blocks:
            for name in block.names:
                found.setdefault(name, []).append(block)
        return found


def outlined(text: str) -> Outline:
    """The outline of a text. Raises what `ast.parse` raises: SyntaxError, ValueError, RecursionError, MemoryError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes such as "\d"
        tree = ast.parse(text)
    return Outline(tuple(_blocks(tree.body, text.split("\n"))))


def _blocks(body: list[ast.stmt], lines: list[str]) -> Iterator[Block]:
    """Statements that share a line (`a = 1; b = 2`) are one block."""
    group: list[ast.stmt] = []
    for statement in body:
        if group and _first_row(statement) > (group[-1].end_lineno or 0):
            yield _block(group, lines)
            group = []
        group.append(statement)
    if group:
        yield _block(group, lines)


def _block(group: list[ast.stmt], lines: list[str]) -> Block:
    first, row, end = group[0], _first_row(group[0]), group[-1].end_lineno or 0
    text = "\n".join(lines[row - 1 : end])
    if isinstance(first, ast.ClassDef):
        members = tuple(_members(first))
        return Block("class", (first.name,), text, row, members, _skeleton(first, row, members))
    if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef):
        return Block("def", (first.name,), text, row)
    return Block("statement", tuple(dict.fromkeys(_defined(group))), text, row)


def _first_row(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _members(of: ast.ClassDef) -> Iterator[Member]:
    """The methods that a name of the class means: its last definition, if nothing else gives the name a value."""
    last = {one.name: one for one in of.body if isinstance(one, ast.FunctionDef) and not _is_overload(one)}
    others = set(_defined([one for one in of.body if not isinstance(one, ast.FunctionDef)]))
    previous = 0
    for one in of.body:
        row, end = _first_row(one), one.end_lineno or 0
        if isinstance(one, ast.FunctionDef) and last.get(one.name) is one and one.name not in others:
            if row > previous and row > of.lineno:
                yield Member(one.name, row, end)
        previous = end


def _is_overload(node: ast.FunctionDef) -> bool:
    """Whether a definition adds to a property that is there."""
    return any(isinstance(one, ast.Attribute) and one.attr in ("setter", "deleter") for one in node.decorator_list)


def _skeleton(of: ast.ClassDef, row: int, members: tuple[Member, ...]) -> tuple[int, ...]:
    """The rows of a class without its methods: decorators, head and the other statements of its body."""
    own = {member.row for member in members}
    rows = list(range(row, min(_first_row(of.body[0]), (of.end_lineno or 0) + 1)))
    for one in of.body:
        if _first_row(one) not in own:
            rows += range(max(_first_row(one), rows[-1] + 1 if rows else 1), (one.end_lineno or 0) + 1)
    return tuple(rows)


def _defined(statements: list[ast.stmt]) -> Iterator[str]:
    """The names that statements may define, branches included."""
    for one in statements:
        match one:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                for alias in aliases:
                    yield alias.asname or alias.name.split(".")[0]
            case ast.Assign(targets=targets):
                for target in targets:
                    yield from _targets(target)
            case ast.AnnAssign(target=target):
                yield from _targets(target)
            case _:
                for part in ("body", "orelse", "finalbody"):
                    yield from _defined(getattr(one, part, []))
                for handler in getattr(one, "handlers", ()):
                    yield from _defined(handler.body)


def _targets(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Name(id=name):
            yield name
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from _targets(element)
        case ast.Starred(value=inner):
            yield from _targets(inner)

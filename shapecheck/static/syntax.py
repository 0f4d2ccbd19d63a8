"""A slice of a file → libcst tree, on demand; a node → its place. The only file that parses."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from shapecheck.rule import Span
from shapecheck.static.locate import Block, TooDeep, blocks, check_length


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Source that can't be parsed: where, and in what words."""

    span: Span
    message: str


@dataclass(frozen=True, eq=False)
class Slice:
    """A top-level statement, parsed when first asked for."""

    path: Path
    block: Block

    @cached_property
    def module(self) -> cst.Module:
        """Raises cst.ParserSyntaxError."""
        return cst.parse_module(self.block.text)

    @cached_property
    def statements(self) -> tuple[cst.BaseStatement | cst.SimpleStatementLine, ...]:
        return tuple(self.module.body)

    @cached_property
    def _positions(self) -> Mapping[cst.CSTNode, CodeRange]:
        # libcst's positions cost several times the parse: they are made for slices of which something is reported
        return MetadataWrapper(self.module, unsafe_skip_copy=True).resolve(PositionProvider)

    @cached_property
    def _codes(self) -> dict[int, str]:
        return {}

    def code(self, node: cst.CSTNode) -> str:
        """The text of a node."""
        if id(node) not in self._codes:
            self._codes[id(node)] = self.module.code_for_node(node).strip()
        return self._codes[id(node)]

    def span(self, node: cst.CSTNode) -> Span:
        where = self._positions[node]
        above = self.block.row - 1
        return Span(where.start.line + above, where.start.column + 1, where.end.line + above, where.end.column + 1)


@dataclass(frozen=True, slots=True, eq=False)
class NodePlace:
    """A node of a slice as a Place: the span is looked up only when a finding needs it."""

    slice: Slice
    node: cst.CSTNode
    frame: str = ""  # the class or function in whose body it stands

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NodePlace) and self.node is other.node

    def __hash__(self) -> int:
        return id(self.node)

    @property
    def code(self) -> str:
        return self.slice.code(self.node)

    @property
    def span(self) -> Span:
        return self.slice.span(self.node)

    @property
    def path(self) -> Path:
        return self.slice.path


def problem(text: str) -> SyntaxProblem | None:
    """What keeps the whole text from being parsed; None where nothing does."""
    try:
        found = blocks(text)
    except TooDeep as error:
        return SyntaxProblem(Span(error.row, 1, error.row, 1), str(error))
    return problem_of(text, found)


def problem_of(text: str, found: list[Block]) -> SyntaxProblem | None:
    """The same for a text that has been cut into blocks.

    CPython's parser goes first, being five times as fast; what it refuses libcst may still take (a newer grammar).
    """
    try:
        for block in found:
            check_length(block)
    except TooDeep as error:
        return SyntaxProblem(Span(error.row, 1, error.row, 1), str(error))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return parse_problem(text)
    return None


def _words(error: cst.ParserSyntaxError) -> tuple[int, int, str]:
    """Where libcst stopped and what it wanted: `parser error: error at 2:4: expected one of …`."""
    found = re.search(r"error at (\d+):(\d+): (.*)", error.message, re.DOTALL)
    if found is None:
        return error.raw_line, error.raw_column + 1, error.message.strip().splitlines()[0]
    said = " ".join(found[3].split())
    return int(found[1]), int(found[2]) + 1, said if len(said) < 80 else said[:77] + "…"


def parse_problem(text: str) -> SyntaxProblem | None:
    """What libcst says against the text."""
    try:
        cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        row, column, said = _words(error)
        return SyntaxProblem(Span(row, column, row, column), said)
    except (RecursionError, UnicodeError, ValueError) as error:
        return SyntaxProblem(Span(1, 1, 1, 1), f"{type(error).__name__}: {error}")
    return None

"""A slice of a file → libcst tree, on demand; a node → its place. The only file that calls libcst's parser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from shapecheck.rule import Span
from shapecheck.static.outline import Block, Member, Outline, outlined

DEEPEST = 180  # brackets within brackets; CPython stops at 200, and libcst's parser may crash beyond
LONGEST = 3000  # operators in one statement; the parser needs quadratic time for them


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Source that can't be parsed: where, and in what words."""

    span: Span
    message: str


_QUOTED = re.compile(r"\w\[\s*[\w.]+\s*,\s*[\"']")
_ALONE = "class _:"  # the head of a method that stands by itself


@lru_cache(500)
def _function(text: str) -> cst.Module:
    """A function or method: libraries copy them from file to file, and each text is parsed once."""
    return cst.parse_module(text)


@dataclass(frozen=True, eq=False)
class Slice:
    """A stretch of a file, parsed when first asked for: a top-level statement, a class without its methods, a method."""

    path: Path
    block: Block  # the top-level statement that it is, or is a part of
    text: str
    rows: Sequence[int]  # the row in the file of each line of `text`

    @staticmethod
    def of(path: Path, block: Block) -> Slice:
        """A top-level statement; a class is left without its methods."""
        if not block.members:
            return Slice(path, block, block.text, range(block.row, block.row + block.text.count("\n") + 1))
        lines = block.text.split("\n")
        text = [lines[row - block.row] for row in block.skeleton]
        return Slice(path, block, "\n".join([*text, "    pass"]), (*block.skeleton, block.skeleton[-1]))

    @cached_property
    def methods(self) -> Mapping[str, Slice]:
        """The methods that were left out, each in a class without a name."""
        lines = self.block.text.split("\n")
        found = {}
        for one in self.block.members:
            text = lines[one.row - self.block.row : one.end_row - self.block.row + 1]
            rows = (one.row, *range(one.row, one.end_row + 1))
            found[one.name] = Slice(self.path, self.block, "\n".join([_ALONE, *text]), rows)
        return found

    def methods_of(self, of: cst.ClassDef) -> Mapping[str, Slice]:
        """Those of a class of this slice: none for one inside another, which is parsed whole."""
        return self.methods if self.block.members and of is self.statements[0] else {}

    @cached_property
    def method(self) -> cst.FunctionDef:
        """The one method of a slice that is one."""
        (of,) = self.statements
        assert isinstance(of, cst.ClassDef)
        (method,) = of.body.body
        assert isinstance(method, cst.FunctionDef)
        return method

    @cached_property
    def module(self) -> cst.Module:
        """Raises cst.ParserSyntaxError."""
        is_function = self.block.kind == "def" or self.text.startswith(_ALONE)
        return _function(self.text) if is_function else cst.parse_module(self.text)

    @cached_property
    def statements(self) -> tuple[cst.BaseStatement | cst.SimpleStatementLine, ...]:
        return tuple(self.module.body)

    @cached_property
    def has_comments(self) -> bool:
        return "#" in self.text

    @cached_property
    def has_annotations(self) -> bool:
        """Whether annotations of arrays may stand in it: `Float[Tensor, "b t"]`."""
        return bool(_QUOTED.search(self.text))

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
        row, end_row = self.rows[where.start.line - 1], self.rows[where.end.line - 1]
        return Span(row, where.start.column + 1, end_row, where.end.column + 1)


@dataclass(frozen=True, slots=True, eq=False)
class NodePlace:
    """A node of a slice as a Place: the span is looked up only when a finding needs it.

    `stretch` is a part of its text, for a comment or a string that says more than one thing.
    """

    slice: Slice
    node: cst.CSTNode
    frame: str = ""  # the class or function in whose body it stands
    stretch: tuple[int, int] | None = None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, NodePlace)
            and self.node is other.node
            and self.slice is other.slice
            and self.stretch == other.stretch
        )

    def __hash__(self) -> int:
        return id(self.node)

    @property
    def code(self) -> str:
        code = self.slice.code(self.node)
        return code if self.stretch is None else code[slice(*self.stretch)]

    @property
    def span(self) -> Span:
        span = self.slice.span(self.node)
        if self.stretch is None:
            return span
        code = self.slice.code(self.node)
        (row, column), (end_row, end_column) = (_within(span, code[:place]) for place in self.stretch)
        return Span(row, column, end_row, end_column)

    @property
    def path(self) -> Path:
        return self.slice.path


def _within(span: Span, text: str) -> tuple[int, int]:
    """Where a text that starts at a span ends."""
    lines = text.count("\n")
    column = len(text) - text.rindex("\n") if lines else span.column + len(text)
    return span.row + lines, column


class Broken(Exception):
    """A text that no parser takes."""

    def __init__(self, problem: SyntaxProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def outline(text: str) -> Outline:
    """The top-level statements of a text, each of them fit to be parsed; raises Broken.

    What CPython's parser refuses libcst may still take: a grammar newer than the Python that runs us.
    """
    try:
        found = outlined(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        _check_depth(text)
        found = Outline(tuple(_cut(text, _parsed(text))))
    if sum(map(text.count, _OPERATORS)) > LONGEST:
        for block in found.blocks:
            _check_length(block)
    return found


def problem(text: str) -> SyntaxProblem | None:
    """What keeps a text from being parsed; None where nothing does."""
    try:
        outline(text)
    except Broken as error:
        return error.problem
    return None


def _cut(text: str, module: cst.Module) -> Iterator[Block]:
    """The blocks of a text that only libcst can parse."""
    lines, row = text.split("\n"), 1 + len(module.header)
    for statement in module.body:
        code = module.code_for_node(statement)
        first, row = row + len(getattr(statement, "leading_lines", ())), row + code.count("\n")
        own = "\n".join(lines[first - 1 : row - 1])
        try:
            (block,) = outlined(own).blocks
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # the one with the new grammar
            kind = {cst.ClassDef: "class", cst.FunctionDef: "def"}.get(type(statement), "statement")
            names = (statement.name.value,) if isinstance(statement, cst.ClassDef | cst.FunctionDef) else ()
            block = Block(kind, names, own, 1)
        yield replace(
            block,
            row=first,
            members=tuple(Member(one.name, one.row + first - 1, one.end_row + first - 1) for one in block.members),
            skeleton=tuple(own_row + first - 1 for own_row in block.skeleton),
        )


_TOKENS = re.compile(
    r"""(?P<string>(?:'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'(?:[^\\\n']|\\.)*'|"(?:[^\\\n"]|\\.)*"))"""
    r"""|(?P<comment>\#[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])""",
    re.DOTALL,
)
_OPERATOR = re.compile(r"[-+*/%@&|^]|\b(?:and|or)\b")
_OPERATORS = ("+", "-", "*", "/", "%", "@", "&", "|", "^", " and ", " or ")


def _check_depth(text: str) -> None:
    """Raises Broken where brackets nest deeper than libcst's parser can go: it would end the process."""
    depth = 0
    for token in _TOKENS.finditer(text):
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        if depth > DEEPEST:
            raise _too_deep(text.count("\n", 0, token.start()) + 1)


def _check_length(block: Block) -> None:
    """Raises Broken where one statement of the block holds more operators than a parser can take."""
    if len(block.text) < 2 * LONGEST:
        return
    code = _TOKENS.sub(
        lambda token: "\n" * token[0].count("\n") if token["string"] or token["comment"] else token[0], block.text
    )
    if sum(1 for _ in _OPERATOR.finditer(code)) > LONGEST:
        row, count = block.row, 0
        for line in code.split("\n"):
            count = count + len(_OPERATOR.findall(line)) if not re.match(r"\s*\w+\s*(?:=[^=]|\(|:)", line) else 0
            count += 0 if count else len(_OPERATOR.findall(line))
            if count > LONGEST:
                raise _too_deep(row)
            row += 1


def _too_deep(row: int) -> Broken:
    return Broken(SyntaxProblem(Span(row, 1, row, 1), "nested too deeply to be parsed"))


def _words(error: cst.ParserSyntaxError) -> tuple[int, int, str]:
    """Where libcst stopped and what it wanted: `parser error: error at 2:4: expected one of …`."""
    found = re.search(r"error at (\d+):(\d+): (.*)", error.message, re.DOTALL)
    if found is None:
        return error.raw_line, error.raw_column + 1, error.message.strip().splitlines()[0]
    said = " ".join(found[3].split())
    return int(found[1]), int(found[2]) + 1, said if len(said) < 80 else said[:77] + "…"


def _parsed(text: str) -> cst.Module:
    """What libcst reads in the text; raises Broken with its words."""
    try:
        return cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        row, column, said = _words(error)
        raise Broken(SyntaxProblem(Span(row, column, row, column), said)) from error
    except (RecursionError, UnicodeError, ValueError) as error:
        raise Broken(SyntaxProblem(Span(1, 1, 1, 1), f"{type(error).__name__}: {error}")) from error

"""Which classes and functions of a file are traced: those that attend, and those that build or call them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shapecheck.static.outline import Block
from shapecheck.static.project import File
from shapecheck.static.values import Class, Function

_FORWARD = re.compile(r"\bdef (?:forward|__call__)\b")
LONGEST_OWNER = 300  # lines; a class beyond that builds a model, not an attention
_LISTS_NAMES = re.compile(r"import\b|from\b|__all__|if TYPE_CHECKING|['\"]")


@dataclass(frozen=True)
class Candidates:
    """The blocks to trace."""

    blocks: tuple[Block, ...]
    elsewhere: frozenset[str]  # classes that a statement of the top level names: a table, a partial, an alias


def candidates(file: File, scope: str) -> Candidates:
    """Attention blocks first, then the classes that name them, and the classes that name those."""
    classes = [block for block in file.outline.blocks if block.kind == "class"]
    functions = [block for block in file.outline.blocks if block.kind == "def"]
    attending = [block for block in (*classes, *functions) if block.mentions_attention]
    attending = [block for block in attending if block.kind == "def" or _FORWARD.search(block.text)]
    names = {block.name for block in attending if block.name is not None}
    called = {block.name for block in attending if block.kind == "def" and _is_called(block, classes)}
    chosen = [block for block in attending if block.name not in called or block.kind == "class"]
    near = [
        block
        for block in classes
        if block not in chosen and _builds(block, block.words & names) and block.text.count("\n") < LONGEST_OWNER
    ]
    if scope == "modules":
        near += [
            block for block in classes if block not in chosen and block not in near and _FORWARD.search(block.text)
        ]
    every = [*chosen, *near]
    owned = [block.name for block in every if block.kind == "class" and block.name is not None]
    return Candidates(tuple(sorted(every, key=lambda block: block.row)), frozenset(_handed_on(file, owned)))


def builders(file: File, name: str) -> tuple[Block, ...]:
    """The classes of a file that build the one of this name, by themselves or by a function that they call."""
    names, makers = [name], [block for block in file.outline.blocks if block.kind == "def"]
    for one in names:
        names += [
            block.name for block in makers if block.name is not None and block.name not in names and _calls(block, one)
        ]
    return tuple(
        block
        for block in file.outline.blocks
        if block.kind == "class" and block.name != name and any(_calls(block, one) for one in names)
    )


def _calls(block: Block, name: str) -> bool:
    return name in block.words and re.search(rf"\b{name}\(", block.text) is not None


def _handed_on(file: File, names: list[str]) -> Iterator[str]:
    """Classes that a table, an alias, a choice, a partial or a default names: who builds them can't be followed."""
    statements = [
        block for block in file.outline.blocks if block.kind == "statement" and not _LISTS_NAMES.match(block.text)
    ]
    for name in names:
        if any(name in block.words and f"{name}(" not in block.text for block in statements):
            yield name
            continue
        passed = re.compile(rf"(?:(?<![=!<>])=|\belse|\bor|\breturn|\bpartial\()\s*{name}\b(?!\()")
        if any(name in block.words and passed.search(block.text) for block in file.outline.blocks):
            yield name


def _builds(block: Block, names: frozenset[str]) -> bool:
    return any(f"{name}(" in block.text for name in names)


def _is_called(function: Block, classes: list[Block]) -> bool:
    return any(function.name in block.words for block in classes)


def resolved(file: File, blocks: tuple[Block, ...]) -> Iterator[Class | Function]:
    """The classes and functions that blocks define, each definition of a name by itself."""
    for block in blocks:
        value = file.find(block.name, block.row) if block.name is not None and file.notebook else None
        if value is None and block.name is not None:
            value = file.defined(block.name, block)
        if isinstance(value, Class | Function):
            yield value

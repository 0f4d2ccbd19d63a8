"""What a docstring says of shapes: `x: (B, T, C)` under Args, `Returns: …` → the axes that it lists, and of what."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from shapecheck.shapes.comments import Said, groups

RESULT = "return"  # no name that a parameter can have

_ENTRY = re.compile(
    r"[ \t]*(?:[rR]?(?:\"{3}|'{3})\s*)?(?::param\s+(?:[\w.]+\s+)?|[-*]\s+)?`{0,2}(?P<name>\w+)`{0,2}\s*(?::|\((?=[^\n]*:)|\s-\s)",
    re.MULTILINE,
)
_RESULT = re.compile(r"[ \t]*(?:[rR]?(?:\"{3}|'{3})\s*)?:?(?:Returns?|Outputs?)\b\s*:?[ \t]*", re.IGNORECASE)
_SECTION = re.compile(r"[ \t]*(?:\w+ ?\w*:|-{3,})[ \t]*$")
_SHAPE = re.compile(r"\b(?:shape|size|dimensions?)s?\b(?:\s+(?:of|is|are))?\s*[:=]?\s*$", re.IGNORECASE)
_FIRST = re.compile(
    r"(?:[\w.]+\s*:\s*)?(?:(?:an?|the)\s+)?(?:(?:torch\.)?\w*Tensor\b)?\s*(?:of|with)?\s*", re.IGNORECASE
)
_OR = re.compile(r"[`\s]*,?\s*or\s*`?\s*(?:of shape\s*`?)?")
_ELSEWHERE = re.compile(r"\b(?:if|when|unless|otherwise|each|either|list|tuple|where|dict)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Described:
    """What is said of one parameter, or of the result (`return`): alternatives, any of which may be meant."""

    name: str
    said: tuple[Said, ...]


@lru_cache(1024)
def described(docstring: str, parameters: frozenset[str]) -> tuple[Described, ...]:
    """The shapes that a docstring, as it stands in the source, gives to parameters and to the result."""
    if not re.search(r"[(\[]\s*[\w*.]+\s*[,x]", docstring):
        return ()
    return tuple(_described(docstring, parameters))


def _described(docstring: str, parameters: frozenset[str]) -> Iterator[Described]:
    for name, start, end in _entries(docstring, parameters):
        found = tuple(_said(docstring, start, end))
        if found:
            yield Described(name, found)


def _entries(docstring: str, parameters: Collection[str]) -> Iterator[tuple[str, int, int]]:
    """Each entry's name and where its text starts and ends."""
    name, start, indent, position = "", 0, 0, 0
    for line in docstring.splitlines(keepends=True):
        entry = _ENTRY.match(line)
        own = len(line) - len(line.lstrip())
        result = _RESULT.match(line)
        begins = entry is not None and entry["name"] in parameters
        ends = not line.strip() or (own <= indent and position > start) or bool(_SECTION.match(line))
        if (
            name
            and (begins or ends or result)
            and not (name == RESULT and not docstring[start:position].strip(" \t\n-"))
        ):
            yield name, start, position
            name = ""
        if result:
            name, start, indent = RESULT, position + result.end(), own
        elif entry is not None and begins:
            name, start, indent = entry["name"], position + entry.end("name"), own
        position += len(line)
    if name:
        yield name, start, position


def _said(docstring: str, start: int, end: int) -> Iterator[Said]:
    """The shape of one entry, with its alternatives; none where it gives several, or conditions."""
    text = docstring[:end]
    found = [one for one in groups(text, start) if len(one.words) > 1]
    if not found:
        return
    before = text[start : found[0].start].strip(" \t\n`:(),")
    keyed = bool(_SHAPE.search(before))
    if not keyed and not _FIRST.fullmatch(before):
        return
    gaps = [text[one.end : other.start] for one, other in itertools.pairwise(found)]
    count = next((index for index, gap in enumerate(gaps) if not _OR.fullmatch(gap)), len(gaps)) + 1
    rest = text[found[count - 1].end : end]
    if _ELSEWHERE.search(text[start : found[0].start]) or _ELSEWHERE.search(rest) or any(map(_is_shape, found[count:])):
        return
    yield from (replace(one, keyed=keyed) for one in found[:count])


def _is_shape(said: Said) -> bool:
    return len(said.words) > 1 and not all(word.size is not None and word.size.value is not None for word in said.words)

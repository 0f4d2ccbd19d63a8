"""What a comment says of shapes: `# (B, T, C) -> (B, H, T, D)` → the axes that it lists, where, and of what.

Only the forms that people use for shapes are read. A comment that says more than can be understood, that speaks of a
condition or of what somebody expects, is not read at all.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from shapecheck.shapes.parse import parse_dim
from shapecheck.shapes.words import BATCH, FORMULA, NAME, TERM, Sort, Word, crossed, spaced, split, word_of


class Form(enum.Enum):
    """How the axes are parted."""

    LISTED = ", "
    CROSSED = " x "
    SPACED = " "
    JOINED = ""  # bhnd


@dataclass(frozen=True, slots=True)
class Said:
    """A shape that is claimed at [start, end) of a text.

    `before` where it is what a line starts from (left of an arrow), `about` the names that the text gives, `keyed` where
    a word says that this is a shape. Alternatives (`(B, C) or (B, T, C)`) share a `slot`, of `slots` in all.
    """

    words: tuple[Word, ...]
    start: int
    end: int
    brackets: tuple[str, str]
    form: Form
    separator: str
    before: bool = False
    about: tuple[str, ...] = ()
    keyed: bool = False
    slot: int = 0
    slots: int = 1

    def written(self, axes: Sequence[str]) -> str | None:
        """Other axes in the same style; None where it can't write them."""
        if self.form is Form.JOINED and any(len(axis) != 1 for axis in axes):
            return None
        if self.form is Form.SPACED:
            axes = [f"({axis.replace('*', ' ')})" if "*" in axis else axis for axis in axes]
        closing = f",{self.brackets[1]}" if len(axes) == 1 and self.brackets[0] == "(" else self.brackets[1]
        return f"{self.brackets[0]}{self.separator.join(axes)}{closing}"


_CROSS = re.compile(rf"(?<![\w.(\[]){FORMULA}(?:\s+[xX×]\s+{FORMULA})+(?![\w.])|(?<![\w.]){TERM}(?:×{TERM})+")
_ARROW = re.compile(r"[-=~]+>|→|⇒|=>")
_RESULT_WORDS = frozenset(
    {"shape", "shapes", "size", "sizes", "out", "output", "outputs", "result", "results", "now", "returns", "return", "dim",
     "dims", "dimensions", "new", "final", "becomes", "gives", "tensor"}
)  # fmt: skip
_NAMED = re.compile(
    rf"(?P<names>{NAME}(?:\s*(?:,|/|&|\band\b)\s*{NAME})*)\s*(?:\.shape|\.size\(\))?\s*"
    r"(?P<key>:?\s*(?:has |have |is of |of |with )?shapes?\b\s*(?:of\b)?)?\s*(?:[:=]+|\bis\b|\bare\b|[-=]+>)?\s*$"
)
_INTRODUCED = re.compile(r"(?:[:=]|[-=]+>|→|\b(?:to|into|now|is|are|as|returns?)(?:\s+of)?\s*:?)\s*$", re.IGNORECASE)
_KEYED = re.compile(r"\b(?:shapes?|sizes?)\b(?:\s+(?:of|is|are))?\s*[:=]?\s*$|\bSize\($", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"\b(?:from|expect\w*|wants?|need\w*|requires?|instead|not|no|if|when|unless|should|desired|target|assum\w+|like|was|were"
    r"|originally|before|previously|example|e\.g|i\.e|broadcast\w*|compatible|index\w*|indices|input|inputs|in|per|each|every"
    r"|swap\w*|todo|fixme|can|could|may|might|would|must|either|for(?!.*:$))\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\s*[,;:(]?\s*(?:if|when|unless|or|in case|except|before|expected|input|inputs|otherwise|for|by default|where|in|per|@|\*)"
    r"(?:\b|(?<=[@*]))",
    re.IGNORECASE,
)
_TAKEN_TOGETHER = re.compile(r"\s*(?:[@x×*+&]|with)\s*$")
_AND = re.compile(r"\s*[`,;]*\s*(?:and|,)?\s*[`]*\s*$")
_OR = re.compile(r"\s*`?\s*,?\s*or\s*`?\s*$")


@lru_cache(4096)
def said(comment: str) -> tuple[Said, ...]:
    """Every shape that a comment claims of the line that it belongs to; none where it can't be understood."""
    text = re.split(r"\s+#", comment.lstrip("# \t"), maxsplit=1)[0].rstrip()  # what follows is for some tool
    begin = len(comment) - len(comment.lstrip("# \t"))
    text = comment[:begin] + text
    if not any(mark in text for mark in "([,x×X") and len(text) - begin > 60:
        return ()
    found = list(groups(text, begin)) or list(_bare(text, begin))
    return tuple(_understood(text, begin, found)) if found else ()


# -- groups --------------------------------------------------------------------------------------------------------------
def groups(text: str, begin: int) -> Iterator[Said]:
    """The shapes in brackets, and those with crosses outside of any."""
    position = begin
    while position < len(text):
        opening = next((index for index in range(position, len(text)) if text[index] in "(["), len(text))
        for match in _CROSS.finditer(text, position):
            if match.start() >= opening and text[opening] != "(":
                break
            words = crossed(match[0])
            if words is not None and (len(words) > 2 or words[0].text in BATCH):
                yield Said(words, match.start(), match.end(), ("", ""), Form.CROSSED, " x ")
                position = match.end()
                opening = -1
                break
        if opening == -1:
            continue
        if opening == len(text):
            return
        end = _closing(text, opening)
        if end is None:
            return
        group = None if _is_call(text, opening) else _bracketed(text, opening, end)
        if group is not None:
            yield group
        position = opening + 1 if group is None and not _is_call(text, opening) else end


def _is_call(text: str, opening: int) -> bool:
    """`view(b, t)`, `x[b, t]`."""
    before = text[:opening]
    return bool(re.search(r"[\w\])]$", before)) and not re.search(r"(?:\bshape|\bsize|Tensor)$", before, re.IGNORECASE)


def _closing(text: str, opening: int) -> int | None:
    """The place after the bracket that closes one."""
    depth = 0
    for index in range(opening, len(text)):
        depth += (text[index] in "([") - (text[index] in ")]")
        if not depth:
            return index + 1
    return None


def _bracketed(text: str, start: int, end: int) -> Said | None:
    inside = text[start + 1 : end - 1]
    brackets = (text[start], text[end - 1])
    if brackets not in (("(", ")"), ("[", "]")):
        return None
    if (words := crossed(inside)) is not None:
        return Said(words, start, end, brackets, Form.CROSSED, " x ")
    parts = split(inside)
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    separator = ", " if ", " in inside or "," not in inside else ","
    if len(parts) == 1 and "," not in inside and (in_spaces := spaced(inside)) is not None:
        return Said(in_spaces, start, end, brackets, Form.SPACED, " ")
    listed = [word_of(part) for part in parts]
    if any(word is None for word in listed):
        return None
    words = tuple(word for word in listed if word is not None)
    return Said(words, start, end, brackets, Form.LISTED, separator)


# -- comments without brackets -------------------------------------------------------------------------------------------
_JOINED = re.compile(r"(?=\w*[bn])[^\W\daeiouyA-Z_]{3,6}|(?=\w*[BN])[^\W\dAEIOUYa-z_]{3,6}")


def _bare(text: str, begin: int) -> Iterator[Said]:
    """`b, h, t, d`, `b h n d -> b n (h d)`, `bhnd`: nothing else may stand in the comment but a name and a colon."""
    core = text[begin:].rstrip(". ")
    named = re.match(rf"{NAME}\s*[:=]\s*", core)
    position = begin + (named.end() if named else 0)
    pieces = list(_ARROW.finditer(text, position))
    bounds = [position, *(edge for piece in pieces for edge in (piece.start(), piece.end())), begin + len(core)]
    found = []
    for start, end in zip(bounds[::2], bounds[1::2], strict=True):
        piece = text[start:end]
        start, end = start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
        group = _unbracketed(text[start:end], start, end)
        if group is None:
            return
        found.append(group)
    yield from found


def _unbracketed(text: str, start: int, end: int) -> Said | None:
    if "," in text:
        words = [word_of(part) for part in split(text)]
        if len(words) >= 3 and all(word is not None and " " not in word.text for word in words):
            return Said(tuple(word for word in words if word), start, end, ("", ""), Form.LISTED, ", ")
        return None
    if (in_spaces := spaced(text)) is not None:
        return Said(in_spaces, start, end, ("", ""), Form.SPACED, " ")
    if _JOINED.fullmatch(text):
        letters = tuple(Word(letter, Sort.SIZE, parse_dim(letter)) for letter in text)
        return Said(letters, start, end, ("", ""), Form.JOINED, "")
    return None


# -- what stands around them ---------------------------------------------------------------------------------------------
def _understood(text: str, begin: int, groups: list[Said]) -> Iterator[Said]:
    """The groups with what the words around them say; none where a word isn't understood."""
    gaps = [text[one.end : other.start] for one, other in itertools.pairwise(groups)]
    arrows = [index for index, gap in enumerate(gaps) if _is_arrow(gap)]
    last = arrows[-1] + 1 if arrows else 0
    if any(not (_is_arrow(gap) or _AND.match(gap) or _OR.match(gap) or (index < last and _TAKEN_TOGETHER.match(gap)))
           for index, gap in enumerate(gaps)):  # fmt: skip
        return
    if _CONDITION.match(text[groups[-1].end :]):
        return
    prefix = text[begin : groups[0].start]
    told = _prefix(prefix, arrows=bool(arrows))
    if told is None:
        return
    about, keyed = told
    slot = 0
    slots = 1 + sum(1 for gap in gaps[last:] if _AND.match(gap))
    for index, group in enumerate(groups):
        if index > last and _AND.match(gaps[index - 1]):
            slot += 1
        yield replace(
            group, before=index < last, about=about, keyed=keyed, slot=index if index < last else slot, slots=slots
        )


def _is_arrow(gap: str) -> bool:
    """Whether what stands between two shapes leads from one to the other: `->`, `, permute ->`, `to`."""
    return bool(re.fullmatch(r"[\s`,]*(?:\w+\s*){0,2}(?:[-=~]+>|→|⇒)[\s`]*|\s*(?:in)?to\s*", gap))


def _prefix(prefix: str, *, arrows: bool) -> tuple[tuple[str, ...], bool] | None:
    """The names that a shape is said of, and whether it is called one; None for words that aren't understood."""
    text = prefix.strip().rstrip("`").strip()
    if not text:
        return (), False
    keyed = bool(_KEYED.search(text))
    if (named := _NAMED.fullmatch(text)) and not _ELSEWHERE.search(named["names"]):
        names = tuple(re.findall(NAME, re.sub(r"\band\b", ",", named["names"])))
        own = tuple(name.removesuffix(".shape") for name in names if name.lower() not in _RESULT_WORDS)
        if named["key"] or re.search(r"[:=>]\s*$|\bis$|\bare$", text) or len(names) == 1 or keyed:
            return (own if len(own) == len(names) else ()), keyed or bool(named["key"])
    if _ELSEWHERE.search(text) and not arrows:
        return None
    if keyed or _INTRODUCED.search(text) or arrows:
        return (), keyed
    return None

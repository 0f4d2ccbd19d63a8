"""Words: the axes of a shape as a comment writes them, `2*d`, `h w`, `...` → what each stands for."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from shapecheck.shapes.dim import Dim
from shapecheck.shapes.parse import parse_dim


class Sort(enum.Enum):
    """What one word of a shape stands for."""

    SIZE = "size"  # a name, a number, or a formula of them
    ANY = "any"  # one axis, whatever its size
    MANY = "many"  # any number of axes


@dataclass(frozen=True, slots=True)
class Word:
    """One axis as it is written; `size` is over symbols that have the names in the text."""

    text: str
    sort: Sort
    size: Dim | None = None

    @property
    def name(self) -> str | None:
        symbol = self.size.symbol if self.size is not None else None
        return symbol.name if symbol is not None else None


BATCH = frozenset(
    {"b", "B", "bs", "BS", "bsz", "batch", "batch_size", "Batch", "n", "N", "nb", "batchsize", "BatchSize"}
)

NAME = r"[A-Za-z_][\w.]*'*"
TERM = rf"(?:\d*{NAME}|\d+|\([\w.'*/+ -]+\))"
FORMULA = rf"{TERM}(?:\s*(?://|[*/+·-])\s*{TERM})*"
_WORD = re.compile(rf"(?P<many>\.\.\.|…|\*\w*)|(?P<any>-1|\?|:)|(?P<size>{FORMULA})")


def split(text: str) -> list[str]:
    """The parts between commas that stand in no bracket."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def crossed(text: str) -> tuple[Word, ...] | None:
    """`b x t x d`, `B×T×D`."""
    parts = re.split(r"\s+[xX]\s+|\s*×\s*", text.strip())
    words = [word_of(part) for part in parts]
    if len(parts) < 2 or any(word is None for word in words):
        return None
    return tuple(word for word in words if word is not None)


def spaced(text: str) -> tuple[Word, ...] | None:
    """`b h n d`, `b (h d) n`: letters, numbers and products."""
    parts = re.findall(r"\([^()]*\)|\.\.\.|[^\s()]+", text.strip())
    if (
        len(parts) < 3
        or sum(part[0].isalpha() for part in parts) < 2
        or not all(re.fullmatch(r"[A-Za-z]\d?'?|\d+|\.\.\.|\([\w ]+\)|[a-z]{1,2}", part) for part in parts)
    ):
        return None
    words = [word_of(part) for part in parts]
    return None if any(word is None for word in words) else tuple(word for word in words if word is not None)


def word_of(part: str) -> Word | None:
    """The word that a text is; None where it is none of a shape."""
    text = part.strip().strip("`")
    match = _WORD.fullmatch(text)
    if match is None:
        return None
    if match["many"]:
        return Word(text, Sort.MANY)
    if match["any"]:
        return Word(text, Sort.ANY)
    return Word(text, Sort.SIZE, _size(text))


def _size(text: str) -> Dim | None:
    """The size over names; None for one that can't be reckoned with: it is a name that stands for nothing else."""
    code = re.sub(r"\((\s*\w+(?:\s+\w+)+\s*)\)", lambda found: "(" + "*".join(found[1].split()) + ")", text)
    code = re.sub(r"(?<![/])/(?![/])", "//", code.replace("·", "*").replace("'", "_prime"))
    code = re.sub(r"(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", lambda found: found[0].rpartition(".")[2], code)
    code = re.sub(r"(?<![\w.])(\d+)(?=[A-Za-z_(])", r"\1*", code)
    try:
        return parse_dim(code)
    except (ValueError, ZeroDivisionError):
        return None

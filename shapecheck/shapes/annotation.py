"""`"b num_heads t head_dim"` → its axes, in jaxtyping's language. What is linted and what is run are read by this alike."""

from __future__ import annotations

import ast
import enum
import re
from dataclasses import dataclass
from functools import lru_cache


class Of(enum.Enum):
    """What an axis asks for."""

    NAME = "name"  # the size that the name has, or gets
    NUMBER = "number"
    ANY = "any"
    SUM = "sum"  # an expression over names


@dataclass(frozen=True, slots=True)
class AxisSpec:
    """One axis as it is written; `many` for any number of axes, `broadcasts` where 1 will do, too."""

    text: str
    of: Of
    name: str = ""
    number: int = 0
    many: bool = False
    broadcasts: bool = False


class BadAnnotation(ValueError):
    """An expectation that can't be read, or can never hold; says which."""


@lru_cache(maxsize=1024)
def axes(text: str) -> tuple[AxisSpec, ...]:
    """The axes of `"b num_heads t head_dim"`, in jaxtyping's language. Raises BadAnnotation."""
    found = tuple(_axis(word, text) for word in text.split())
    if sum(axis.many for axis in found) > 1:
        raise BadAnnotation(f'"{text}" has more than one axis for any number of axes')
    return found


def _axis(word: str, text: str) -> AxisSpec:
    if "," in word and "(" not in word:
        raise BadAnnotation(f'"{text}": axes are separated by spaces, not commas')
    if word == "...":
        return AxisSpec(word, Of.ANY, many=True)
    if word.endswith("#"):
        raise BadAnnotation(f'"{text}": `#` stands before the name')
    marks = ""
    left = word
    while left:
        if left[0] in "#*_?":
            marks, left = marks + left[0], left[1:]
        elif left.count("=") == 1:
            left = left.partition("=")[2]
        else:
            break
    if "..." in word or "?" in marks or any(marks.count(mark) > 1 for mark in marks):
        raise BadAnnotation(f'"{text}": `{word}` is no axis')
    many, broadcasts, any_size = ("*" in marks), ("#" in marks), ("_" in marks)
    if not left or left.isidentifier():
        if any_size and broadcasts:
            raise BadAnnotation(f'"{text}": `{word}` is no axis')
        return AxisSpec(word, Of.ANY if any_size else Of.NAME, left, 0, many, broadcasts)
    if many or any_size:
        raise BadAnnotation(f'"{text}": `{word}` is no axis')
    try:
        return AxisSpec(word, Of.NUMBER, "", int(left), False, broadcasts)
    except ValueError:
        pass
    try:
        ast.parse(_BRACES.sub("0", left), mode="eval")
    except SyntaxError as error:
        raise BadAnnotation(f'"{text}": `{word}` is no axis; sums have no spaces in them: `h*d`, `(t-1)`') from error
    return AxisSpec(word, Of.SUM, left, 0, False, broadcasts)


_BRACES = re.compile(r"\{[^{}]*\}")  # what an f-string would put in


@dataclass(frozen=True, slots=True)
class Wanted:
    """An annotation of one array, as it is written; None or something else may do as well where it is `optional`."""

    text: str
    axes: tuple[AxisSpec, ...]
    optional: bool = False

    @property
    def many(self) -> int | None:
        """The place of the axis that stands for any number."""
        return next((index for index, axis in enumerate(self.axes) if axis.many), None)

    @property
    def least(self) -> int:
        """How many axes there are at least, and at most where none stands for any number."""
        return len(self.axes) - (self.many is not None)

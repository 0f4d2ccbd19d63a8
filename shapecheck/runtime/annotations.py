"""Annotations → what they ask of a value. Those of arrays are jaxtyping's and mean what jaxtyping says."""

from __future__ import annotations

import ast
import contextlib
import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

jaxtyping: Any = None  # without it annotations of arrays are nobody's; keywords of `checked` still work
with contextlib.suppress(ImportError):
    import jaxtyping

_MANY = (tuple, list)


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


@dataclass(frozen=True, slots=True)
class Array:
    """An array's axes, and the names of its dtypes (None: any)."""

    text: str
    axes: tuple[AxisSpec, ...]
    dtypes: tuple[str | re.Pattern[str], ...] | None = None
    type: Any = torch.Tensor
    kind: str = "Shaped"  # Float, Int, …

    @property
    def many(self) -> int | None:
        """The place of the axis that stands for any number."""
        return next((index for index, axis in enumerate(self.axes) if axis.many), None)

    def takes(self, dtype: torch.dtype) -> bool:
        name = str(dtype).rpartition(".")[2]
        return self.dtypes is None or any(
            name == one if isinstance(one, str) else bool(one.match(name)) for one in self.dtypes
        )

    def __str__(self) -> str:
        return f'"{self.text}"'


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several; `free` where something that is no array will do."""

    options: tuple[Array, ...]
    none: bool
    free: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """A tuple of one part for each annotation."""

    parts: tuple[Wanted | None, ...]


@dataclass(frozen=True, slots=True)
class Each:
    """A list or tuple of any length, all of one kind."""

    part: Wanted


Wanted = Array | Choice | Parts | Each


class BadAnnotation(ValueError):
    """An expectation that can't be read, or can never hold; says which."""


# -- reading -------------------------------------------------------------------------------------------------------------
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


def array(text: str) -> Array:
    """What a keyword of `checked` asks for: axes, of any dtype."""
    return Array(text.strip(), axes(text.strip()))


def wanted(annotation: Any) -> Wanted | None:
    """What an annotation asks of a value, as far as arrays are in it; None where none is."""
    if jaxtyping is None or jaxtyping.config.jaxtyping_disable:
        return None
    if inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray):
        return _array(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        options = [wanted(one) for one in arguments if one is not type(None)]
        arrays = tuple(one for one in options if isinstance(one, Array))
        if not arrays or any(isinstance(one, Choice | Parts | Each) for one in options):
            return None
        return Choice(arrays, type(None) in arguments, len(arrays) < len(options))
    if origin is typing.Annotated:
        return wanted(arguments[0])
    if origin in _MANY and arguments:
        if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
            parts = tuple(wanted(one) for one in arguments)
            return Parts(parts) if any(part is not None for part in parts) else None
        part = wanted(arguments[0])
        return Each(part) if part is not None else None
    return None


def _array(annotation: Any) -> Array | None:
    """jaxtyping's own words: `array_type`, `dtypes` and `dim_str` are what it offers to other readers."""
    if annotation is jaxtyping.AbstractArray:
        return None
    kind = annotation.array_type
    if kind is not Any and not (isinstance(kind, type) and issubclass(kind, torch.Tensor)):
        return None  # numpy's, JAX's: not ours to judge
    dtypes = annotation.dtypes
    return Array(
        annotation.dim_str,
        axes(annotation.dim_str),
        tuple(dtypes) if isinstance(dtypes, tuple | list) else None,
        object if kind is Any else kind,
        annotation.dtype.__name__,
    )


def axes_of(asked: Wanted | None) -> Iterator[AxisSpec]:
    """Every axis that an annotation names."""
    match asked:
        case Array(axes=listed):
            yield from listed
        case Choice(options=options):
            for option in options:
                yield from option.axes
        case Parts(parts):
            for part in parts:
                yield from axes_of(part)
        case Each(part):
            yield from axes_of(part)


# -- of a function -------------------------------------------------------------------------------------------------------
def asked_of(function: Callable[..., Any]) -> dict[str, Wanted]:
    """What a function's annotations ask of its arguments and its result (`return`)."""
    function = inspect.unwrap(function)
    try:
        hints: Mapping[str, Any] = typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 (a name that exists for type checkers only: read those that can be read)
        hints = _readable(function)
    found = {name: wanted(annotation) for name, annotation in hints.items()}
    return {name: one for name, one in found.items() if one is not None}


def _readable(function: Any) -> dict[str, Any]:
    found = {}
    for name, annotation in getattr(function, "__annotations__", {}).items():
        value = evaluated(annotation, function) if isinstance(annotation, str) else annotation
        if value is not None:
            found[name] = value
    return found


def evaluated(text: str, function: Any) -> Any:
    """The value of an annotation where a function stands; None where some name of it isn't there."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    names: dict[str, Any] = {}
    for name, cell in cells.items():
        try:
            names[name] = cell.cell_contents
        except ValueError:
            continue
    try:
        return eval(text, function.__globals__, names)  # noqa: S307 (it is the user's own annotation)
    except Exception:  # noqa: BLE001 (ditto)
        return None

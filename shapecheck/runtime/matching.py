"""Values met with what is asked of them: names are bound by the first size, and every later one must agree."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any

import torch

from shapecheck.runtime.annotations import Array, Choice, Each, Parts, Wanted
from shapecheck.shapes.annotation import AxisSpec, BadAnnotation, Of


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How a value contradicts what was asked: the axis and both sizes, where it is one axis."""

    fact: str
    array: Array | None = None
    shape: tuple[int, ...] = ()
    axis: str | None = None
    index: int | None = None
    expected: int | None = None
    found: int | None = None
    dtype: torch.dtype | None = None


@dataclass
class Binding:
    """The sizes of one call. `sizes` and `many` are by name, `where` says what bound each."""

    sizes: dict[str, int] = field(default_factory=dict)
    many: dict[str, tuple[bool, tuple[int, ...]]] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def match(self, asked: Wanted | None, value: Any, name: str) -> Mismatch | None:
        """None where the value is as asked; the sizes of one that isn't bind nothing."""
        match asked:
            case Array():
                return self._array(asked, value, name)
            case Choice(options, none, free):
                if value is None and none:
                    return None
                if free and not isinstance(value, torch.Tensor):
                    return None
                found = [self._array(option, value, name) for option in options]
                return None if free or None in found else found[0]
            case Parts(parts):
                if not isinstance(value, tuple) or len(value) != len(parts):
                    return Mismatch(f"`{name}` is {_kind(value)}, not a tuple of {len(parts)}")
                return self._first(parts, value, name)
            case Each(part):
                if not isinstance(value, tuple | list):
                    return Mismatch(f"`{name}` is {_kind(value)}, not a list or tuple")
                return self._first([part] * len(value), value, name)
        return None

    def _first(self, parts: Sequence[Wanted | None], values: Sequence[Any], name: str) -> Mismatch | None:
        for index, (part, value) in enumerate(zip(parts, values, strict=True)):
            found = self.match(part, value, f"{name}[{index}]")
            if found is not None:
                return found
        return None

    def _array(self, asked: Array, value: Any, name: str) -> Mismatch | None:
        before = (self.sizes.copy(), self.many.copy(), self.where.copy())
        found = self._matched(asked, value, name)
        if found is not None:
            self.sizes, self.many, self.where = before
        return found

    def _matched(self, asked: Array, value: Any, name: str) -> Mismatch | None:
        if not isinstance(value, asked.type) or not hasattr(value, "shape"):
            return Mismatch(f"`{name}` is {_kind(value)}, not a tensor {asked}", asked)
        if not asked.takes(value.dtype):
            fact = f"`{name}` is {str(value.dtype).rpartition('.')[2]}, not {asked.kind}"
            return Mismatch(fact, asked, tuple(value.shape), dtype=value.dtype)
        return self.shape(asked, tuple(value.shape), name)

    def shape(self, asked: Array, shape: tuple[int, ...], name: str) -> Mismatch | None:
        """The same for a shape alone."""
        place = asked.many
        least = len(asked.axes) - (place is not None)
        if len(shape) < least or (place is None and len(shape) != least):
            want = f"{least} axes {asked}" if place is None else f"at least {least} axes {asked}"
            return Mismatch(f"`{name}` has {len(shape)} axes {list(shape)}, not {want}", asked, shape)
        if place is None:
            return self._axes(asked, asked.axes, shape, 0, shape, name)
        behind = len(asked.axes) - place - 1
        end = len(shape) - behind
        found = self._axes(asked, asked.axes[:place], shape[:place], 0, shape, name)
        found = found or self._axes(asked, asked.axes[place + 1 :], shape[end:], end, shape, name)
        return found or self._many(asked, asked.axes[place], shape[place:end], shape, name)

    def _axes(
        self,
        asked: Array,
        specs: Sequence[AxisSpec],
        sizes: Sequence[int],
        start: int,
        shape: tuple[int, ...],
        name: str,
    ) -> Mismatch | None:
        for index, (spec, size) in enumerate(zip(specs, sizes, strict=True), start):
            if spec.of is Of.ANY or (spec.broadcasts and size == 1):
                continue
            expected = self._expected(spec, asked)
            if expected is None:
                self.sizes[spec.name] = size
                self.where[spec.name] = f"axis {index} of {name}"
            elif expected != size:
                fact = (
                    f"axis `{spec.name or spec.text}` of `{name}` is {size}, not {expected}: {list(shape)} for {asked}"
                )
                return Mismatch(fact, asked, shape, spec.name or spec.text, index, expected, size)
        return None

    def _expected(self, spec: AxisSpec, asked: Array) -> Any:
        match spec.of:
            case Of.NUMBER:
                return spec.number
            case Of.NAME:
                return self.sizes.get(spec.name)
        return self._sum(spec.name, asked)

    def _sum(self, text: str, asked: Array) -> Any:
        """The value of an expression over names; `{self.h}` is put in first, as in an f-string."""
        try:
            words = eval(_compiled(f"f{text!r}"), dict(self.arguments)) if "{" in text else text  # noqa: S307
            return eval(_compiled(words), dict(self.sizes))  # noqa: S307 (the user's own annotation)
        except (NameError, AttributeError) as error:
            name = getattr(error, "name", None) or str(error)
            raise BadAnnotation(f"{asked}: `{text}` can't be worked out, nothing binds `{name}`") from error

    def _many(
        self, asked: Array, spec: AxisSpec, sizes: tuple[int, ...], shape: tuple[int, ...], name: str
    ) -> Mismatch | None:
        if spec.of is Of.ANY:
            return None
        if spec.name not in self.many:
            self.many[spec.name] = (spec.broadcasts, sizes)
            self.where[spec.name] = f"axes of {name}"
            return None
        before_broadcasts, before = self.many[spec.name]
        if spec.broadcasts or before_broadcasts:
            try:
                joined = tuple(torch.broadcast_shapes(sizes, before))  # type: ignore[no-untyped-call]
            except RuntimeError:
                joined = None
            fits = (
                joined is not None and (spec.broadcasts or joined == sizes) and (before_broadcasts or joined == before)
            )
            if fits and joined is not None and before_broadcasts:
                self.many[spec.name] = (spec.broadcasts, joined)
        else:
            fits = sizes == before
        if fits:
            return None
        fact = f"axes `*{spec.name}` of `{name}` are {list(sizes)}, not {list(before)}: {list(shape)} for {asked}"
        return Mismatch(fact, asked, shape, spec.name)

    def told(self) -> list[tuple[str, int | tuple[int, ...], str]]:
        """Every name with its size and what bound it."""
        found: list[tuple[str, int | tuple[int, ...], str]] = []
        for name, where in self.where.items():
            size = self.sizes[name] if name in self.sizes else self.many[name][1]
            found.append((name, size, where))
        return found


@lru_cache(maxsize=1024)
def _compiled(text: str) -> CodeType:
    return compile(ast.parse(text.strip(), mode="eval"), "<axis>", "eval")


def _kind(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor {list(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__}"

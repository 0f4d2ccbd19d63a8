"""A mismatch → what is likely to mend it, where one change does."""

from __future__ import annotations

import itertools

from shapecheck.runtime.annotations import Array
from shapecheck.runtime.matching import Binding, Mismatch


def help_for(found: Mismatch, binding: Binding, *, argument: bool) -> str | None:
    """An imperative with code to paste; None where there is no single answer."""
    if found.array is None or not found.shape:
        return None
    if found.dtype is not None:
        names = [one for one in found.array.dtypes or () if isinstance(one, str)]
        return f"`.to(torch.{names[0]})`" if len(names) == 1 else None
    swapped = _swapped(found.array, found.shape, binding)
    if swapped is not None:
        return f"`.transpose({swapped[0]}, {swapped[1]})`: {list(found.shape)} has two axes in the other's place"
    if len(found.shape) == len(found.array.axes) - 1 and _fits(found.array, (1, *found.shape), binding):
        return "`.unsqueeze(0)` puts the missing axis in front"
    if len(found.shape) == len(found.array.axes) + 1 and 1 in found.shape:
        place = found.shape.index(1)
        if _fits(found.array, found.shape[:place] + found.shape[place + 1 :], binding):
            return f"`.squeeze({place})` drops the axis of size 1"
    merged = _merged(found.array, found.shape, binding)
    if merged is not None:
        return f"`{merged}` makes one axis of two"
    if found.axis is None or found.expected is None or found.found is None:
        return None
    where = binding.where.get(found.axis, "")
    if argument and where.startswith("self."):
        return f"give {found.expected}, or build the module with {found.axis}={found.found}"
    for large, small, word in ((found.found, found.expected, "times"), (found.expected, found.found, "divided by")):
        if small and large % small == 0 and large > small:
            factor = large // small
            names = [name for name, size in _known(binding).items() if size == factor and name != found.axis]
            if len(names) == 1:
                return f"{found.found} is {found.axis} {word} {names[0]}"
    return None


def _known(binding: Binding) -> dict[str, int]:
    """The sizes by name, with the whole numbers that the module holds."""
    owner = binding.arguments.get("self")
    own = vars(owner) if hasattr(owner, "__dict__") else {}
    return {name: value for name, value in own.items() if type(value) is int} | binding.sizes


def _merged(asked: Array, shape: tuple[int, ...], binding: Binding) -> str | None:
    """How two axes become the one that is asked for: neighbours, or heads that have to be moved first."""
    if len(shape) != len(asked.axes) + 1:
        return None
    for index in range(len(shape) - 1):
        if _fits(asked, (*shape[:index], shape[index] * shape[index + 1], *shape[index + 2 :]), binding):
            return f".flatten({index}, {index + 1})"
    if len(shape) == 4 and _fits(asked, (shape[0], shape[2], shape[1] * shape[3]), binding):
        return ".transpose(1, 2).flatten(2)"
    return None


def _swapped(asked: Array, shape: tuple[int, ...], binding: Binding) -> tuple[int, int] | None:
    """The two axes that must change places, where exactly one pair does it."""
    found = []
    for left, right in itertools.combinations(range(len(shape)), 2):
        other = list(shape)
        other[left], other[right] = other[right], other[left]
        if shape[left] != shape[right] and _fits(asked, tuple(other), binding):
            found.append((left, right))
    return found[0] if len(found) == 1 else None


def _fits(asked: Array, shape: tuple[int, ...], binding: Binding) -> bool:
    trial = Binding(dict(binding.sizes), dict(binding.many), {}, binding.arguments)
    return trial.shape(asked, shape, "") is None

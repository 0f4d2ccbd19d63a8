"""A mismatch → what is likely to mend it, where one change does."""

from __future__ import annotations

import itertools
import math

from shapecheck.runtime.annotations import Array
from shapecheck.runtime.matching import Binding, Mismatch
from shapecheck.shapes.annotation import Of


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
    folded = _folded(found.array, found.shape, binding)
    if folded is not None:
        return folded
    exchanged = _exchanged(found.array, found.shape, binding)
    if exchanged is not None:
        return f"{exchanged[0]} and {exchanged[1]} have changed places: what makes it takes them the other way round"
    if found.axis is None or found.expected is None or found.found is None:
        return None
    where = binding.where.get(found.axis, "")
    if argument and where.startswith("self."):
        return f"give {found.expected}, or build the module with {found.axis}={found.found}"
    return _told(found.axis, found.expected, found.found, binding, argument=argument)


def _told(axis: str, expected: int, found: int, binding: Binding, *, argument: bool) -> str | None:
    """What one size is to the other, where one name says it: a multiple, a share, or what a division left."""
    known = {name: size for name, size in _known(binding).items() if name != axis and size > 1}
    own = {} if argument else _own(binding)  # nobody divides by a length, nor before an argument is given
    left = [(name, size) for name, size in known.items()
            if name in own and expected % size and found == expected - expected % size]  # fmt: skip
    names = " times ".join(name for name, _ in left)
    if len(left) == 1:
        return f"{found} is what {expected} // {names} leaves of it: check that it divides before dividing"
    if len(left) == 2 and math.prod(size for _, size in left) == found:
        return (
            f"{found} is {names}, and {expected} leaves {expected - found} over: check that it divides before dividing"
        )
    for large, small, word in ((found, expected, "times"), (expected, found, "divided by")):
        if small and large % small == 0 and large > small:
            factors = [name for name, size in known.items() if size == large // small]
            if len(factors) == 1:
                return f"{found} is {axis} {word} {factors[0]}"
    return None


def _known(binding: Binding) -> dict[str, int]:
    """The sizes by name, with the whole numbers that the module holds."""
    return _own(binding) | binding.sizes


def _own(binding: Binding) -> dict[str, int]:
    owner = binding.arguments.get("self")
    own = vars(owner) if hasattr(owner, "__dict__") else {}
    return {name: value for name, value in own.items() if type(value) is int}


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


def _folded(asked: Array, shape: tuple[int, ...], binding: Binding) -> str | None:
    """Which two of the axes that are asked for stand in one, where that is plain."""
    if len(shape) != len(asked.axes) - 1:
        return None
    sizes = [binding.sizes.get(axis.name) for axis in asked.axes]
    for index in range(len(shape)):
        one, other = sizes[index], sizes[index + 1]
        if one is None or other is None or min(one, other) < 2 or shape[index] != one * other:
            continue
        if _fits(asked, (*shape[:index], one, other, *shape[index + 1 :]), binding):
            names = [axis.name for axis in asked.axes[index : index + 2]]
            return f"{shape[index]} is {names[0]} times {names[1]}: they stand in one axis"
    return None


def _exchanged(asked: Array, shape: tuple[int, ...], binding: Binding) -> tuple[str, str] | None:
    """The two names whose sizes stand for one another wherever they are asked for, where exactly one pair does."""
    bound = [axis.name for axis in asked.axes if axis.of is Of.NAME and axis.name in binding.sizes]
    names = [name for name in bound if not binding.where.get(name, "").startswith("self.")]
    found = []
    for one, other in itertools.combinations(dict.fromkeys(names), 2):
        sizes = {**binding.sizes, one: binding.sizes[other], other: binding.sizes[one]}
        trial = Binding(sizes, dict(binding.many), {}, binding.arguments)
        if sizes[one] != sizes[other] and trial.shape(asked, shape, "") is None:
            found.append((one, other))
    return found[0] if len(found) == 1 else None


def _fits(asked: Array, shape: tuple[int, ...], binding: Binding) -> bool:
    trial = Binding(dict(binding.sizes), dict(binding.many), {}, binding.arguments)
    return trial.shape(asked, shape, "") is None

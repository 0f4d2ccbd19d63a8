"""For tests: `assert_shapes(module, "b t d_in -> b t d_out", d_in=11, d_out=21)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from shapecheck.runtime.annotations import Array, array
from shapecheck.runtime.errors import ShapeError
from shapecheck.runtime.matching import Binding
from shapecheck.shapes.annotation import AxisSpec, BadAnnotation, Of

SIZES = (2, 5, 3, 7, 11, 13, 17, 19, 23)  # for the names that have none, so that no two are the same


def assert_shapes(module: Callable[..., Any], shapes: str, /, **sizes: int) -> None:
    """Call a module with random tensors of the shapes before `->`, and hold its results to those behind it.

    Inputs and results are separated by commas: `"b t d, b s d -> b t d"`. Axes that have neither a size here nor a whole
    number of their name on the module get sizes that differ from one another. Raises ShapeError where a result is another
    one, BadAnnotation for what is no such text.
    """
    before, arrow, behind = shapes.partition("->")
    if not arrow or not before.strip() or not behind.strip():
        raise BadAnnotation(f'"{shapes}" is not of the form "b t d -> b t d"')
    inputs = [array(text) for text in before.split(",")]
    results = [array(text) for text in behind.split(",")]
    binding = Binding(dict(sizes), {}, dict.fromkeys(sizes, "given"), {"self": module})
    fresh = (size for size in SIZES if size not in sizes.values())
    place = (
        next((one for one in module.parameters()), torch.empty(0))
        if isinstance(module, torch.nn.Module)
        else torch.empty(0)
    )
    given = [
        torch.randn(list(_sizes(one, module, binding, fresh)), device=place.device, dtype=place.dtype) for one in inputs
    ]
    output = module(*given)
    found = list(output) if isinstance(output, tuple | list) else [output]
    if len(found) != len(results):
        raise ShapeError(f"{_name(module)} returns {len(found)} values, and `{shapes}` has {len(results)}")
    for index, (asked, value) in enumerate(zip(results, found, strict=True)):
        for axis in asked.axes:
            _bind_own(axis, module, binding)
        wrong = binding.match(asked, value, "the result" if len(found) == 1 else f"result {index}")
        if wrong is not None:
            where = "".join(f"\n  {name} = {size}  {place}" for name, size, place in binding.told())
            raise ShapeError(f"{_name(module)}: {wrong.fact}\nwhere{where}")


def _sizes(asked: Array, module: Any, binding: Binding, fresh: Iterator[int]) -> Iterator[int]:
    """The sizes of one input; a name is bound by the first."""
    for axis in asked.axes:
        if axis.many or axis.of is Of.SUM:
            raise BadAnnotation(f"{asked}: `{axis.text}` says no size that an input could have")
        if axis.of is Of.NUMBER:
            yield axis.number
            continue
        if axis.of is Of.ANY:
            yield next(fresh)
            continue
        _bind_own(axis, module, binding)
        if axis.name not in binding.sizes:
            binding.sizes[axis.name] = next(fresh)
            binding.where[axis.name] = "chosen"
        yield binding.sizes[axis.name]


def _bind_own(axis: AxisSpec, module: Any, binding: Binding) -> None:
    """Bind an axis to the whole number that the module has under its name."""
    own = getattr(module, axis.name, None) if len(axis.name) > 2 else None
    if type(own) is int and axis.name not in binding.sizes:
        binding.sizes[axis.name] = own
        binding.where[axis.name] = f"the module's {axis.name}"


def _name(module: Any) -> str:
    return type(module).__name__ if isinstance(module, torch.nn.Module) else getattr(module, "__name__", repr(module))

"""Memory: in which order the factors of a tensor's axes lie there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shapecheck.shapes.shape import Shape

if TYPE_CHECKING:
    from shapecheck.static.run import Run


def in_order(run: Run, shape: Shape | None) -> tuple[object, ...] | None:
    """The memory of a contiguous tensor: its factors in the order of its axes."""
    if shape is None or shape.row is not None:
        return None
    return tuple(factor.id for factor in shape.factors())

"""Lengths: whether an axis counts samples or tokens of an input, for which nobody builds a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shapecheck.shapes.dim import Kind
from shapecheck.shapes.shape import Axis, Origin

if TYPE_CHECKING:
    from shapecheck.static.run import Run


def is_sequence(axis: Axis) -> bool:
    """Whether an axis is an input's own, not its last: nobody builds a layer for the length of a batch or a sequence."""
    if len(axis.factors) != 1 or axis.factors[0].origin is not Origin.INPUT:
        return False
    key = axis.factors[0].id
    return not (isinstance(key, tuple) and len(key) == 3 and key[1] == -1)


def is_made_of_lengths(run: Run, axis: Axis) -> bool:
    """Whether an axis is a sum or a product of lengths of inputs: a cache in front, an image's rows laid end to end."""
    if not axis.factors or any(factor.origin is not Origin.INPUT for factor in axis.factors):
        return False
    symbols = list(run.facts.resolve(axis.size).symbols())
    lengths = [symbol for symbol in symbols if isinstance(symbol.key, tuple) and symbol.key[1:] != (-1, "size")]
    return bool(lengths) and all(symbol.kind is Kind.INPUT for symbol in symbols)

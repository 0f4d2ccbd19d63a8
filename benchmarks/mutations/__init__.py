"""Six bugs that can be put into correct attention code, one at a time: one file each.

An operator says where its bug can be put into a class, and applies only where the mutated class really has that bug:
when in doubt, not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mutations import (
    dropped_guard,
    dropped_projection,
    inverse_scale,
    merge_without_transpose,
    softmax_axis,
    undivided_width,
)
from mutations.attention import Attention, Edit, Module
from mutations.attention import attention_classes as attention_classes


@dataclass(frozen=True)
class Mutant:
    """One bug in one class: the edits that put it there, and the row of the place that they are about."""

    symbol: str
    row: int
    edits: tuple[Edit, ...]

    def apply(self, text: str) -> str:
        data = text.encode()
        for edit in sorted(self.edits, reverse=True):
            data = data[: edit.start] + edit.text.encode() + data[edit.end :]
        return data.decode()


@dataclass(frozen=True)
class Operator:
    """A bug to put in, and the codes that name it: a finding with any other code is no catch."""

    name: str
    sites: Callable[[Attention], Iterator[tuple[int, tuple[Edit, ...]]]]
    codes: frozenset[str]

    def mutants(self, attention: Attention) -> tuple[Mutant, ...]:
        """Every way to put this bug into the class."""
        return tuple(Mutant(attention.node.name, row, edits) for row, edits in self.sites(attention))


OPERATORS = (
    Operator("dropped projection", dropped_projection.sites, frozenset({"ATN001", "SHP001"})),
    Operator("undivided width", undivided_width.sites, frozenset({"ATN002", "ATN013", "SHP001", "SHP002", "SHP003"})),
    Operator("merge without transpose", merge_without_transpose.sites, frozenset({"SHP001", "SHP002", "SHP003"})),
    Operator("softmax axis", softmax_axis.sites, frozenset({"ATN011"})),
    Operator("inverse scale", inverse_scale.sites, frozenset({"ATN013"})),
    Operator("dropped guard", dropped_guard.sites, frozenset({"ATN003"})),
)


def mutants(text: str) -> dict[str, dict[str, tuple[Mutant, ...]]]:
    """Operator → class → what can be done to it, for one module's text."""
    found: dict[str, dict[str, tuple[Mutant, ...]]] = {operator.name: {} for operator in OPERATORS}
    for attention in attention_classes(Module(text)):
        for operator in OPERATORS:
            if ways := operator.mutants(attention):
                found[operator.name][attention.node.name] = ways
    return found

"""Bugs that can be put into correct attention code, one at a time; operators that are alike share a file.

An operator says where its bug can be put into a class. The six of `OPERATORS` apply only where the mutated class really
has that bug, when in doubt not: nothing of it is run. Those of `TRIED` are for code that can be run, before and after.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mutations import (
    comments,
    dropped_guard,
    dropped_projection,
    inverse_scale,
    masks,
    merge_without_transpose,
    repeats,
    scale,
    softmax_axis,
    training,
    transposes,
    undivided_width,
    views,
    weak_guard,
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
    harmless_when_equal: bool = True  # a guard that goes and a comment that lies change no number
    anywhere: bool = False  # also in functions that don't attend themselves

    def mutants(self, attention: Attention) -> tuple[Mutant, ...]:
        """Every way to put this bug into the class."""
        return tuple(Mutant(attention.node.name, row, edits) for row, edits in self.sites(attention))


OPERATORS = (
    Operator("dropped projection", dropped_projection.sites, frozenset({"ATN001", "SHP001"})),
    Operator("undivided width", undivided_width.sites, frozenset({"ATN002", "ATN013", "SHP001", "SHP002", "SHP003"})),
    Operator("merge without transpose", merge_without_transpose.sites, frozenset({"SHP001", "SHP002", "SHP003"})),
    Operator("softmax axis", softmax_axis.sites, frozenset({"ATN011"})),
    Operator("inverse scale", inverse_scale.sites, frozenset({"ATN013"})),
    Operator("dropped guard", dropped_guard.sites, frozenset({"ATN003"}), harmless_when_equal=False),
)

_MOVED = frozenset({"ATN010", "SHP001", "SHP002", "SHP003", "SHP004", "SHP005"})
TRIED = (
    *OPERATORS,
    Operator("inverted guard", weak_guard.inverted, frozenset({"ATN003", "ATN004"}), harmless_when_equal=False),
    Operator("weakened guard", weak_guard.weakened, frozenset({"ATN003"}), harmless_when_equal=False),
    Operator("dropped transpose", transposes.dropped, _MOVED),
    Operator("added transpose", transposes.added, _MOVED),
    Operator("changed transpose", transposes.changed, _MOVED),
    Operator("keys not transposed", transposes.dropped_of_keys, _MOVED),
    Operator("swapped view", views.swapped, _MOVED | {"ATN013"}),
    Operator("folded into the batch", views.folded, frozenset({"SHP003"})),
    Operator("softmax over heads", softmax_axis.over_heads, frozenset({"ATN011"})),
    Operator("dropped scale", scale.dropped, frozenset({"ATN012"})),
    Operator("changed scale", scale.changed, frozenset({"ATN013"})),
    Operator("shifted diagonal", masks.shifted_diagonal, frozenset({"ATN024"})),
    Operator("inverted mask", masks.inverted, frozenset({"ATN020"})),
    Operator("moved mask", masks.moved, frozenset({"ATN021"})),
    Operator("weakened mask", masks.weakened, frozenset({"ATN022"})),
    Operator("dropout in eval", training.sites, frozenset({"ATN014"})),
    Operator("repeat order", repeats.sites, frozenset({"ATN015"}), anywhere=True),
    Operator("lying comment", comments.sites, frozenset({"SHP006"}), harmless_when_equal=False, anywhere=True),
)


def mutants(text: str) -> dict[str, dict[str, tuple[Mutant, ...]]]:
    """Operator → class → what can be done to it, for one module's text."""
    found: dict[str, dict[str, tuple[Mutant, ...]]] = {operator.name: {} for operator in OPERATORS}
    for attention in attention_classes(Module(text)):
        for operator in OPERATORS:
            if ways := operator.mutants(attention):
                found[operator.name][attention.node.name] = ways
    return found

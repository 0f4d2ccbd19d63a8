"""Trace and Step: what happened to the tensors of one forward, as a graph that rules ask questions of.

A Step is one op: tensors in, tensors out, the place in the source, and a Detail where the op has more to say than
shapes (which axes a product contracted, what a reshape regrouped, which axis a softmax ran over).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from shapecheck.shapes.built import BuiltLayer, Division, Size, StatedScale
from shapecheck.shapes.details import Detail
from shapecheck.shapes.dim import Dim
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.shape import Origin, Shape


class Place(Protocol):
    """Where something stands in the source: equal places are one place. `code` is its text."""

    @property
    def code(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a trace: its shape, the step that made it, and the order of its factors in memory.

    `memory` is None where the strides are not known. `origin` says whether it is an activation (OTHER), a PARAMETER,
    or CREATED from nothing (zeros, arange); `count` numbers the results of a step that has several.
    """

    shape: Shape | None
    step: int
    origin: Origin = Origin.OTHER
    memory: tuple[object, ...] | None = None
    count: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One op of a trace. `frame` is the class or function in whose body it stands, `names` what its results are bound to."""

    index: int
    op: str
    place: Place
    operands: tuple[Tensor, ...]
    results: tuple[Tensor, ...]
    frame: str
    detail: Detail | None = None
    lost_by: str | None = None  # the op or construct that lost the shape

    @property
    def result(self) -> Tensor:
        return self.results[0]


@dataclass(frozen=True, slots=True)
class Bound:
    """A tensor and the name that the source gives it."""

    name: str
    tensor: Tensor
    place: Place
    frame: str


@dataclass(frozen=True, slots=True)
class Discarded:
    """A step that gives a new tensor, which nobody takes: `op` is its name as written, `of` what it was asked of.

    `local` where that is a name of the body that the step stands in, which may be bound anew.
    """

    step: Step
    op: str
    of: str
    local: bool


@dataclass(frozen=True, eq=False)
class Trace:
    """One way through a forward: its steps in order, what is known of the sizes, and what it returns.

    `symbol` is the class or function; `decisions` are the conditions that were not known, as the source writes them,
    and which way this path took them. `completed` is False for a path that ends in a raise.
    """

    symbol: str
    steps: tuple[Step, ...]
    bound: tuple[Bound, ...]
    divisions: tuple[Division, ...]
    layers: tuple[BuiltLayer, ...]
    facts: Facts
    decisions: tuple[tuple[str, bool], ...]
    returned: tuple[Tensor, ...]
    sizes: tuple[Size, ...] = ()
    scales: tuple[StatedScale, ...] = ()
    completed: bool = True
    guarded: tuple[tuple[Place, Dim, Dim], ...] = ()  # remainders that are worked out: where, and of what
    built: frozenset[str] = frozenset()  # the classes of the project that it builds
    contradictory: bool = False  # an op needs another rank than what is known: then some shape is wrong
    even: frozenset[Place] = frozenset()  # divisions that leave no remainder whatever the sizes: `dim // dim`
    by_flag: bool = False  # a flag or a mode that is given to forward decides which way it goes
    discarded: tuple[Discarded, ...] = ()
    remarks: tuple[Remark, ...] = ()
    annotated: tuple[Annotated, ...] = ()
    elsewhere: bool = False  # the class is named where it can't be followed: in a table of classes
    changed: Mapping[int, int] = field(
        default_factory=dict
    )  # step → the last step before its result was changed in place
    # traces of the classes that build this one, it being inlined; followed further until one divides at a place, if one is given
    owners: Callable[..., tuple[Trace, ...]] = lambda place=None: ()
    builders: Callable[..., tuple[Trace, ...]] = lambda place=None: ()  # the same, but only as far as objects are built
    siblings: Callable[[], tuple[Trace, ...]] = tuple  # the other paths of the same class

    @cached_property
    def places(self) -> frozenset[Place]:
        """Every place that the path ran, of steps and of divisions, and of comments and annotations that can be judged."""
        from shapecheck.shapes.annotated import judged

        ran = [*(step.place for step in self.steps), *(division.place for division in self.divisions)]
        said = [claim.remark.place for claim in self.claims if claim.is_judged]
        return frozenset([*ran, *said, *(annotated.place for annotated, _ in judged(self))])

    def divides_at(self, place: Place) -> bool:
        """Whether the path runs a division at a place, be it one that comes out even."""
        return place in self.even or any(division.place == place for division in self.divisions)

    @cached_property
    def unchecked(self) -> frozenset[Place]:
        """Where divisions stand that nothing on this path checks."""
        from shapecheck.shapes.obligations import unchecked

        return frozenset(division.place for division in unchecked(self))

    def shape(self, tensor: Tensor) -> Shape | None:
        """The shape of a tensor with all that the path knows at its end."""
        return None if tensor.shape is None else self.facts.shape(tensor.shape)

    def maker(self, tensor: Tensor) -> Step:
        """The step that made a tensor."""
        return self.steps[tensor.step]

    @cached_property
    def _users(self) -> Mapping[int, tuple[Step, ...]]:
        found: dict[int, list[Step]] = {}
        for step in self.steps:
            for index in {operand.step for operand in step.operands}:
                found.setdefault(index, []).append(step)
        return {index: tuple(steps) for index, steps in found.items()}

    def users(self, step: Step) -> tuple[Step, ...]:
        """The steps that take a result of this one."""
        return self._users.get(step.index, ())

    def ancestors(self, step: Step) -> frozenset[int]:
        """The steps that a step's operands come from, however far back; its own index too."""
        seen = {step.index}
        stack = [step]
        while stack:
            for operand in stack.pop().operands:
                if operand.step not in seen:
                    seen.add(operand.step)
                    stack.append(self.steps[operand.step])
        return frozenset(seen)

    @cached_property
    def attentions(self) -> tuple[Attention, ...]:
        """Every attention of the trace: scores, softmax, context."""
        from shapecheck.shapes.attention import attentions

        return tuple(attentions(self))

    @cached_property
    def repeats(self) -> tuple[Repeats, ...]:
        """What each attention repeats for groups of queries."""
        from shapecheck.shapes.copies import repeats

        return tuple(found for found in (repeats(self, attention) for attention in self.attentions) if found)

    @cached_property
    def signs(self) -> tuple[Sign, ...]:
        """Every step that shows which axis counts samples, and which tokens."""
        from shapecheck.shapes.layout import signs

        return tuple(signs(self))

    @cached_property
    def sliced(self) -> tuple[Sliced, ...]:
        """Every layer over slices of what forward was given, one for all heads."""
        from shapecheck.shapes.slices import sliced

        return tuple(sliced(self))

    @cached_property
    def attended(self) -> frozenset[object]:
        """The rows of inputs that are attended over for certain."""
        from shapecheck.shapes.attention import attended

        return frozenset(attended(self))

    @cached_property
    def mismatches(self) -> tuple[Mismatch, ...]:
        """Every annotation that can't hold."""
        from shapecheck.shapes.annotated import mismatches

        return tuple(mismatches(self))

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """Every shape that a comment or a docstring claims, with the verdict on it."""
        from shapecheck.shapes.claims import claims

        return tuple(claims(self))

    @cached_property
    def masks(self) -> Reader:
        """What is known of the values of masks."""
        from shapecheck.shapes.reader import Reader

        return Reader(self)

    @cached_property
    def maskings(self) -> tuple[Masking, ...]:
        """Every mask that meets the scores or the weights of an attention."""
        from shapecheck.shapes.maskings import maskings

        return tuple(maskings(self))

    @cached_property
    def joins(self) -> tuple[Join, ...]:
        """Every place where the heads of an attention are put together."""
        from shapecheck.shapes.joins import joins

        return tuple(joins(self))


if TYPE_CHECKING:
    from shapecheck.shapes.annotated import Annotated, Mismatch
    from shapecheck.shapes.attention import Attention
    from shapecheck.shapes.claims import Claim
    from shapecheck.shapes.copies import Repeats
    from shapecheck.shapes.joins import Join
    from shapecheck.shapes.layout import Sign
    from shapecheck.shapes.maskings import Masking
    from shapecheck.shapes.reader import Reader
    from shapecheck.shapes.remarks import Remark
    from shapecheck.shapes.slices import Sliced

"""A class or a function → its traces, one for each path.

Paths are ordered by how many decisions they flip from the default, fewest first: depth first would never flip the early
ones, and with a cap the late ones are what is left out. A path goes on from the last place that it shares with the one
that it leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import libcst as cst

from shapecheck.shapes.dim import Kind
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.rows import axis_of_row
from shapecheck.shapes.shape import Axis, Entry, Factor, Origin
from shapecheck.shapes.trace import Trace
from shapecheck.static.annotations import note_result
from shapecheck.static.arguments import root_arguments
from shapecheck.static.calls import Returned, entered
from shapecheck.static.classes import find_in_class
from shapecheck.static.ended import trace_of
from shapecheck.static.objects import with_unknown_arguments
from shapecheck.static.ranks import USUAL
from shapecheck.static.run import Dead, Frame, GiveUp, Run
from shapecheck.static.scope import Scope
from shapecheck.static.snapshot import copied
from shapecheck.static.statements import step
from shapecheck.static.values import NONE, Class, Function, Value

MOST_PATHS = 64
FORWARDS = ("forward", "__call__")


@dataclass(frozen=True)
class Root:
    """What is traced: a class with a forward, or a function that no class of its file calls."""

    of: Class | Function
    forward: bool = True  # False: an object of the class is built, and that is all

    @property
    def symbol(self) -> str:
        return self.of.name


@dataclass(frozen=True)
class Traced:
    """The traces of a root, how many paths were left out, and whether one of those runs code that no other ran."""

    root: Root
    traces: tuple[Trace, ...]
    left_out: int
    unseen: bool = False


@dataclass(frozen=True)
class Stage:
    """A path before a statement of forward, and how many decisions it had taken by then."""

    run: Run
    scope: Scope
    function: Function
    index: int
    decided: int


@dataclass(frozen=True)
class Turn:
    """A path that leaves another one at a decision; `past` is the code that the other one went past for it."""

    forced: dict[object, bool]
    start: Stage | None  # None: from the very beginning
    past: frozenset[object]


class Paths:
    """The paths of one root, followed as they are asked for."""

    def __init__(self, root: Root, common: int = USUAL, *, heed: bool = True) -> None:
        """`common` is the rank of what nobody says the rank of; `heed` is whether annotations tell shapes."""
        self.root = root
        self.common = common
        self.traces: list[Trace] = []
        self._waiting = [Turn({}, None, frozenset())]
        self._seed: Facts | None = None
        self._work = 0  # expressions evaluated
        self._ran: set[object] = set()
        self._heed = heed

    def follow(
        self,
        most_work: int,
        *,
        most_paths: int = MOST_PATHS,
        every: bool = False,
        until: Callable[[Trace], bool] = lambda trace: False,
    ) -> Traced:
        """The paths so far and more, as the limits allow: those that run code which no other ran, or `every` one.

        It ends with the first new one that is all that was looked for.
        """
        passed: list[Turn] = []
        while self._waiting and len(self.traces) < most_paths and (self._work < most_work or not self.traces):
            turn = self._waiting.pop(0)
            if self.traces and not every and turn.past <= self._ran:
                passed.append(turn)
                continue
            self._ran |= turn.past  # tried, whether or not it gets there
            self._follow(turn)
            if until(self.traces[-1]):
                break
        self._waiting = [*passed, *self._waiting]
        unseen = any(not turn.past <= self._ran for turn in self._waiting)
        return Traced(self.root, tuple(self.traces), len(self._waiting), unseen)

    def forget(self) -> None:
        """Let go of all paths, those that wait too."""
        self.traces.clear()
        self._waiting.clear()

    def _follow(self, turn: Turn) -> None:
        walk, result, completed = self._walked(turn)
        run = walk.run
        if self._seed is None:
            self._seed = _without_sizes(_ranks(run))
        self.traces.append(trace_of(run, self.root.symbol, result, completed=completed))
        self._ran |= run.ran
        keys = list(run.decisions)
        last = max((keys.index(key) for key in turn.forced if key in run.decisions), default=-1)
        for place, key in enumerate(keys[last + 1 :], last + 1):
            start = next((stage for stage in reversed(walk.stages) if stage.decided <= place), None)
            past = frozenset(fork.branch for fork in run.forks if key in fork.decisions)
            self._waiting.append(Turn({**turn.forced, key: not run.decisions[key]}, start, past))

    def _walked(self, turn: Turn) -> tuple[Walk, Value, bool]:
        """One path, which takes annotations at their word unless the code can't."""
        found = self._settled(turn)
        run = found[0].run
        if run.conflict and run.annotated and self._heed:
            self._heed = False
            plain = self._settled(Turn(turn.forced, None, turn.past))
            if not plain[0].run.conflict:
                return plain
            self._heed = True
        return found

    def _settled(self, turn: Turn) -> tuple[Walk, Value, bool]:
        """One path; walked again with what it learnt about ranks where that came too late.

        The ranks that the first path found are tried for the others, and dropped where they don't fit. Where nothing
        attends, but only builds or calls what does, the usual ranks are tried at once.
        """
        if self._seed is not None or not self.root.of.slice.block.mentions_attention:
            walk = Walk(self.root, turn, self._seed or Facts(), self.common)
            ended = self._measured(walk)
            if not walk.run.conflict:
                return walk, *ended
        fresh = Turn(turn.forced, None, turn.past)
        walk = Walk(self.root, fresh, None, self.common)
        ended = self._measured(walk)
        if walk.run.unsettled:
            built = walk.stages[0] if walk.stages else None  # no shape is at stake before forward begins
            walk = Walk(self.root, Turn(turn.forced, built, turn.past), _ranks(walk.run), self.common)
            ended = self._measured(walk)
            if walk.run.blind:  # a rank that was settled behind a broadcast helps it too
                again = Walk(self.root, Turn(turn.forced, built, turn.past), _ranks(walk.run), self.common)
                better = self._measured(again)
                if not again.run.conflict:
                    return again, *better
        return walk, *ended

    def _measured(self, walk: Walk) -> tuple[Value, bool]:
        before, walk.run.heed = walk.run.nodes, self._heed
        ended = walk.go()
        self._work += walk.run.nodes - before
        return ended


def _ranks(run: Run) -> Facts:
    """What a run found out about ranks, to start the next one with; what was only assumed stays marked."""
    facts = run.facts
    return Facts(rows=dict(facts.rows), names=dict(facts.names), assumed=facts.assumed & facts.rows.keys())


def _without_sizes(facts: Facts) -> Facts:
    """Ranks alone: on another path the axes of the same input may be as long as something else."""
    return replace(facts, rows={key: tuple(map(_bare, entries)) for key, entries in facts.rows.items()})


def _bare(entry: Entry) -> Entry:
    match entry:
        case Axis(factors=(Factor(id=(key, int(place), "axis")) as factor,)):
            symbol = factor.size.symbol
            if symbol is None or symbol.key != (key, place, "size"):
                return axis_of_row(key, place, given=factor.origin is Origin.INPUT)
    return entry


class Walk:
    """One way through a root, from its beginning or from a stage of another path."""

    def __init__(self, root: Root, turn: Turn, seed: Facts | None, common: int) -> None:
        self.root = root
        self.stages: list[Stage] = []
        self.start = turn.start
        if turn.start is None:
            self.run = Run(turn.forced, seed=seed, assume=seed is not None, common=common)
            return
        self.run, self.scope = copied(turn.start.run, turn.start.scope)
        self.run.forced = turn.forced
        if seed is not None:
            self.run.assume = True
            self.run.facts.rows = {**seed.rows, **self.run.facts.rows}
            self.run.facts.names = {**seed.names, **self.run.facts.names}
            self.run.facts.assumed |= seed.assumed

    def go(self) -> tuple[Value, bool]:
        """What forward returns, and whether it does."""
        try:
            if self.start is not None:
                return self._forward(self.start.function, self.start.index), True
            self.run.frames.append(Frame(self.root.symbol, self.root.of.slice, "<root>"))
            return self._from_the_beginning(), True
        except (Dead, GiveUp, RecursionError):
            return NONE, False

    def _from_the_beginning(self) -> Value:
        run, of = self.run, self.root.of
        if isinstance(of, Function):
            assert isinstance(of.node, cst.FunctionDef)
            return self._enter(of, root_arguments(run, of.node.params, Kind.INPUT, of.name, of.scope))
        instance = with_unknown_arguments(run, of, of.name)
        if not self.root.forward:
            return NONE
        for name in FORWARDS:
            method = find_in_class(run, of, name)
            if isinstance(method, Function) and isinstance(method.node, cst.FunctionDef):
                bound = Function(name, method.node, method.slice, method.scope, method.owner, instance)
                params = method.node.params.with_changes(params=method.node.params.params[1:])
                return self._enter(bound, root_arguments(run, params, Kind.INPUT, of.name, method.scope))
        return NONE

    def _enter(self, function: Function, arguments: dict[str, Value]) -> Value:
        assert isinstance(function.node, cst.FunctionDef)
        self.run.in_forward = True
        self.scope = entered(self.run, function, [], arguments)
        return self._forward(function, 0)

    def _forward(self, function: Function, index: int) -> Value:
        assert isinstance(function.node, cst.FunctionDef)
        body = function.node.body.body
        try:
            for place in range(index, len(body)):
                if place == 0 or isinstance(body[place], cst.If):  # where paths part most often
                    run, scope = copied(self.run, self.scope)
                    self.stages.append(Stage(run, scope, function, place, len(run.decisions)))
                step(self.run, body[place], self.scope)
        except Returned as returned:
            note_result(self.run, function, returned.value, self.scope)
            return returned.value
        return NONE

"""Subject: one file under analysis. Its roots, the traces of each, and those of the classes that build it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial

from shapecheck.shapes.trace import Place, Trace
from shapecheck.static.paths import Paths, Root, Traced
from shapecheck.static.project import File
from shapecheck.static.roots import Candidates, builders, candidates, resolved
from shapecheck.static.values import Class

# Expressions evaluated for one class, all its paths together.
FIRST_WORK = 1_500  # until some rule says something
MOST_WORK = 5_000  # from then on
NEAR = 1_500  # for a class that only builds or calls one that attends: a few paths at most
SEEKING = 12_000  # where a path is looked for that gets to a place, or that runs what no other ran


class Subject:
    """One file under analysis: its roots, each traced once."""

    def __init__(self, file: File, scope: str) -> None:
        self.file = file
        self.scope = scope
        self._traces: dict[tuple[int, bool], Traces] = {}
        self.meant: set[object] = set()  # the signs, seen so far, that something is as it is on purpose

    @cached_property
    def candidates(self) -> Candidates:
        return candidates(self.file, self.scope)

    @cached_property
    def roots(self) -> list[Root]:
        return [Root(of) for of in resolved(self.file, self.candidates.blocks)]

    def traced(self, root: Root, *, every: bool = False) -> Traced:
        """The traces of a root, on the paths that run new code or on `every` one; each can ask for those of its owners."""
        key = id(root.of.node), root.forward
        if key not in self._traces:
            self._traces[key] = Traces(self, root)
        return self._traces[key].traced(every=every)

    def seen(self, root: Root) -> Traced:
        """The same, more of those paths that run new code."""
        return self._traces[id(root.of.node), root.forward].seen()

    def forget(self) -> None:
        """Let go of everything: it goes round in circles, and the collector takes long to find that out."""
        for traces in self._traces.values():
            traces.forget()
        self._traces.clear()
        self.file.forget()

    def owners(self, root: Root, place: Place | None = None, *, forward: bool) -> tuple[Trace, ...]:
        """The traces of the classes that build this one; without `forward` they may end once it is built.

        Where a place is given, one that divides there is among them, if there is any.
        """
        return tuple(
            trace
            for owner in self._owners(root, forward=forward)
            for trace in self._asked(owner, place)
            if trace.completed
        )

    def _asked(self, owner: Root, place: Place | None) -> tuple[Trace, ...]:
        traces = self.traced(owner).traces
        if place is None or any(trace.divides_at(place) for trace in traces[:8]):
            return traces[:8]
        sought = self._traces[id(owner.of.node), owner.forward].sought(place)
        return traces[:8] if sought is None else (*traces[:8], sought)

    def _owners(self, root: Root, *, forward: bool) -> Iterator[Root]:
        if isinstance(root.of, Class):
            for block in builders(self.file, root.of.name):
                traced_anyway = block in self.candidates.blocks
                for of in resolved(self.file, (block,)):
                    if isinstance(of, Class):
                        yield Root(of, forward=forward or traced_anyway)


class Traces:
    """The traces of one root, more of them when more are asked for."""

    def __init__(self, subject: Subject, root: Root) -> None:
        self._subject = subject
        self._root = root
        self._paths = Paths(root)
        self._traces: list[Trace] = []
        self._left_out = 0
        self._unseen = False
        self._attends = root.of.slice.block.mentions_attention
        self._asked: set[bool] = set()
        self._sought: set[Place] = set()

    def forget(self) -> None:
        """Let go of the traces, and of what was worked out of them: some of that knows its trace."""
        for trace in self._traces:
            vars(trace).clear()
        self._traces.clear()
        self._paths.forget()

    def traced(self, *, every: bool) -> Traced:
        """Those of the paths that run new code, or of every path."""
        if every not in self._asked:
            self._asked.add(every)  # a class that owns itself asks while it is being traced
            self._follow(every=every)
        return Traced(self._root, tuple(self._traces), self._left_out, self._unseen)

    def seen(self) -> Traced:
        """The traces with those of more paths that run new code: what is said to raise must raise on all of these.

        A class that only builds one that attends may choose what it builds by a value: there every path counts.
        """
        if self._unseen:
            self._take(self._paths.follow(SEEKING, every=not self._attends))
        return self.traced(every=False)

    def sought(self, place: Place) -> Trace | None:
        """A trace that divides at a place: of the paths so far, or of some more, followed for it."""
        if place not in self._sought:
            self._sought.add(place)
            if not any(trace.divides_at(place) for trace in self._traces):
                self._take(self._paths.follow(SEEKING, every=True, until=lambda trace: trace.divides_at(place)))
        return next((trace for trace in self._traces if trace.divides_at(place)), None)

    def _follow(self, *, every: bool) -> None:
        if not self._attends:
            self._take(self._paths.follow(NEAR, most_paths=4))
        else:
            self._take(self._paths.follow(MOST_WORK if every else FIRST_WORK, every=every))

    def _take(self, found: Traced) -> None:
        elsewhere = self._root.symbol in self._subject.candidates.elsewhere
        for trace in found.traces[len(self._traces) :]:
            owners = partial(self._subject.owners, self._root, forward=True)
            built = partial(self._subject.owners, self._root, forward=False)
            self._traces.append(
                replace(trace, owners=owners, builders=built, siblings=self._so_far, elsewhere=elsewhere)
            )
        self._left_out = found.left_out
        self._unseen = found.unseen or (not self._attends and found.left_out > 0)

    def _so_far(self) -> tuple[Trace, ...]:
        return tuple(trace for trace in self._traces if trace.completed)

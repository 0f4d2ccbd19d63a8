"""The tensors of a file, each with its shape: what `shapecheck show` prints and coverage is counted on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shapecheck.source import Source
from shapecheck.static.paths import Paths, Root
from shapecheck.static.project import File, Project
from shapecheck.static.subject import Subject
from shapecheck.static.syntax import NodePlace, problem
from shapecheck.static.values import Class, Function


@dataclass(frozen=True, slots=True)
class ShownTensor:
    """A tensor bound to a name on one path. `lost_by` names the op that lost its shape; None where it is wholly known."""

    row: int
    column: int
    name: str
    shape: str
    lost_by: str | None
    symbol: str
    path: str  # the decisions that the path took
    left_out: int  # paths of the symbol that were not followed


def shown(source: Source, project: Project, name: str | None = None) -> Iterator[ShownTensor]:
    """Every tensor bound in the forwards of a file, on the first path; of one class or function, where `name` is given."""
    if problem(source.text) is not None:
        return
    subject = Subject(File(source.path, source.text, project, notebook=bool(source.cells)), "attention")
    roots = subject.roots
    if name is not None:
        found = subject.file.find(name, 1 << 30)
        roots = [Root(found)] if isinstance(found, Class | Function) else []
    for root in roots:
        result = Paths(root).follow(1, most_paths=1)
        for trace in result.traces[:1]:
            told = ", ".join(f"{cond} is {str(value).lower()}" for cond, value in trace.decisions)
            for bound in trace.bound:
                place = bound.place
                assert isinstance(place, NodePlace)
                if place.path != source.path:
                    continue
                shape = trace.shape(bound.tensor)
                step = trace.maker(bound.tensor)
                known = shape is not None and shape.known
                left_out = len(result.traces) - 1 + result.left_out
                yield ShownTensor(
                    place.span.row, place.span.column, bound.name, str(shape), None if known else step.lost_by or step.op,
                    bound.frame, told, left_out,
                )  # fmt: skip

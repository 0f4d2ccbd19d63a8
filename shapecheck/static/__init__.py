"""Source → Trace → findings; nothing of the source is run. Importing this loads no parser yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shapecheck.rule import Rule
    from shapecheck.source import Source
    from shapecheck.static.analysis import Analysis
    from shapecheck.static.project import Project
    from shapecheck.static.shown import ShownTensor


def analyse(source: Source, project: Project, rules: Sequence[Rule], scope: str) -> Analysis:
    """Everything that `rules` find in a file."""
    from shapecheck.static.analysis import analyse as analysed

    return analysed(source, project, rules, scope)


def show(source: Source, project: Project, name: str | None = None) -> Iterator[ShownTensor]:
    """Every tensor that the forwards of a file bind to a name; `name` is one class or function."""
    from shapecheck.static.shown import shown

    return shown(source, project, name)

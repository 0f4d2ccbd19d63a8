"""A class or function object → the static half's traces of its source."""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import types
from functools import lru_cache
from pathlib import Path
from typing import Any

from shapecheck.rule import Finding, load_rules
from shapecheck.shapes.trace import Trace
from shapecheck.source import Source
from shapecheck.static.analysis import findings_of, traces_of
from shapecheck.static.paths import Paths, Root, Traced
from shapecheck.static.project import File, Project
from shapecheck.static.syntax import problem
from shapecheck.static.values import Class, Function

MOST_WORK = 40_000  # expressions: one class only, and the path that ran must be among those followed


class NoPrediction(Exception):
    """Nothing can be predicted; says why."""


def predicted(of: Any) -> Traced:
    """Every path through the forward of a class, or through a function; raises NoPrediction."""
    of = inspect.unwrap(of) if isinstance(of, types.FunctionType) else of
    name = of.__qualname__
    filename = _filename(of)
    text = "".join(linecache.getlines(filename)) if filename is not None else ""
    if filename is None or not text:
        raise NoPrediction(f"the source of `{name}` isn't at hand")
    if not name.isidentifier():
        raise NoPrediction(f"`{name}` isn't defined at the top of its file")
    return _predicted(Path(os.path.realpath(filename)), text, name)


def findings_in(of: type) -> tuple[Finding, ...]:
    """What the rules say of a class, on every path of it; nothing where its source can't be had."""
    source = _source(of)
    return () if source is None else findings_of(source, _project(source.path.parent), load_rules(), of.__name__)


def traces_in(of: type) -> tuple[Trace, ...]:
    """The traces that the rules are asked about: those of a class that know who builds it."""
    source = _source(of)
    return () if source is None else traces_of(source, _project(source.path.parent), of.__name__)


def _source(of: type) -> Source | None:
    filename = _filename(of)
    text = "".join(linecache.getlines(filename)) if filename is not None else ""
    return Source(Path(os.path.realpath(filename)), text) if filename is not None and text else None


def attends(of: type) -> bool:
    """Whether some path of a class holds an attention."""
    try:
        return any(trace.attentions for trace in predicted(of).traces)
    except NoPrediction:
        return False


def file_of(of: type) -> Path | None:
    """The file that a class is defined in."""
    filename = _filename(of)
    return Path(os.path.realpath(filename)) if filename is not None else None


def _filename(of: Any) -> str | None:
    """The file of a function, or of a class: that of its methods, since its module may be gone, or a notebook."""
    if isinstance(of, types.FunctionType):
        return of.__code__.co_filename
    own = [value for value in vars(of).values() if isinstance(value, types.FunctionType)]
    own = [inspect.unwrap(value) for value in own if value.__module__ == of.__module__]
    if own:
        return own[0].__code__.co_filename
    return getattr(sys.modules.get(of.__module__), "__file__", None)


@lru_cache(maxsize=256)
def _predicted(path: Path, text: str, name: str) -> Traced:
    if (wrong := problem(text)) is not None:
        raise NoPrediction(f"{path} doesn't parse: {wrong.message}")
    file = File(path, text, _project(path.parent))
    found = file.find(name, 1 << 30)
    if not isinstance(found, Class | Function):
        raise NoPrediction(f"`{name}` isn't defined at the top of {path.name}")
    return Paths(Root(found), heed=False).follow(MOST_WORK, every=True)


@lru_cache(maxsize=32)
def _project(folder: Path) -> Project:
    return Project.of(folder)

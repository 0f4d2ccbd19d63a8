"""A class or function object → the static half's traces of its source."""

from __future__ import annotations

import inspect
import os
import types
from functools import lru_cache
from pathlib import Path
from typing import Any

from shapecheck.source import Unreadable, read
from shapecheck.static.paths import Root, Traced, traced
from shapecheck.static.project import File, Project
from shapecheck.static.syntax import problem
from shapecheck.static.values import Class, Function

MOST_PATHS = 64
MOST_WORK = 40_000  # expressions: one class only, and the path that ran must be among those followed


class NoPrediction(Exception):
    """Nothing can be predicted; says why."""


def predicted(of: Any) -> Traced:
    """Every path through the forward of a class, or through a function; raises NoPrediction."""
    of = inspect.unwrap(of) if isinstance(of, types.FunctionType) else of
    name = of.__qualname__
    try:
        filename = inspect.getsourcefile(of)
    except TypeError:
        filename = None
    if filename is None or not Path(filename).exists():
        raise NoPrediction(f"the source of `{name}` isn't at hand")
    if not name.isidentifier():
        raise NoPrediction(f"`{name}` isn't defined at the top of its file")
    path = Path(os.path.realpath(filename))
    return _predicted(path, path.stat().st_mtime_ns, name)


@lru_cache(maxsize=256)
def _predicted(path: Path, changed: int, name: str) -> Traced:
    """`changed` keeps the prediction for an older version of the file from being used."""
    try:
        source = read(path, path.read_bytes())
    except (OSError, Unreadable) as error:
        raise NoPrediction(f"{path} can't be read: {error}") from error
    if (wrong := problem(source.text)) is not None:
        raise NoPrediction(f"{path} doesn't parse: {wrong.message}")
    file = File(path, source.text, _project(path.parent), notebook=bool(source.cells))
    found = file.find(name, 1 << 30)
    if not isinstance(found, Class | Function):
        raise NoPrediction(f"`{name}` isn't defined at the top of {path.name}")
    return traced(Root(found), MOST_PATHS, MOST_WORK)


@lru_cache(maxsize=32)
def _project(folder: Path) -> Project:
    return Project.of(folder)

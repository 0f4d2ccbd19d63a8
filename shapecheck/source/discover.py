"""Paths → the files to check: Python files and notebooks, less what is excluded or ignored by git."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shapecheck.config import Config, Configs
from shapecheck.globs import Globs
from shapecheck.source import absolute

SUFFIXES = (".py", ".ipynb")


@dataclass(frozen=True, slots=True)
class Found:
    """A file to check and its configuration; or a path that can't be read, and why."""

    path: Path
    config: Config
    error: str | None = None


def discover(paths: Sequence[Path], configs: Configs) -> Iterator[Found]:
    """The files in and under `paths`, each once; a path that was named is checked whatever its suffix."""
    seen: set[Path] = set()
    for path in paths:
        for found in _in(absolute(path), configs):
            if found.path not in seen:
                seen.add(found.path)
                yield found


def _in(path: Path, configs: Configs) -> Iterator[Found]:
    is_folder = path.is_dir()
    config = configs.of(path if is_folder else path.parent)
    if config.force_exclude and any(globs.match(path, is_folder=is_folder) for globs in config.excludes):
        return
    if is_folder:
        yield from _under(path, configs)
    else:
        yield Found(path, config)


def _under(root: Path, configs: Configs) -> Iterator[Found]:
    """The files below a folder that the user named. Links to folders are not followed, so there is no loop."""
    excludes: dict[Config, list[Globs]] = {}
    folders = [(root, _gitignores_above(root))]
    while folders:
        folder, ignores = folders.pop()
        config = configs.of(folder)
        if config not in excludes:
            excludes[config] = [globs.sparing(root) for globs in config.excludes]
        ignores = _with_gitignore(folder, ignores)
        try:
            with os.scandir(folder) as entries:
                children = [entry for entry in entries if _is_wanted(entry)]
        except OSError as error:
            yield Found(folder, config, error.strerror)
            continue
        for child in children:
            path, is_folder = Path(child.path), child.is_dir(follow_symlinks=False)
            if any(globs.match(path, is_folder=is_folder) for globs in excludes[config]):
                continue
            if config.respect_gitignore and _is_ignored(path, ignores, is_folder=is_folder):
                continue
            if is_folder:
                folders.append((path, ignores))
            else:
                yield Found(path, config)


def _is_wanted(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a file by its suffix: no link to a folder, no pipe; a link to nothing is."""
    if entry.is_dir(follow_symlinks=False):
        return True
    if not entry.name.endswith(SUFFIXES) or entry.name.startswith(".#"):  # an editor's lock is a link to nothing
        return False
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return True


def _is_ignored(path: Path, ignores: tuple[Globs, ...] | None, *, is_folder: bool) -> bool:
    """The .gitignore nearest to `path` that says something of it decides; None: we are in no repository."""
    said = (globs.match(path, is_folder=is_folder) for globs in reversed(ignores or ()))
    return next((answer for answer in said if answer is not None), False)


def _with_gitignore(folder: Path, ignores: tuple[Globs, ...] | None) -> tuple[Globs, ...] | None:
    """`ignores` and what the .gitignore of `folder` adds."""
    if ignores is None and not (folder / ".git").exists():
        return None
    files = [folder / ".gitignore", folder / ".git" / "info" / "exclude"]
    added = tuple(Globs(folder, patterns) for file in files if (patterns := _patterns(file)))
    return (ignores or ()) + added


def _patterns(file: Path) -> tuple[str, ...]:
    try:
        return tuple(file.read_text("utf-8", "replace").splitlines())
    except OSError:
        return ()


def _gitignores_above(root: Path) -> tuple[Globs, ...] | None:
    """The .gitignore files between the repository's root and `root`, without the patterns that match `root`."""
    above = list(root.parents)
    repository = next((index for index, folder in enumerate(above) if (folder / ".git").exists()), None)
    if repository is None or (root / ".git").exists():
        return None
    ignores: tuple[Globs, ...] | None = None
    for folder in reversed(above[: repository + 1]):
        ignores = _with_gitignore(folder, ignores)
    return tuple(globs.sparing(root) for globs in ignores or ())

"""Globs: patterns as in a .gitignore, relative to a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


@dataclass(frozen=True)
class Globs:
    """Patterns in the syntax of .gitignore; one without a slash matches a name at any depth."""

    folder: Path
    patterns: tuple[str, ...]

    def match(self, path: Path, *, is_folder: bool = False) -> bool | None:
        """True: `path` or a folder above it matches; False: a `!pattern` takes it back; None: nothing is said of it."""
        return self._spec.check_file(self._relative(path) + "/" * is_folder).include if self.patterns else None

    def sparing(self, path: Path) -> Globs:
        """Without the patterns that match `path` itself: the user named it, so it is wanted."""
        each = (Globs(self.folder, (pattern,)) for pattern in self.patterns)
        return Globs(self.folder, tuple(one.patterns[0] for one in each if not one.match(path, is_folder=True)))

    def _relative(self, path: Path) -> str:
        whole, folder = str(path), str(self.folder).rstrip(os.sep) + os.sep
        inside = whole[len(folder) :] if whole.startswith(folder) else whole.lstrip(os.sep)
        return inside.replace(os.sep, "/")

    @cached_property
    def _spec(self) -> GitIgnoreSpec:
        from pathspec import GitIgnoreSpec

        return GitIgnoreSpec.from_lines(self.patterns)

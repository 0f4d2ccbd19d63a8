"""shapecheck.toml or [tool.shapecheck] in pyproject.toml → Config: what is in force for a file, and who said so."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from shapecheck.globs import Globs
from shapecheck.rule import Rule
from shapecheck.selectors import Choice, chosen, is_known, nearest, specificity

FORMATS = ("full", "concise", "json", "json-lines", "github", "sarif")
SCOPES = ("attention", "modules")
EXCLUDE = (
    ".bzr .direnv .eggs .git .git-rewrite .hg .ipynb_checkpoints .mypy_cache .nox .pants.d .pyenv .pytest_cache .pytype "
    ".ruff_cache .svn .tox .venv .vscode __pypackages__ _build buck-out dist node_modules site-packages venv"
)


class ConfigError(Exception):
    """A configuration that says something unknown or of the wrong type; the message names the file and the key."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one origin says: the defaults, a file or the command line. None: it doesn't say."""

    origin: str
    folder: Path  # globs and paths are relative to it
    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    per_file_ignores: Mapping[str, tuple[str, ...]] | None = None
    exclude: tuple[str, ...] | None = None
    extend_exclude: tuple[str, ...] | None = None
    force_exclude: bool | None = None
    respect_gitignore: bool | None = None
    rule_paths: tuple[str, ...] | None = None
    scope: str | None = None
    output_format: str | None = None


@dataclass(frozen=True, eq=False)
class Config:
    """The layers in force for a file, the weakest first: defaults, the nearest file, the command line."""

    layers: tuple[Layer, ...]

    def said(self, name: str) -> tuple[Any, Layer]:
        """The value of an option and the layer that it comes from; None where even the default says nothing."""
        layers = (layer for layer in reversed(self.layers) if getattr(layer, name) is not None)
        layer = next(layers, self.layers[0])
        return getattr(layer, name), layer

    @property
    def force_exclude(self) -> bool:
        return bool(self.said("force_exclude")[0])

    @property
    def respect_gitignore(self) -> bool:
        return bool(self.said("respect_gitignore")[0])

    @property
    def scope(self) -> str:
        return str(self.said("scope")[0])

    @property
    def output_format(self) -> str:
        return str(self.said("output_format")[0])

    @cached_property
    def rule_folders(self) -> tuple[Path, ...]:
        """The folders of the user's own rules."""
        paths, layer = self.said("rule_paths")
        return tuple(layer.folder / path for path in paths)

    @cached_property
    def excludes(self) -> tuple[Globs, ...]:
        """What discovery leaves out: `exclude` of the strongest layer, `extend-exclude` of them all."""
        patterns, layer = self.said("exclude")
        extended = (Globs(layer.folder, layer.extend_exclude) for layer in self.layers if layer.extend_exclude)
        return (Globs(layer.folder, patterns), *extended)

    def rules_for(self, path: Path, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Those of `rules` that run on a file."""
        ignored = [code for globs, codes in self._per_file_ignores if globs.match(path) for code in codes]
        if not ignored:
            return self._chosen(rules)
        return tuple(
            rule for rule in self._chosen(rules) if not any(specificity(one, rule.code, rule.name) for one in ignored)
        )

    def _chosen(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return chosen(rules, [Choice(one.select, one.extend_select, one.ignore) for one in self.layers])

    @cached_property
    def _per_file_ignores(self) -> tuple[tuple[Globs, tuple[str, ...]], ...]:
        table, layer = self.said("per_file_ignores")
        return tuple((Globs(layer.folder, (pattern,)), codes) for pattern, codes in table.items())

    def check_selectors(self, rules: tuple[Rule, ...]) -> None:
        """Raises ConfigError for the first code or name that means none of `rules`."""
        for layer in self.layers:
            for key, selector in _selectors(layer):
                if not is_known(selector, rules) and selector != "ALL":
                    near = nearest(selector, [word for rule in rules for word in (rule.code, rule.name)])
                    raise ConfigError(f"{layer.origin}: `{key}`: no rule is called `{selector}`{near}")


def _selectors(layer: Layer) -> Iterator[tuple[str, str]]:
    for key in ("select", "extend_select", "ignore"):
        yield from ((spelled(key), selector) for selector in getattr(layer, key) or ())
    for codes in (layer.per_file_ignores or {}).values():
        yield from (("per-file-ignores", selector) for selector in codes)


def defaults(folder: Path) -> Layer:
    """What holds where nobody says anything: every rule that isn't INFO, ruff's excludes."""
    return Layer(
        "default",
        folder,
        per_file_ignores={},
        exclude=tuple(EXCLUDE.split()),
        force_exclude=False,
        respect_gitignore=True,
        rule_paths=(),
        scope="attention",
        output_format="full",
    )


@dataclass(frozen=True)
class Configs:
    """The configuration of every folder: the nearest file's, no inheritance; `only` replaces them all."""

    command_line: Layer
    only: Path | None = None
    isolated: bool = False
    _known: dict[Path, Config] = field(default_factory=dict)

    def of(self, folder: Path) -> Config:
        """What is in force for the files of `folder`; raises ConfigError."""
        if folder not in self._known:
            self._known[folder] = self._found(folder)
        return self._known[folder]

    def all_known(self) -> tuple[Config, ...]:
        """Each configuration asked for so far, once."""
        return tuple(dict.fromkeys(self._known.values()))

    def _found(self, folder: Path) -> Config:
        here = self.command_line.folder
        if self.isolated or self.only:
            if folder != here:
                return self.of(here)
            return self._with(load(self.only) if self.only else None)
        layer = _layer_in(folder)
        if layer is not None or folder.parent == folder:
            return self._with(layer)
        return self.of(folder.parent)

    def _with(self, layer: Layer | None) -> Config:
        said = (layer,) if layer else ()
        return Config((defaults(layer.folder if layer else self.command_line.folder), *said, self.command_line))


def load(path: Path) -> Layer:
    """What one configuration file says; raises ConfigError."""
    layer = _read(path)
    if layer is None:
        raise ConfigError(f"{path}: no [tool.shapecheck] in it")
    return layer


def _layer_in(folder: Path) -> Layer | None:
    """What the configuration file of this very folder says, if there is one."""
    for name in ("shapecheck.toml", "pyproject.toml"):
        path = folder / name
        if path.is_file() and (layer := _read(path)) is not None:
            return layer
    return None


def _read(path: Path) -> Layer | None:
    """None for a pyproject.toml without our table."""
    ours = path.name != "pyproject.toml"
    try:
        data = path.read_bytes()
        if not ours and b"shapecheck" not in data:
            return None
        table = _toml(data.decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigError(f"{path}: {error}") from error
    if not ours:
        tool = table.get("tool")
        if not isinstance(tool, dict) or "shapecheck" not in tool:
            return None
        table = tool["shapecheck"]
    return from_table(table, path)


def _toml(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def from_table(table: Any, path: Path) -> Layer:
    """The layer that a table of a file says; raises ConfigError for a key or a value that it can't mean."""
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: `tool.shapecheck` is to be a table")
    said: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _READERS:
            raise ConfigError(f"{path}: no option is called `{key}`{nearest(key, _READERS)}")
        try:
            said[key.replace("-", "_")] = _READERS[key](value)
        except TypeError as error:
            raise ConfigError(f"{path}: `{key}` is to be {error}, not {value!r}") from None
    layer = replace(Layer(str(path), path.parent), **said)
    for folder in layer.rule_paths or ():
        if not (path.parent / folder).is_dir():
            raise ConfigError(f"{path}: `rule-paths`: there is no folder {folder}")
    return layer


def spelled(name: str) -> str:
    """The key in a file for a field of Layer."""
    return name.replace("_", "-")


OPTIONS = tuple(one.name for one in fields(Layer) if one.name not in ("origin", "folder"))


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError("a list of strings")
    return tuple(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


def _ignores_by_glob(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict) or not all(isinstance(codes, list) for codes in value.values()):
        raise TypeError("a table of globs with lists of codes")
    return {glob: _strings(codes) for glob, codes in value.items()}


def _one_of(words: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            near = nearest(value, words) if isinstance(value, str) else ""
            raise TypeError(f"one of {', '.join(words)}{near}")
        return str(value)

    return read


_READERS: dict[str, Callable[[Any], Any]] = {
    "select": _strings,
    "extend-select": _strings,
    "ignore": _strings,
    "per-file-ignores": _ignores_by_glob,
    "exclude": _strings,
    "extend-exclude": _strings,
    "force-exclude": _flag,
    "respect-gitignore": _flag,
    "rule-paths": _strings,
    "scope": _one_of(SCOPES),
    "output-format": _one_of(FORMATS),
}

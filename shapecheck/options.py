"""The options that say what is in force, for every command that asks a Configs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from shapecheck.config import FORMATS, Configs, Layer
from shapecheck.source import absolute


def configuring(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds all of them to a command, which gets what they say as `configs`."""
    return _adding(command, (*_CHOOSING, *_READING), _SAID)


def reading_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds only those that say which file is read."""
    return _adding(command, _READING, ())


def _adding(
    command: Callable[..., Any], options: tuple[Callable[..., Any], ...], layered: tuple[str, ...]
) -> Callable[..., Any]:
    @functools.wraps(command)
    def with_configs(*, config: Path | None, isolated: bool, **given: Any) -> Any:
        said = {name: given.pop(name) for name in layered}
        only = absolute(config) if config else None
        return command(configs=Configs(Layer("command line", Path.cwd(), **said), only, isolated), **given)

    wrapped: Callable[..., Any] = with_configs
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


_SAID = (
    "select",
    "ignore",
    "extend_select",
    "per_file_ignores",
    "exclude",
    "extend_exclude",
    "force_exclude",
    "respect_gitignore",
    "output_format",
)


def _words(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...] | None:
    """`A,B` and repeated options as one tuple; None where the option isn't given."""
    return tuple(word.strip() for value in values for word in value.split(",") if word.strip()) if values else None


def _codes_by_glob(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, tuple[str, ...]] | None:
    """`GLOB:CODE,GLOB:CODE` as a table."""
    table: dict[str, tuple[str, ...]] = {}
    for pair in _words(context, parameter, values) or ():
        glob, _, code = (part.strip() for part in pair.rpartition(":"))
        if not glob or not code:
            raise click.BadParameter(f"`{pair}` is to be GLOB:CODE", context, parameter)
        table[glob] = (*table.get(glob, ()), code)
    return table or None


_listed = functools.partial(click.option, multiple=True, callback=_words)

_CHOOSING = (
    _listed("--select", metavar="CODES", help="Rules to run: codes, their beginnings (ATN, SHP00), names, or ALL."),
    _listed("--ignore", metavar="CODES", help="Rules not to run."),
    _listed("--extend-select", metavar="CODES", help="Rules to run besides those selected."),
    click.option(
        "--per-file-ignores",
        multiple=True,
        metavar="GLOB:CODE",
        callback=_codes_by_glob,
        help="Rules not to run on the files of a glob.",
    ),
    _listed(
        "--exclude", metavar="GLOBS", help="Files and folders to leave out, instead of .venv, dist and their like."
    ),
    _listed("--extend-exclude", metavar="GLOBS", help="Files and folders to leave out besides those."),
    click.option(
        "--force-exclude/--no-force-exclude", default=None, help="Leave them out even where they are named in PATHS."
    ),
    click.option(
        "--respect-gitignore/--no-respect-gitignore", default=None, help="Leave out what git ignores: the default."
    ),
    click.option("--output-format", type=click.Choice(FORMATS), default=None, help="Full by default."),
)
_READING = (
    click.option(
        "--config",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Use this file, not the nearest shapecheck.toml or pyproject.toml of each file.",
    ),
    click.option("--isolated", is_flag=True, help="Use no configuration file."),
)

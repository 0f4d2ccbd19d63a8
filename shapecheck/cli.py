"""The commands. All printing is done here, all work elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from shapecheck import __version__
from shapecheck.config import ConfigError, Configs
from shapecheck.options import configuring, reading_config
from shapecheck.selectors import nearest
from shapecheck.source import absolute

if TYPE_CHECKING:
    from shapecheck.linter import Defect, Outcome, Stdin

EXIT_CLEAN, EXIT_FOUND, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command `shapecheck`: exits with 0 nothing reported, 1 something, 2 the tool, its arguments or config failed."""
    try:
        status = cli(arguments, prog_name="shapecheck", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        status = EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader, say `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = EXIT_FOUND
    except click.ClickException as error:
        error.show()
        status = EXIT_FAILED
    except ConfigError as error:
        click.echo(f"shapecheck: {error}", err=True)
        status = EXIT_FAILED
    except Exception:  # noqa: BLE001 (a crash of ours must not look like a finding)
        import traceback

        click.echo(f"{traceback.format_exc()}shapecheck: this is a bug in shapecheck", err=True)
        status = EXIT_FAILED
    sys.exit(status)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="shapecheck", message="%(prog)s %(version)s")
def cli() -> None:
    """Know the shape of every tensor in attention code, without running it."""


@cli.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@configuring
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Processes to use; all cores if not given.")
@click.option("--ignore-noqa", is_flag=True, help="Report what comments suppress, too.")
@click.option("-o", "--output-file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report there.")
@click.option("--statistics", is_flag=True, help="Print how often each rule was broken instead.")
@click.option("-e", "--exit-zero", is_flag=True, help="Exit with 0 even if something is reported.")
@click.option("--show-files", is_flag=True, help="List the files that would be checked, and stop.")
@click.option("--stdin-filename", type=click.Path(path_type=Path), help="What `-`, standard input, is the content of.")
@click.option("-q", "--quiet", is_flag=True, help="Print the report and nothing else.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="NO_COLOR is honoured.")
def check(paths: tuple[Path, ...], configs: Configs, **options: Any) -> int:
    """Lint Python files and notebooks: PATHS, or the current folder; `-` is standard input."""
    from shapecheck import linter, report

    stdin = _stdin(paths, options["stdin_filename"])
    if options["show_files"]:
        found = linter.files(paths or (Path.cwd(),), configs, stdin)
        click.echo("".join(f"{one.path}\n" for one in found), nl=False)
        return EXIT_CLEAN
    output_format = configs.of(Path.cwd()).output_format
    with _progress(quiet=options["quiet"]) as on_progress:
        outcome = linter.check(
            paths or (Path.cwd(),),
            configs,
            stdin=stdin,
            jobs=options["jobs"],
            ignore_noqa=options["ignore_noqa"],
            on_progress=on_progress,
        )
    _write(outcome, output_format, options)
    for defect in outcome.defects:
        click.echo(_of_ours(defect), err=True)
    if outcome.defects:
        count = report.counted(len(outcome.defects), "bug")
        click.echo(f"shapecheck: {count} in shapecheck itself; everything else was checked", err=True)
        return EXIT_FAILED
    return EXIT_FOUND if outcome.diagnostics and not options["exit_zero"] else EXIT_CLEAN


def _stdin(paths: Sequence[Path], filename: Path | None) -> Stdin | None:
    """What standard input holds, where the only path is `-`."""
    if Path("-") not in paths:
        return None
    if len(paths) > 1:
        raise click.UsageError("`-`, standard input, is to be the only path")
    from shapecheck.linter import Stdin

    return Stdin(absolute(filename or "-"), sys.stdin.buffer.read())


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """How far a run is, on a terminal and once it takes a while; the line is gone afterwards."""
    if quiet or not _is_terminal(sys.stderr):
        yield lambda done, total: None
        return
    began = time.monotonic()

    def show(done: int, total: int) -> None:
        if time.monotonic() - began > 0.5:
            click.echo(f"\r{done} of {total} files\x1b[K", err=True, nl=False)

    try:
        yield show
    finally:
        if time.monotonic() - began > 0.5:
            click.echo("\r\x1b[K", err=True, nl=False)


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty()


def _write(outcome: Outcome, output_format: str, options: dict[str, Any]) -> None:
    """The report, to standard output or a file."""
    from shapecheck import report

    to_file = options["output_file"]
    encoding = "utf-8" if to_file else sys.stdout.encoding
    told = report.Report(outcome.diagnostics, outcome.rules, Path.cwd(), encoding)
    text = report.statistics(told, output_format) if options["statistics"] else report.render(told, output_format)
    if output_format in ("full", "concise") and not options["quiet"]:
        text += ("\n" if text and output_format == "full" else "") + report.summary(told, outcome.files) + "\n"
    if to_file is None:
        click.echo(text, nl=False, color=_color(options["color"]))
        return
    try:
        to_file.write_text(click.unstyle(text), "utf-8")
    except OSError as error:
        raise click.FileError(str(to_file), error.strerror) from error


def _color(wanted: str) -> bool | None:
    """True, False, or None: where the output is a terminal. https://no-color.org"""
    if wanted != "auto":
        return wanted == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def _of_ours(defect: Defect) -> str:
    """A crash of our own, in one line."""
    where = f"{defect.path}::{defect.symbol}" if defect.symbol else str(defect.path)
    rule = f" ({defect.rule})" if defect.rule else ""
    return f"shapecheck: bug in shapecheck, met in {where}{rule}: {defect.error}"


@cli.command()
@click.argument("code", required=False)
@click.option("--all", "every", is_flag=True, help="Every rule, in the order of the codes.")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@reading_config
def rule(code: str | None, *, every: bool, output_format: str, configs: Configs) -> int:
    """Print the page of the rule CODE, a code or a name: what is wrong, a bad example and a good one."""
    from shapecheck.linter import rules_of
    from shapecheck.report import page

    if bool(code) == every:
        raise click.UsageError("say a CODE or --all")
    here = configs.of(Path.cwd())
    rules = rules_of(configs)[here]
    wanted = [one for one in rules if every or code in (one.code, one.name)]
    if code and not wanted:
        near = nearest(code, [word for one in rules for word in (one.code, one.name)])
        raise click.UsageError(f"no rule is called `{code}`{near}")
    click.echo(page.render(wanted, output_format), nl=False)
    return EXIT_CLEAN


@cli.command()
@click.argument("target")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@reading_config
def show(target: str, output_format: str, configs: Configs) -> int:
    """Print the shape of every tensor beside its line; TARGET is file.py or file.py::Class."""
    from shapecheck.report import table
    from shapecheck.source import Unreadable, read
    from shapecheck.static import show as shown_tensors
    from shapecheck.static.project import Project

    name, _, symbol = target.partition("::")
    path = absolute(name)
    configs.of(path.parent)
    project = Project.of(path)
    path = project.home(path, symbol) if symbol else path
    try:
        source = read(path, path.read_bytes())
    except OSError as error:
        raise click.FileError(name, error.strerror) from error
    except Unreadable as error:
        raise click.FileError(name, error.message) from error
    tensors = list(shown_tensors(source, project, symbol or None))
    if not tensors:
        raise click.UsageError(f"no tensor is known in {target}: it holds no forward")
    click.echo(table.render(tensors, source, output_format), nl=False)
    return EXIT_CLEAN


def _running(command: Any) -> Any:
    """The options of the commands that run a file."""
    for option in (
        click.argument("target"),
        click.option("--with", "given", multiple=True, metavar="NAME=VALUE,…", help="Arguments of the constructor."),
        click.option(
            "--input", "inputs", multiple=True, metavar="NAME=SIZES", help="An input: x=8,1024,768, ids=int:8,9."
        ),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, or meta: shapes without memory."),
        click.option("--output-format", type=click.Choice(["full", "json"]), default="full", show_default=True),
    ):
        command = option(command)
    return command


@cli.command()
@_running
def trace(target: str, **options: Any) -> int:
    """Run TARGET, file.py::Class, and print what is predicted of each tensor beside what it is.

    This EXECUTES the file, the constructor and forward. Exits with 1 where a tensor isn't as predicted, or the run fails.
    """
    return _run(target, options, choosing=False)


@cli.command()
@_running
def verify(target: str, **options: Any) -> int:
    """Run TARGET, file.py or file.py::Class, at sizes of our choosing: predictions compared, rules asked.

    This EXECUTES the file, constructors and forwards. Sizes differ from one another, so that no axis can be mistaken for
    another one; where heads and a width are chosen, a width that they don't divide is tried, too. Exits with 1 where a
    tensor isn't as predicted, the run fails, or a rule finds something.
    """
    return _run(target, options, choosing=True)


def _run(target: str, options: dict[str, Any], *, choosing: bool) -> int:
    from shapecheck.report import beside

    try:
        from shapecheck.runtime import choose, load, verify
    except ImportError as error:
        raise click.UsageError(f"{error}: install shapecheck with its extra `runtime`") from error
    runs: list[verify.Verification] = []
    name, _, symbol = target.partition("::")
    if not symbol and not choosing:
        raise click.UsageError(f"say which class: {target}::Class")
    try:
        load.check_device(options["device"])
        given, inputs = load.arguments(options["given"]), load.inputs(options["inputs"], options["device"])
        subjects = [load.load(absolute(name), symbol)] if symbol else load.classes(absolute(name))
        for one in subjects:
            try:
                runs.append(
                    verify.verify(one, inputs, options["device"], **given)
                    if choosing
                    else verify.run(one, given, inputs, options["device"])
                )
            except choose.CannotChoose as error:
                if symbol:
                    raise
                click.echo(f"{one.__name__} is left out: {error}", err=True)
    except (load.CannotLoad, choose.CannotChoose, TypeError) as error:
        raise click.UsageError(str(error)) from error
    if not runs:
        raise click.UsageError(f"{target} holds no module with a forward that can be built")
    click.echo(beside.render(runs, options["output_format"]), nl=False)
    return EXIT_CLEAN if all(run.ok for run in runs) else EXIT_FOUND


@cli.command()
@click.argument("path", default=".", type=click.Path(path_type=Path, exists=True))
@configuring
def config(path: Path, configs: Configs) -> int:
    """Print what is in force for PATH, as TOML, and where each option comes from."""
    from shapecheck.linter import rules_of
    from shapecheck.report import settings

    path = absolute(path)
    here = configs.of(path if path.is_dir() else path.parent)
    click.echo(settings.render(here, here.rules_for(path, rules_of(configs)[here])), nl=False)
    return EXIT_CLEAN

"""Paths → what is reported of them: the pipeline of `shapecheck check`, top to bottom.

discover files → read their bytes → pick those that mention attention → decode → analyse → leave out what is
suppressed → place what is left in the file.
"""

from __future__ import annotations

import gc
import itertools
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from shapecheck.config import Config, ConfigError, Configs
from shapecheck.report import Diagnostic, Place, PlacedFix
from shapecheck.rule import Finding, Fix, Rule, RuleError, Severity, Span, load_rules
from shapecheck.source import Location, Problem, Source, Unreadable, read
from shapecheck.source.discover import Found, discover
from shapecheck.source.suppressions import Suppressions
from shapecheck.static.locate import picks

if TYPE_CHECKING:
    from shapecheck.static.project import Project

FILES_BETWEEN_COLLECTIONS = 400
_analysed_so_far = itertools.count(1)
POOL_FROM = 20  # files worth analysing; below it, starting processes takes longer than they save


@dataclass(frozen=True, slots=True)
class Stdin:
    """Standard input, and the file that it stands for."""

    path: Path
    data: bytes


@dataclass(frozen=True, slots=True)
class Defect:
    """A crash of our own while one class, or one file, was analysed; the rest was checked."""

    path: Path
    symbol: str
    rule: str | None
    error: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found, in the order of files and places, whatever the order of paths and the number of jobs."""

    diagnostics: tuple[Diagnostic, ...]
    defects: tuple[Defect, ...]
    rules: tuple[Rule, ...]  # all that there are
    files: int


@dataclass(frozen=True, slots=True)
class Job:
    """A file worth analysing, as it is handed to a worker."""

    path: Path
    data: bytes
    scope: str
    codes: frozenset[str]
    rule_folders: tuple[Path, ...]
    ignore_noqa: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one file."""

    path: Path
    diagnostics: tuple[Diagnostic, ...] = ()
    defects: tuple[Defect, ...] = ()


def check(
    paths: Sequence[Path],
    configs: Configs,
    *,
    stdin: Stdin | None = None,
    jobs: int | None = None,
    ignore_noqa: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Check files and folders; raises ConfigError. `on_progress` is told how many of the picked files are done."""
    for remembered in (_loaded, _project_of, _project_at):  # by an earlier run: files may have changed since
        remembered.cache_clear()
    found = files(paths, configs, stdin)
    rules = rules_of(configs)
    results: list[Result] = []
    todo: list[Job] = []
    for one in found:
        match _picked(one, rules[one.config], stdin, ignore_noqa=ignore_noqa):
            case Job() as job:
                todo.append(job)
            case Result() as result:
                results.append(result)
    for done, result in enumerate(_run(todo, jobs or available_cores()), 1):
        results.append(result)
        on_progress(done, len(todo))
    results.sort(key=lambda result: str(result.path))
    return Outcome(
        tuple(diagnostic for result in results for diagnostic in result.diagnostics),
        tuple(defect for result in results for defect in result.defects),
        tuple(sorted({rule.code: rule for one in rules.values() for rule in one}.values(), key=lambda rule: rule.code)),
        len(found),
    )


def files(paths: Sequence[Path], configs: Configs, stdin: Stdin | None = None) -> list[Found]:
    """The files to check, each once, ordered by path."""
    found = discover([stdin.path] if stdin else paths, configs)
    return sorted(found, key=lambda one: str(one.path))


def rules_of(configs: Configs) -> dict[Config, tuple[Rule, ...]]:
    """All rules there are under each configuration; raises ConfigError for a selector that means none of them."""
    rules: dict[Config, tuple[Rule, ...]] = {}
    for config in configs.all_known():
        try:
            rules[config] = _loaded(config.rule_folders)
        except RuleError as error:
            raise ConfigError(str(error)) from error
        config.check_selectors(rules[config])
    return rules


def _picked(found: Found, rules: tuple[Rule, ...], stdin: Stdin | None, *, ignore_noqa: bool) -> Job | Result | None:
    """A job for a file that mentions attention, a result for one that can't be read."""
    if found.error is not None:
        return _unreadable(found.path, Unreadable(found.error))
    try:
        data = stdin.data if stdin else found.path.read_bytes()
    except OSError as error:
        return _unreadable(found.path, Unreadable(error.strerror or str(error)))
    if not picks(data, found.config.scope):
        return None
    codes = frozenset(rule.code for rule in found.config.rules_for(found.path, rules))
    return Job(found.path, data, found.config.scope, codes, found.config.rule_folders, ignore_noqa)


def _run(jobs: list[Job], processes: int) -> Iterator[Result]:
    """The results of jobs, as they are done."""
    if len(jobs) < POOL_FROM or processes == 1:
        was_on = gc.isenabled()
        gc.disable()
        try:
            yield from map(analysed, jobs)
        finally:
            if was_on:
                gc.enable()
        return
    longest_first = sorted(jobs, key=lambda job: -len(job.data))  # so that no core is left alone with one at the end
    with ProcessPoolExecutor(min(processes, len(jobs)), initializer=_begin_worker) as pool:
        waiting = {pool.submit(analysed, job): job for job in longest_first}
        try:
            for future in as_completed(list(waiting)):
                result = future.result()
                del waiting[future]
                yield result
        except BrokenProcessPool:
            pass  # a file ended its worker, and with it the pool
        finally:
            pool.shutdown(cancel_futures=True)
    for job in waiting.values():
        yield _alone(job)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent takes interrupts
    gc.disable()


def _alone(job: Job) -> Result:
    """The result of a job in a process of its own, which it may end."""
    with ProcessPoolExecutor(1) as pool:
        try:
            return pool.submit(analysed, job).result()
        except BrokenProcessPool:
            return Result(job.path, defects=(Defect(job.path, "", None, "the process that analysed it died"),))


def analysed(job: Job) -> Result:
    """What is to be reported of one file. Runs in a worker; a crash of ours becomes a defect."""
    try:
        return _analysed(job)
    except Unreadable as error:
        return _unreadable(job.path, error)
    except Exception as error:  # noqa: BLE001 (whatever it is: it is reported, and the other files are still checked)
        where = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        return Result(job.path, defects=(Defect(job.path, "", None, said),))
    finally:
        _collect_now_and_then()


def _collect_now_and_then() -> None:
    """Syntax trees are millions of objects that the collector scans in vain: it took a fifth of the time.

    An analysis cuts its circles itself when it is done (Subject.forget); this is for those of one that crashed.
    """
    if not gc.isenabled() and next(_analysed_so_far) % FILES_BETWEEN_COLLECTIONS == 0:
        gc.collect(1)


def _analysed(job: Job) -> Result:
    from shapecheck.static import analyse

    source = read(job.path, job.data)
    silenced = Suppressions(source)
    if silenced.skip_file and not job.ignore_noqa:
        return Result(job.path)
    rules = [rule for rule in _loaded(job.rule_folders) if rule.code in job.codes]
    analysis = analyse(source, _project_of(job.path.parent), rules, job.scope)
    problems = [*source.problems, *(Problem(one.span, one.message) for one in analysis.syntax_errors)]
    ours = (one for one in analysis.findings if one.path == job.path)  # a finding belongs to the file of its place
    findings = [one for one in ours if job.ignore_noqa or not silenced.cover(one)]
    reported = [(one.span, "E999", _syntax_error(one, source)) for one in problems]
    reported += [(one.span, one.code, _placed(one, source)) for one in findings]
    reported.sort(key=lambda entry: (entry[0], entry[1], entry[2].message))
    defects = tuple(Defect(job.path, one.symbol, one.rule, one.error) for one in analysis.defects)
    return Result(job.path, tuple(diagnostic for *_, diagnostic in reported), defects)


def _placed(finding: Finding, source: Source) -> Diagnostic:
    """A finding as it is reported, at its place in the file."""
    return Diagnostic(
        finding.code,
        finding.name,
        finding.severity,
        _place(finding.span, source),
        finding.message,
        finding.symbol,
        finding.outcome,
        finding.help,
        tuple((one.message, _place(one.span, _source_at(one.path, source))) for one in finding.related),
        _placed_fix(finding.fix, source) if finding.fix else None,
    )


def _placed_fix(fix: Fix, source: Source) -> PlacedFix:
    return PlacedFix(fix.message, fix.safe, tuple((edit.content, source.locate(edit.span)) for edit in fix.edits))


def _place(span: Span, source: Source) -> Place:
    lines = tuple(source.line(row) for row in range(span.row, span.end_row + 1))
    return Place(source.path, source.locate(span), lines)


def _source_at(path: Path, source: Source) -> Source:
    """The source of a related place, which may lie in another file of the project."""
    if path == source.path:
        return source
    try:
        return read(path, path.read_bytes())
    except (OSError, Unreadable):  # changed since the analysis read it: the place is known, its lines are not
        return Source(path, "")


def _syntax_error(problem: Problem, source: Source) -> Diagnostic:
    return Diagnostic("E999", "invalid-syntax", Severity.ERROR, _place(problem.span, source), problem.message)


def _unreadable(path: Path, error: Unreadable) -> Result:
    """E902, or E999 for a notebook that is none."""
    location = Location(None, error.row, error.column, error.row, error.column, error.row, error.row)
    name = "io-error" if error.code == "E902" else "invalid-syntax"
    return Result(path, (Diagnostic(error.code, name, Severity.ERROR, Place(path, location), error.message),))


@cache
def _loaded(folders: tuple[Path, ...]) -> tuple[Rule, ...]:
    return load_rules(folders)


@cache
def _project_of(folder: Path) -> Project:
    """The project of the files in a folder: one object for all folders of a project, since it remembers what it read."""
    from shapecheck.static.project import Project

    return _project_at(Project.of(folder).root)


@cache
def _project_at(root: Path) -> Project:
    from shapecheck.static.project import Project

    return Project.of(root)


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""The pipeline: one result for any order of paths and any number of jobs, and a crash of ours ends nothing."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import shapecheck.static
from shapecheck import linter
from shapecheck.config import Configs, Layer
from shapecheck.report import Diagnostic
from shapecheck.rule import Finding, Related, Severity, Span
from stub_engine import PICKED, analyse, write

pytestmark = pytest.mark.usefixtures("engine")


def check(folder: Path, *paths: Path, jobs: int = 1, ignore_noqa: bool = False, **said: Any) -> linter.Outcome:
    configs = Configs(replace(Layer("command line", folder), **said))
    return linter.check(paths or (folder,), configs, jobs=jobs, ignore_noqa=ignore_noqa)


def told(outcome: linter.Outcome) -> list[tuple[str, int, str]]:
    return [(one.place.path.name, one.place.location.row, one.code) for one in outcome.diagnostics]


@pytest.fixture
def forking() -> Iterator[None]:
    """Workers that have the stub: it is not importable where they start afresh."""
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("processes can't be forked here")
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


def test_findings_come_in_the_order_of_files_and_places(tmp_path: Path) -> None:
    write(tmp_path / "b.py", PICKED + "bug_SHP003()\nbug_ATN002(); bug_ATN001()\n")
    write(tmp_path / "a.py", PICKED + "bug_ATN001()\n")
    outcome = check(tmp_path, tmp_path / "b.py", tmp_path / "a.py")
    assert told(outcome) == [("a.py", 2, "ATN001"), ("b.py", 2, "SHP003"), ("b.py", 3, "ATN002"), ("b.py", 3, "ATN001")]
    assert outcome.files == 2


def test_a_file_that_mentions_no_attention_is_not_even_decoded(tmp_path: Path) -> None:
    write(tmp_path / "a.py", b"\xff bug_ATN001()\n")
    assert told(check(tmp_path)) == []


def test_a_finding_carries_all_that_is_known_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", PICKED + "y = bug_ATN002(\n  x)\n")
    (one,) = check(tmp_path).diagnostics
    assert (one.code, one.name, one.severity) == ("ATN002", "undivided-head-dim", Severity.ERROR)
    assert (one.message, one.outcome, one.help, one.symbol) == (
        "x is [b, t]",
        "silent: all the same",
        "say `y`",
        "Attention",
    )
    assert one.place.path == path
    assert one.place.lines == ("y = bug_ATN002(", "  x)")
    assert (one.place.location.row, one.place.location.column) == (2, 5)
    assert (one.place.location.end_row, one.place.location.end_column) == (3, 5)
    assert [(message, place.lines) for message, place in one.related] == [("x comes from here", (PICKED.strip(),))]
    assert one.fix is not None
    assert one.fix.edits == (("y", one.place.location),)


def test_a_related_place_in_another_file_has_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = write(tmp_path / "config.py", "# coding: latin-1\nheads = 5  # \xe9\n".encode("latin-1"))
    path = write(tmp_path / "a.py", PICKED)
    related = (Related("5 here", other, Span(2, 9, 2, 10)), Related("gone", tmp_path / "gone.py", Span(1, 1, 1, 2)))
    finding = Finding("ATN001", "missing-out-proj", Severity.ERROR, path, Span(1, 1, 1, 7), "A", "m", related=related)
    monkeypatch.setattr(
        shapecheck.static, "analyse", lambda source, *_: replace(analyse(source, *_), findings=(finding,))
    )
    (one,) = check(tmp_path).diagnostics
    assert [(place.path, place.lines) for _, place in one.related] == [
        (other, ("heads = 5  # é",)),
        (tmp_path / "gone.py", ("",)),
    ]


def test_comments_suppress_unless_they_are_to_be_ignored(tmp_path: Path) -> None:
    write(tmp_path / "a.py", PICKED + "bug_ATN001()  # noqa\nbug_ATN002()  # shapecheck: ignore[ATN001]\n")
    write(tmp_path / "b.py", "# shapecheck: skip-file\n" + PICKED + "bug_ATN001()\nbroken()\ncrash()\n")
    assert told(check(tmp_path)) == [("a.py", 3, "ATN002")]
    write(tmp_path / "b.py", "# ruff: noqa\n" + PICKED + "bug_ATN001()\n")
    assert told(check(tmp_path, ignore_noqa=True)) == [
        ("a.py", 2, "ATN001"),
        ("a.py", 3, "ATN002"),
        ("b.py", 3, "ATN001"),
    ]


def test_only_selected_rules_run_and_each_file_has_its_own(tmp_path: Path) -> None:
    bugs = PICKED + "bug_ATN001()\nbug_SHP003()\nbug_SHP009()\n"
    write(tmp_path / "a.py", bugs)
    write(tmp_path / "sub" / "b.py", bugs)
    write(tmp_path / "sub" / "shapecheck.toml", 'select = ["SHP009"]')
    assert told(check(tmp_path)) == [("a.py", 2, "ATN001"), ("a.py", 3, "SHP003"), ("b.py", 4, "SHP009")]
    assert told(check(tmp_path, select=("SHP",))) == [("a.py", 3, "SHP003"), ("b.py", 3, "SHP003")]


def test_what_does_not_parse_is_reported_and_cannot_be_suppressed(tmp_path: Path) -> None:
    write(tmp_path / "a.py", PICKED + "bug_ATN001()\nbroken()  # noqa\n")
    outcome = check(tmp_path)
    assert told(outcome) == [("a.py", 2, "ATN001"), ("a.py", 3, "E999")]
    assert outcome.diagnostics[1].name == "invalid-syntax"
    assert outcome.diagnostics[1].symbol is None


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_crash_of_ours_is_a_defect_and_the_other_files_are_checked(tmp_path: Path, jobs: int) -> None:
    write(tmp_path / "a.py", PICKED + "crash()\n")
    write(tmp_path / "b.py", PICKED + "bug_ATN001()\ndefect()\n")
    outcome = check(tmp_path, jobs=jobs)
    assert told(outcome) == [("b.py", 2, "ATN001")]
    first, second = outcome.defects
    assert (first.path.name, first.symbol, first.rule) == ("a.py", "", None)
    assert first.error.startswith("RuntimeError: the engine fell over (stub_engine.py:")
    assert (second.path.name, second.symbol, second.rule, second.error) == (
        "b.py",
        "Attention",
        "ATN001",
        "KeyError: 1",
    )


@pytest.mark.usefixtures("forking")
def test_results_do_not_depend_on_order_or_jobs(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{n % 3}" / f"f{n}.py", PICKED + "bug_ATN001(x)\n" * (n % 4) + "crash()\n" * (n == 7))
        for n in range(linter.POOL_FROM + 5)
    ]
    expected = check(tmp_path, jobs=1)
    assert len(expected.diagnostics) == sum(n % 4 for n in range(len(paths)) if n != 7)
    for jobs in (1, 2, 3):
        random.Random(jobs).shuffle(paths)
        assert check(tmp_path, *paths, jobs=jobs) == expected


@pytest.mark.usefixtures("forking")
def test_a_file_alone_is_reported_as_in_a_full_run(tmp_path: Path) -> None:
    for n in range(linter.POOL_FROM + 1):
        write(tmp_path / f"f{n:02}.py", PICKED + "bug_ATN001(x)\n" * (n % 3))
    everything = check(tmp_path, jobs=2).diagnostics

    def of(path: Path) -> tuple[Diagnostic, ...]:
        return tuple(one for one in everything if one.place.path == path)

    assert all(check(tmp_path, path).diagnostics == of(path) for path in tmp_path.glob("*.py"))


@pytest.mark.usefixtures("forking")
def test_a_worker_that_dies_ends_only_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deadly(source: Any, *others: Any) -> Any:
        if "die()" in source.text:
            import os

            os._exit(9)
        return analyse(source, *others)

    monkeypatch.setattr(shapecheck.static, "analyse", deadly)
    for n in range(linter.POOL_FROM):
        write(tmp_path / f"f{n:02}.py", PICKED + "bug_ATN001()\n" + "die()\n" * (n == 3))
    outcome = check(tmp_path, jobs=2)
    assert len(outcome.diagnostics) == linter.POOL_FROM - 1
    assert [(one.path.name, one.error) for one in outcome.defects] == [("f03.py", "the process that analysed it died")]


def test_few_files_start_no_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linter, "ProcessPoolExecutor", None)
    for n in range(linter.POOL_FROM - 1):
        write(tmp_path / f"f{n}.py", PICKED)
    for n in range(40):
        write(tmp_path / f"unpicked{n}.py", "x = 1\n")
    assert check(tmp_path, jobs=8).files == linter.POOL_FROM + 39


def test_progress_counts_the_picked_files(tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path / f"f{n}.py", PICKED)
    write(tmp_path / "other.py", "x = 1\n")
    seen: list[tuple[int, int]] = []
    configs = Configs(Layer("command line", tmp_path))
    linter.check([tmp_path], configs, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_broken_cell_and_a_finding_in_another_are_both_told(tmp_path: Path) -> None:
    cells = ["import torch  # softmax", "def f(:", "%ls\nx = bug_ATN001(1)"]
    body = ", ".join(f'{{"cell_type": "code", "source": "{cell}"}}'.replace("\n", "\\n") for cell in cells)
    write(tmp_path / "a.ipynb", '{"cells": [\n' + body.replace("}, ", "},\n") + "\n]}")
    outcome = check(tmp_path)
    places = [(one.code, one.place.location.cell, one.place.location.row) for one in outcome.diagnostics]
    assert places == [("E999", 2, 1), ("ATN001", 3, 2)]
    assert [one.place.lines for one in outcome.diagnostics] == [("def f(:",), ("x = bug_ATN001(1)",)]
    assert [one.place.location.line for one in outcome.diagnostics] == [3, 4]
    assert outcome.diagnostics[1].place.location.column == 5

"""Thirteen bugs are each caught, and correct modules raise no alarm."""

from __future__ import annotations

import ast
import sys
import types
import warnings
from pathlib import Path

import pytest
import torch

import checked_modules
import fixture_runs
from bug_table import BUGS, rows, table
from readme import between
from shapecheck import checked
from shapecheck.runtime.predict import findings_in
from tree import ROOT


@pytest.fixture(scope="module")
def told() -> str:
    return table()


def test_the_table_is_that_of_the_readme(told: str) -> None:
    assert between("bugs") == told, "python tests/bug_table.py writes it anew"


def test_every_bug_is_caught() -> None:
    found = rows()
    assert len(BUGS) == 13
    uncaught = {row.bug.what for row in found if not row.caught}
    assert uncaught == {"queries and keys exchanged in the product"}  # harmless where both come from one input


def test_the_correct_module_raises_no_alarm() -> None:
    module = checked_modules.Attention(16, 24, 4)
    module(torch.randn(2, 10, 16))
    assert not findings_in(checked_modules.Plain)


FIXTURES = [pytest.param(path, id=path.stem) for path in sorted((ROOT / "fixtures" / "clean").glob("*.py"))]


@pytest.mark.parametrize("path", FIXTURES)
def test_correct_modules_raise_no_alarm_when_they_are_checked(path: Path) -> None:
    """Every module of a clean fixture is checked, strictly, while the fixture's own `# run:` lines run."""
    runs = [line.removeprefix("# run: ") for line in path.read_text("utf-8").splitlines() if line.startswith("# run: ")]
    calls = [run.partition(" -> ")[0] for run in runs if run.endswith("-> silent")]
    if not calls:
        pytest.skip("it says nothing of how to run it")
    module = types.ModuleType("fixture_checked")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(path.read_text("utf-8"), str(path), "exec"), vars(module))
        for value in list(vars(module).values()):
            if isinstance(value, type) and issubclass(value, torch.nn.Module) and "forward" in vars(value):
                checked(strict=True)(value)
        for call in calls:
            torch.manual_seed(0)
            fixture_runs._call(ast.parse(call, mode="eval").body, vars(module))

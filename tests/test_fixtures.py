"""Every finding in fixtures/ is expected, every expectation is met, and what `# run:` lines say is what torch does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixture_harness import differences, fixture_paths, lint, name_of, read

PATHS = fixture_paths()
RUNS = [(path, run) for path in PATHS for run in read(path).runs]


@pytest.fixture(scope="module")
def findings() -> dict[Path, list[dict[str, Any]]]:
    return lint(PATHS)


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_findings_are_the_expected_ones(path: Path, findings: dict[Path, list[dict[str, Any]]]) -> None:
    assert differences(read(path).expectations, findings[path]) == []


@pytest.mark.parametrize(
    "path", [path for path in PATHS if path.parent.name in {"clean", "styles", "shapes"}], ids=name_of
)
def test_clean_fixtures_expect_nothing(path: Path) -> None:
    assert read(path).expectations == ()


@pytest.mark.parametrize(("path", "run"), RUNS, ids=[f"{name_of(path)}: {run.call}" for path, run in RUNS])
def test_run_lines_are_facts(path: Path, run: Any) -> None:
    pytest.importorskip("torch", reason="run lines need torch")
    from fixture_runs import outcome

    error = outcome(read(path).text, run.call)
    assert (error is None) == (run.message is None), error
    assert run.message is None or run.message in str(error)

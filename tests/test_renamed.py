"""Names don't matter: with every identifier of every fixture replaced, the findings are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixture_harness import differences, fixture_paths, lint, name_of, read
from renaming import names_of, renamed_file

PATHS = fixture_paths()


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    folder = tmp_path_factory.mktemp("renamed")
    copies = {path: folder / f"file{number}{path.suffix}" for number, path in enumerate(PATHS)}
    for path, copy in copies.items():
        copy.write_text(renamed_file(path), "utf-8")
    return copies


@pytest.fixture(scope="module")
def findings(renamed: dict[Path, Path]) -> dict[Path, list[dict[str, Any]]]:
    return lint(list(renamed.values()))


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_same_findings(path: Path, renamed: dict[Path, Path], findings: dict[Path, list[dict[str, Any]]]) -> None:
    copy = renamed[path]
    assert [(claim.cell, claim.row, claim.code) for claim in read(copy).expectations] == [
        (claim.cell, claim.row, claim.code) for claim in read(path).expectations
    ]
    assert differences(read(copy).expectations, findings[copy], by_text=False) == []


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_no_name_is_left(path: Path, renamed: dict[Path, Path]) -> None:
    left = names_of(read(renamed[path]).text).renamed()
    assert [name for name in left if not name.startswith("name")] == []


@pytest.mark.parametrize("path", [path for path in PATHS if read(path).runs], ids=name_of)
def test_it_still_runs(path: Path, renamed: dict[Path, Path]) -> None:
    pytest.importorskip("torch", reason="run lines need torch")
    from fixture_runs import outcome

    copy = read(renamed[path])
    assert len(copy.runs) == len(read(path).runs)
    for run in copy.runs:
        error = outcome(copy.text, run.call)
        assert (error is None) == (run.message is None), f"{run.call}: {error}"
        assert run.message is None or run.message in str(error), run.call

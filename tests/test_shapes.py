"""The shapes that `shapecheck show` prints are the ones that fixtures/shapes/ claims, spelt as the source names them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fixture_harness import fixture_paths, name_of, read
from tree import ROOT

PATHS = [path for path in fixture_paths() if read(path).shapes]


def shown(path: Path) -> dict[tuple[int, str], set[str]]:
    """For each line and name the shapes that it has, over all paths."""
    command = [sys.executable, "-m", "shapecheck", "show", "--isolated", "--output-format", "json", str(path)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    shapes: dict[tuple[int, str], set[str]] = {}
    for tensor in json.loads(done.stdout):
        shapes.setdefault((tensor["row"], tensor["name"]), set()).add(tensor["shape"])
    return shapes


def test_every_fixture_of_shapes_claims_some() -> None:
    assert [path for path in fixture_paths() if path.parent.name == "shapes"] == PATHS


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_shapes_are_as_claimed(path: Path) -> None:
    claims = read(path).shapes
    shapes = shown(path)
    assert {(claim.row, claim.name): shapes.get((claim.row, claim.name)) for claim in claims} == {
        (claim.row, claim.name): {claim.shape} for claim in claims
    }

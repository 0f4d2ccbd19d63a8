"""The harness itself, by mutation: a dropped expectation, a wrong code and a silenced rule must each fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixture_harness import Expectation, FixtureError, differences, read
from renaming import Renaming, names_of

SOURCE = '''"""A file of two findings."""

weights = scores.softmax(dim=1)  # expect: ATN011 "over heads"
context = weights.view(b, t, -1)  # expect: ATN001 warning, SHP003 "joins t" "head_dim"
tensor = "# expect: ATN999"
# run: Attention(dim=12)(x=[2, 5, 12]) -> silent
# run: Attention(dim=13)(x=[2, 5, 13]) -> raises "of size 130"
'''


def finding(row: int, code: str, message: str, severity: str = "error", cell: int | None = None) -> dict[str, Any]:
    return {
        "cell": cell,
        "code": code,
        "help": None,
        "location": {"row": row, "column": 1},
        "message": message,
        "severity": severity,
    }


FOUND = (
    finding(3, "ATN011", "softmax of `scores` is over heads, not the keys"),
    finding(4, "ATN001", "the heads are joined and never mixed", "warning"),
    finding(4, "SHP003", "`weights.view(b, t, -1)` joins t with head_dim"),
)


@pytest.fixture
def expectations(tmp_path: Path) -> tuple[Expectation, ...]:
    path = tmp_path / "fixture.py"
    path.write_text(SOURCE, "utf-8")
    return read(path).expectations


def test_all_met(expectations: tuple[Expectation, ...]) -> None:
    assert differences(expectations, FOUND) == []
    assert differences(expectations, reversed(FOUND)) == []


def test_only_comments_are_read(tmp_path: Path) -> None:
    path = tmp_path / "fixture.py"
    path.write_text(SOURCE, "utf-8")
    fixture = read(path)
    assert [(claim.row, claim.code) for claim in fixture.expectations] == [(3, "ATN011"), (4, "ATN001"), (4, "SHP003")]
    assert [(run.call, run.message) for run in fixture.runs] == [
        ("Attention(dim=12)(x=[2, 5, 12])", None),
        ("Attention(dim=13)(x=[2, 5, 13])", "of size 130"),
    ]


@pytest.mark.parametrize("dropped", range(3))
def test_dropped_expectation_fails(expectations: tuple[Expectation, ...], dropped: int) -> None:
    kept = expectations[:dropped] + expectations[dropped + 1 :]
    found = FOUND[dropped]
    said = f"line {found['location']['row']}: {found['code']} ({found['severity']}) {found['message']}"
    assert differences(kept, FOUND) == [f"unexpected: {said}"]


@pytest.mark.parametrize("silenced", range(3))
def test_silenced_rule_fails(expectations: tuple[Expectation, ...], silenced: int) -> None:
    kept = FOUND[:silenced] + FOUND[silenced + 1 :]
    assert differences(expectations, kept) == [f"not reported: {expectations[silenced]}"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "ATN012"},
        {"location": {"row": 2, "column": 1}},
        {"cell": 1},
        {"message": "softmax of `scores` is over axis 1"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_finding_fails_twice(expectations: tuple[Expectation, ...], wrong: dict[str, Any]) -> None:
    unexpected, missing = differences(expectations, ({**FOUND[0], **wrong}, *FOUND[1:]))
    assert unexpected.startswith("unexpected: ")
    assert missing == f"not reported: {expectations[0]}"


def test_wrong_severity_fails(expectations: tuple[Expectation, ...]) -> None:
    assert len(differences(expectations, (FOUND[0], {**FOUND[1], "severity": "error"}, FOUND[2]))) == 2


def test_each_expectation_is_met_once(expectations: tuple[Expectation, ...]) -> None:
    assert len(differences(expectations, (*FOUND, FOUND[0]))) == 1
    assert len(differences((*expectations, expectations[0]), FOUND)) == 1


def test_texts_may_stand_in_the_help_and_don_t_matter_when_renamed(expectations: tuple[Expectation, ...]) -> None:
    helpful = {**FOUND[0], "message": "softmax is wrong", "help": "it is over heads"}
    assert differences(expectations, (helpful, *FOUND[1:])) == []
    speechless = {**FOUND[0], "message": "softmax is wrong"}
    assert differences(expectations, (speechless, *FOUND[1:]), by_text=False) == []
    assert differences(expectations, (speechless, *FOUND[1:])) != []


@pytest.mark.parametrize(
    "comment",
    [
        "# expect: atn011",
        "# expect: ATN011 over heads",
        '# expect: ATN011 "over heads',
        "# expect: ATN011,",
        "# expect:",
        "# run: Attention(dim=12)(x=[2, 5, 12])",
        "# run: Attention(dim=12)(x=[2, 5, 12]) -> fails",
        "# shape: q is [b, t]",
    ],
)
def test_misspelt_claim_is_an_error(tmp_path: Path, comment: str) -> None:
    path = tmp_path / "fixture.py"
    path.write_text(f"x = 1  {comment}\n", "utf-8")
    with pytest.raises(FixtureError):
        read(path)


def test_cells_of_a_notebook_count_from_one(tmp_path: Path) -> None:
    path = tmp_path / "fixture.ipynb"
    cells = [
        {"cell_type": "markdown", "source": ["# expect: ATN001"]},
        {"cell_type": "code", "source": ["%pip install torch\n", "x = 1  # expect: ATN011"]},
    ]
    path.write_text(json.dumps({"cells": cells}), "utf-8")
    (expectation,) = read(path).expectations
    assert (expectation.cell, expectation.row, expectation.code) == (2, 2, "ATN011")
    assert differences([expectation], [finding(2, "ATN011", "", cell=2)]) == []
    assert len(differences([expectation], [finding(2, "ATN011", "")])) == 2


def test_renaming_keeps_what_is_not_the_file_s_own() -> None:
    text = """import torch.nn.functional as F
from einops import rearrange
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim, heads, bias=False):
        super().__init__()
        self.heads = heads
        self.split = nn.Linear(dim, 3 * dim, bias=bias)
        self.register_buffer("mask", None)

    def forward(self, x, dim=1):
        q, k, v = self.split(x).split(dim, dim=-1)
        q = rearrange(q, "b n (h d) -> b h n d", h=self.heads)
        return F.softmax(q @ k.mT + getattr(self, "mask"), dim=-dim) @ v


# run: Attention(dim=12, heads=3)(x=[2, 5, 12], dim=2) -> silent
"""
    names = Renaming(names_of(text)).mapping
    assert Renaming(names_of(text)).text(text) == (
        """import torch.nn.functional as F
from einops import rearrange
from torch import nn


class {Attention}(nn.Module):
    def __init__(self, {dim}, {heads}, {bias}=False):
        super().__init__()
        self.{heads} = {heads}
        self.{split} = nn.Linear({dim}, 3 * {dim}, bias={bias})
        self.register_buffer("{mask}", None)

    def forward(self, {x}, {dim}=1):
        {q}, {k}, {v} = self.{split}({x}).split({dim}, dim=-1)
        {q} = rearrange({q}, "b n (h d) -> b h n d", h=self.{heads})
        return F.softmax({q} @ {k}.mT + getattr(self, "{mask}"), dim=-{dim}) @ {v}


# run: {Attention}({dim}=12, {heads}=3)({x}=[2, 5, 12], {dim}=2) -> silent
""".format(**names)
    )

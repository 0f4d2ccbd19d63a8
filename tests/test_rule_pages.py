"""A rule's page is true: its bad example is reported on the marked line, its good one is silent, and both run."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from fixture_harness import FIXTURES, differences, lint, read
from shapecheck.rule import Rule, load_rules

RULES = load_rules()
PREAMBLE = """import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, repeat
from torch import nn
"""


def examples(rule: Rule) -> list[str]:
    """The indented blocks of a page, in its order; blocks are parted by prose, not by empty lines."""
    blocks: list[list[str]] = [[]]
    for line in rule.page.splitlines():
        if line.startswith("    ") or (not line.strip() and blocks[-1]):
            blocks[-1].append(line)
        elif line.strip() and blocks[-1]:
            blocks.append([])
    return [textwrap.dedent("\n".join(block)).strip() + "\n" for block in blocks if "".join(block).strip()]


def bad_and_good(rule: Rule) -> tuple[str, str]:
    bad = next(example for example in examples(rule) if f"# expect: {rule.code}" in example)
    return bad, examples(rule)[-1]


def test_there_are_rules() -> None:
    assert len(RULES) >= 13


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """The bad and the good example of each rule, as files that can be run."""
    folder = tmp_path_factory.mktemp("pages")
    files = {rule.code: (folder / f"{rule.code}_bad.py", folder / f"{rule.code}_good.py") for rule in RULES}
    for rule in RULES:
        for path, example in zip(files[rule.code], bad_and_good(rule), strict=True):
            path.write_text(f"{PREAMBLE}\n\n{example}", "utf-8")
    return files


@pytest.fixture(scope="module")
def findings(pages: dict[str, tuple[Path, Path]]) -> dict[Path, list[dict[str, Any]]]:
    return lint([path for both in pages.values() for path in both])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
class TestPage:
    def test_first_line_says_what_is_wrong(self, rule: Rule) -> None:
        first, blank, *_ = rule.page.splitlines()
        assert first.endswith(".")
        assert len(first) <= 100
        assert not blank

    def test_it_has_a_fixture(self, rule: Rule) -> None:
        fixture = FIXTURES / f"{rule.name.replace('-', '_')}.py"
        assert fixture.exists()
        assert rule.code in {expectation.code for expectation in read(fixture).expectations}

    def test_examples_compile(self, rule: Rule) -> None:
        for example in bad_and_good(rule):
            compile(PREAMBLE + example, rule.name, "exec")

    def test_bad_example_is_reported(
        self, rule: Rule, pages: dict[str, tuple[Path, Path]], findings: dict[Path, list[dict[str, Any]]]
    ) -> None:
        bad, _ = pages[rule.code]
        assert differences(read(bad).expectations, findings[bad]) == []

    def test_good_example_is_silent(
        self, rule: Rule, pages: dict[str, tuple[Path, Path]], findings: dict[Path, list[dict[str, Any]]]
    ) -> None:
        bad, good = pages[rule.code]
        assert read(good).text != read(bad).text
        assert read(good).expectations == ()
        assert findings[good] == []

    def test_examples_do_what_they_say(self, rule: Rule, pages: dict[str, tuple[Path, Path]]) -> None:
        pytest.importorskip("torch", reason="examples are run")
        from fixture_runs import loaded, outcome

        for example in map(read, pages[rule.code]):
            with loaded(example.text):
                pass
            for run in example.runs:
                error = outcome(example.text, run.call)
                assert (error is None) == (run.message is None), error
                assert run.message is None or run.message in str(error)

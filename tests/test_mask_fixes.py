"""Repairs of masks: what the edits make of a file is silent and does what the rule's good example does."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixture_harness import FIXTURES, lint
from shapecheck.rule import load_rules
from test_fixes import applied, fixed
from test_rule_pages import PREAMBLE, bad_and_good

SAFE = {"ATN022": True, "ATN028": True, "ATN020": False, "ATN024": False, "ATN027": False}


@pytest.mark.parametrize("code", SAFE)
def test_the_bad_example_is_repaired(code: str, tmp_path: Path) -> None:
    rule = next(rule for rule in load_rules() if rule.code == code)
    bad, good = bad_and_good(rule)
    text, left = fixed(PREAMBLE + bad, tmp_path, code)
    assert left == []
    assert text != PREAMBLE + bad
    if code in ("ATN022", "ATN027", "ATN028", "ATN024"):
        assert text.replace(f"  # expect: {code}", "") == PREAMBLE + good


@pytest.mark.parametrize("code", SAFE)
def test_fixes_of_the_fixture(code: str, tmp_path: Path) -> None:
    """All that have a repair are silent after it, and are marked as the catalogue says."""
    rule = next(rule for rule in load_rules() if rule.code == code)
    fixture = FIXTURES / f"{rule.name.replace('-', '_')}.py"
    found = [one for one in lint([fixture])[fixture] if one["code"] == code]
    fixes = [one["fix"] for one in found if one["fix"]]
    assert fixes
    assert {fix["applicability"] == "safe" for fix in fixes} == {SAFE[code]}
    after = tmp_path / "after.py"
    after.write_text(applied(fixture.read_text("utf-8"), fixes), "utf-8")
    left = [one for one in lint([after])[after] if one["code"] == code]
    assert len(left) == sum(one["fix"] is None for one in found)


def test_a_repaired_mask_hides_the_future(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="both are run")
    from fixture_runs import loaded

    text, _ = fixed((FIXTURES / "mask_polarity.py").read_text("utf-8"), tmp_path, "ATN020")
    with loaded(text) as names, torch.no_grad():
        for name in ("KeepsTheFuture", "FillsThePast"):
            attention = names[name](12, 3)
            x = torch.randn(2, 5, 12)
            other = x.clone()
            other[:, -1] += 1
            assert torch.equal(attention(x)[:, :-1], attention(other)[:, :-1])

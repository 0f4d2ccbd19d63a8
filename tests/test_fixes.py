"""Fixes: what the edits of a finding make of a file is silent, runs, and, where a fix is safe, is the rule's good example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixture_harness import FIXTURES, lint
from shapecheck.rule import load_rules
from test_rule_pages import PREAMBLE, bad_and_good

UNUSED = FIXTURES / "unused_tensor_op.py"


def applied(text: str, fixes: list[dict[str, Any]]) -> str:
    """A text with the edits of fixes made, the last one first."""
    lines = text.splitlines(keepends=True)
    starts = [sum(map(len, lines[:index])) for index in range(len(lines))]

    def at(location: dict[str, int]) -> int:
        return starts[location["row"] - 1] + location["column"] - 1

    edits = {str(edit): edit for fix in fixes for edit in fix["edits"]}.values()
    for edit in sorted(edits, key=lambda edit: at(edit["location"]), reverse=True):
        text = text[: at(edit["location"])] + edit["content"] + text[at(edit["end_location"]) :]
    return text


def fixed(text: str, folder: Path, code: str) -> tuple[str, list[dict[str, Any]]]:
    """A text with all fixes of a rule made, and what is still reported of it."""
    before, after = folder / "before.py", folder / "after.py"
    before.write_text(text, "utf-8")
    fixes = [one["fix"] for one in lint([before])[before] if one["code"] == code and one["fix"]]
    after.write_text(applied(text, fixes), "utf-8")
    return after.read_text("utf-8"), [one for one in lint([after])[after] if one["code"] == code]


@pytest.mark.parametrize("code", ["ATN015", "ATN030", "SHP008"])
def test_the_fix_makes_the_good_example(code: str, tmp_path: Path) -> None:
    rule = next(rule for rule in load_rules() if rule.code == code)
    bad, good = (PREAMBLE + example for example in bad_and_good(rule))
    text, left = fixed(bad, tmp_path, code)
    assert text.replace(f"  # expect: {code}", "") == good
    assert left == []


@pytest.mark.parametrize(
    ("code", "fixture", "without_fix"),
    [
        ("ATN015", "kv_repeat_order", ["v = v[:, None].expand(", "k = repeat(k, "]),
        ("ATN030", "batch_first_mismatch", ["return self.attention(x, x, x)[0]"]),
    ],
)
def test_what_has_a_fix_is_silent_afterwards(code: str, fixture: str, without_fix: list[str], tmp_path: Path) -> None:
    text, left = fixed((FIXTURES / f"{fixture}.py").read_text("utf-8"), tmp_path, code)
    lines = [text.splitlines()[one["location"]["row"] - 1].strip() for one in left]
    assert [line[: len(start)] for line, start in zip(lines, without_fix, strict=True)] == without_fix


def test_a_fix_that_changes_no_shape_is_safe() -> None:
    said = {one["message"]: one["fix"] for one in lint([UNUSED])[UNUSED]}
    safe = {message.split("`")[1] for message, fix in said.items() if fix and fix["applicability"] == "safe"}
    unsafe = {message.split("`")[1] for message, fix in said.items() if fix and fix["applicability"] == "unsafe"}
    assert safe == {"masked_fill", "clamp", "contiguous", "softmax"}
    assert unsafe == {"transpose", "squeeze"}


def test_only_a_name_of_the_same_body_is_bound(tmp_path: Path) -> None:
    path = tmp_path / "attention.py"
    path.write_text(
        PREAMBLE
        + """

class Attention(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, q, k, v):
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5

        def bounded():
            scores.clamp(max=50)
            return scores

        (scores.contiguous())
        return bounded().softmax(dim=-1) @ v
""",
        "utf-8",
    )
    found = [one for one in lint([path])[path] if one["code"] == "SHP008"]
    lines = path.read_text("utf-8").splitlines()
    assert [lines[one["location"]["row"] - 1].strip() for one in found] == [
        "scores.clamp(max=50)",
        "(scores.contiguous())",
    ]
    assert [one["fix"] for one in found] == [None, None]


def test_fixed_fixtures_do_what_was_meant(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="both are run")
    from fixture_runs import loaded

    text, left = fixed(UNUSED.read_text("utf-8"), tmp_path, "SHP008")
    assert left == []
    with loaded(text) as names:
        torch.manual_seed(0)
        meant, mended = names["Masks"](12, 3), names["MasksNothing"](12, 3)
        mended.load_state_dict(meant.state_dict())
        x, mask = torch.randn(2, 5, 12), torch.ones(5, 5).tril()
        assert torch.equal(mended(x, mask), meant(x, mask))

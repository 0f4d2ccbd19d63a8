"""The README keeps its word: its commands are the ones CI runs, its tables and its example are generated."""

import re
import runpy
import subprocess

import pytest

import rival_table
from readme import README, between, blocks, section
from rule_table import example, table
from tree import ROOT


def test_rule_table() -> None:
    assert between("rules") == table(), "python tests/rule_table.py writes it anew"


def test_example() -> None:
    assert between("example") == example(), "python tests/rule_table.py writes it anew"


def test_rival_table() -> None:
    assert between("rivals") == rival_table.table(), "python tests/rival_table.py writes it anew"


def test_recorded_rivals_were_asked_of_all_six_bugs() -> None:
    tools = rival_table.record()["tools"]
    assert {"TorchFix", "Fixit", "ruff", "Pyrefly", "torchtyc", "torchshapeflow", "shapecheck"} <= set(tools)
    for tool in tools.values():
        assert "unavailable" in tool or len(tool["reported"]) == 6
    assert all(all(styles.values()) for styles in tools["shapecheck"]["reported"].values())


def test_picture() -> None:
    pytest.importorskip("rich", reason="it draws the picture")
    drawn = runpy.run_path(str(ROOT / "docs" / "picture.py"))
    assert drawn["PICTURE"].read_text("utf-8") == drawn["picture"](), "python docs/picture.py draws it anew"
    assert "](docs/check.svg)" in README.read_text("utf-8")


def test_one_command_to_try_it() -> None:
    (command,) = blocks("sh", text=section("Try it"))
    assert command.startswith("python3 -m venv .venv\n")
    assert command.endswith("shapecheck check fixtures/\n")
    assert re.search(r"exit status 1", section("Try it"))


def test_one_command_to_test_it() -> None:
    (command,) = blocks("sh", text=section("Test it"))
    assert command.startswith("python3 -m venv .venv\n")
    assert "'.[dev]'" in command
    assert command.endswith("-m pytest\n")


def test_ci_extracts_the_command_to_test_it() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    (extraction,) = re.findall(r"^test_it=\$\((.*)\)$", script, re.MULTILINE)
    done = subprocess.run(["bash", "-c", extraction], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [done.stdout] == blocks("sh", text=section("Test it"))

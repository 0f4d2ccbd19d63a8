"""The README keeps its word: its commands are the ones CI runs, its tables and its example are generated."""

import re
import subprocess

from readme import between, blocks, section
from rule_table import example, table
from tree import ROOT


def test_rule_table() -> None:
    assert between("rules") == table(), "python tests/rule_table.py writes it anew"


def test_example() -> None:
    assert between("example") == example(), "python tests/rule_table.py writes it anew"


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

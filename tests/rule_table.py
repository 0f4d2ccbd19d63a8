"""The README's table of rules and its example, made from the rules and by a run: `python tests/rule_table.py` writes both."""

import subprocess
import sys
import tempfile
from pathlib import Path

from readme import between, blocks, replace_between
from shapecheck.rule import load_rules

COMMAND = "shapecheck check attention.py"


def table() -> str:
    """A row for each rule: its code, name, severity and first sentence."""
    rows = [f"| {rule.code} | {rule.name} | {rule.severity.value} | {rule.summary} |" for rule in load_rules()]
    return "\n".join(["| code | name | severity | says |", "|--|--|--|--|", *rows])


def example() -> str:
    """The example's code, and what the linter prints of it."""
    (code,) = blocks("python", text=between("example"))
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary, "attention.py").write_text(code, "utf-8")
        command = [sys.executable, "-m", *COMMAND.split(), "--isolated", "--color", "never"]
        done = subprocess.run(command, cwd=temporary, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 1, done.stderr
    return f"```python\n{code}```\n\n```console\n$ {COMMAND}\n{done.stdout}```"


def write() -> None:
    replace_between("rules", table())
    replace_between("example", example())


if __name__ == "__main__":
    write()

"""Six bugs in five styles, shown to other tools: which of the thirty does each report?

    python benchmarks/rivals.py ENVIRONMENTS [TOOL …]

Each tool is installed into an environment of its own in the folder ENVIRONMENTS and run on the thirty files of
tests/test_six_bugs.py, without their comments, and on the five correct ones. A bug counts as reported when the tool says something of
the broken file that it doesn't say of the correct one, whatever it is. What was seen goes into rivals.json, and from
there `python tests/rival_table.py` writes README's table.
"""

import argparse
import datetime as dt
import json
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fixture_harness import FIXTURES, read
from test_six_bugs import BUGS, STYLES

RECORD = Path(__file__).with_name("rivals.json")
TORCH = ("torch==2.13.0", "einops==0.8.2")


@dataclass(frozen=True)
class Tool:
    """A tool, what is installed for it, how one file is checked, and how its lines look that report something."""

    name: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]  # {bin} is its environment's folder of commands, {file} the file
    reports: str  # a pattern with the group `what`: the code and the message, without the place
    told: str  # how it was run, for README
    entry: bool = False  # the file is given an entry point that calls the module at good sizes


TOOLS = (
    Tool(
        "TorchFix",
        ("torchfix==0.7.0",),
        ("{bin}/torchfix", "--select", "ALL", "{file}"),
        r"^\S+?:\d+:\d+: (?P<what>TOR\d+ .*)$",
        "every rule",
    ),
    Tool(
        "Fixit",
        ("fixit==2.2.1",),
        ("{bin}/fixit", "lint", "{file}"),
        r"^\S+?@\d+:\d+ (?P<what>\w+: .*)$",
        "the rules that it has on",
    ),
    Tool(
        "ruff",
        ("ruff==0.17.0",),
        ("{bin}/ruff", "check", "--isolated", "--preview", "--select", "ALL", "--output-format", "concise", "{file}"),
        r"^\S+?:\d+:\d+: (?P<what>[\w-]+: .*)$",
        "every rule, previews too",
    ),
    Tool(
        "Pyrefly",
        ("pyrefly==1.4.0", "pyrefly-torch-stubs==1.4.0", *TORCH),
        (
            *("{bin}/pyrefly", "check", "--preset", "default", "--check-unannotated-defs"),
            *("--python-interpreter-path", "{bin}/python", "--output-format", "min-text", "{file}"),
        ),
        r"^\s*(?:ERROR|WARN) .*?:\d+:\d+(?:-[\d:]+)?: (?P<what>.*)$",
        "the default errors, with its stubs that track shapes, bodies without annotations too",
    ),
    Tool(
        "torchtyc",
        ("torchtyc[all]==0.5.0", *TORCH),
        ("{bin}/torchtyc", "check", "--format", "concise", "--python", "{bin}/python", "{file}"),
        r"^\S+?:\d+:\d+: (?P<what>.*)$",
        "`check`",
    ),
    Tool(
        "torchtyc run",
        ("torchtyc[all]==0.5.0", *TORCH),
        ("{bin}/torchtyc", "run", "--format", "concise", "--python", "{bin}/python", "{file}"),
        r"^\S+?:\d+:\d+: (?P<what>.*)$",
        "`run`, which executes the file on meta tensors: it was given a call of the module at good sizes",
        entry=True,
    ),
    Tool(
        "torchshapeflow",
        ("torchshapeflow==0.7.3",),
        ("{bin}/tsf", "check", "{file}"),
        r"^\S+?:\d+:\d+:? (?P<what>.*)$",
        "`check`",
    ),
    Tool(
        "shapecheck",
        (),
        (sys.executable, "-m", "shapecheck", "check", "--isolated", "--output-format", "concise", "{file}"),
        r"^\S+?:\d+:\d+: (?P<what>.*)$",
        "this version",
    ),
)


class Unavailable(Exception):
    """A tool that can't be installed or run here, and why."""


def installed(tool: Tool, environments: Path) -> Path:
    """The folder of a tool's commands, in an environment that is made for it."""
    folder = environments / re.sub(r"\W", "_", tool.requirements[0] if tool.requirements else tool.name)
    python = folder / "bin" / "python"
    done = folder / "installed"
    if tool.requirements and not done.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *tool.requirements], capture_output=True, text=True, check=False
        )
        if pip.returncode:
            raise Unavailable(pip.stderr.strip().splitlines()[-1])
        done.touch()
    return folder / "bin"


def reported(tool: Tool, commands: Path, path: Path) -> tuple[str, ...]:
    """What a tool says of a file, without the places."""
    command = [part.replace("{bin}", str(commands)).replace("{file}", path.name) for part in tool.command]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=300, check=False)
    said = re.sub(r"\x1b\[[\d;]*m", "", f"{done.stdout}\n{done.stderr}")
    if done.returncode not in (0, 1) and not re.search(tool.reports, said, re.MULTILINE):
        raise Unavailable(f"it ends with {done.returncode}: {said.strip().splitlines()[-1:]}")
    return tuple(sorted(match["what"] for match in re.finditer(tool.reports, said, re.MULTILINE)))


def files() -> Iterator[tuple[str, str, str, str]]:
    """Bug (nothing for the correct file), style, the text without comments, and a call of it at good sizes."""
    for style in STYLES:
        fixture = read(FIXTURES / "styles" / f"{style}.py")
        call = _entry(fixture.runs[0].call)
        yield "", style, _plain(fixture.text), call
        for bug in BUGS:
            if bug.style == style:
                yield bug.name, style, _plain(bug.applied_to(fixture.text)), call


def _plain(text: str) -> str:
    """The code as someone would write it: nothing in it says what is expected of it."""
    lines = (re.sub(r"\s*# (expect|run|shape): .*", "", line) for line in text.split("\n"))
    return "\n".join(lines).rstrip() + "\n"


def _entry(call: str) -> str:
    """`Attention(dim=12)(x=[2, 5, 12])` → the same in Python."""
    tensors = re.sub(r"=(\[[\d, ]+\])(?=[,)])", r"=torch.randn(\1)", call)
    return f'\n\nif __name__ == "__main__":\n    import torch\n\n    {tensors}\n'


def judged(tool: Tool, environments: Path) -> dict[str, Any]:
    """What a tool made of all files, or why it couldn't be asked."""
    told: dict[str, Any] = {"version": ", ".join(tool.requirements), "run": tool.told}
    try:
        commands = installed(tool, environments)
        correct: dict[str, tuple[str, ...]] = {}
        found: dict[str, dict[str, list[str]]] = {}
        for bug, style, text, entry in files():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "attention.py")
                path.write_text(text + entry if tool.entry else text, "utf-8")
                said = reported(tool, commands, path)
            if not bug:
                correct[style] = said
                continue
            new = list(said)
            for known in correct[style]:
                if known in new:
                    new.remove(known)
            found.setdefault(bug, {})[style] = new
        return told | {"correct": {style: len(said) for style, said in correct.items()}, "reported": found}
    except (Unavailable, subprocess.TimeoutExpired, OSError) as error:
        return told | {"unavailable": str(error)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environments", type=Path)
    parser.add_argument("tool", nargs="*")
    options = parser.parse_args()
    record = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {"tools": {}}
    for tool in TOOLS:
        if not options.tool or tool.name in options.tool:
            record["tools"][tool.name] = told = judged(tool, options.environments.resolve())
            caught = {bug: sum(map(bool, styles.values())) for bug, styles in told.get("reported", {}).items()}
            print(
                f"{tool.name}: {told.get('unavailable') or caught}, of the correct: {told.get('correct')}", flush=True
            )
    record |= {"date": str(dt.datetime.now(dt.timezone.utc).date()), "python": platform.python_version()}
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line: options, exit codes, and every bad input that a user may hand it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

import shapecheck.static
from conftest import RunShapecheck
from shapecheck import __version__, cli, linter
from stub_engine import PICKED, write

BUG = PICKED + "bug_ATN001()\n"
LINE = "a.py:2:1: ATN001 x is [b, t]\n"


def test_nothing_found_exits_with_0(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "a.py", "x = 1\n")
    run = run_shapecheck("check")
    assert (run.status, run.out, run.err) == (0, "Nothing found in 1 file.\n", "")


def test_something_found_exits_with_1(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "a.py", BUG)
    run = run_shapecheck("check", "--output-format", "concise")
    assert (run.status, run.err) == (1, "")
    assert run.out == LINE + "Found 1 problem (1 warning) in 1 of 1 file.\n"
    assert run_shapecheck("check", "--exit-zero").status == 0
    assert run_shapecheck("check", "-q", "--output-format", "concise").out == LINE


def test_the_whole_of_a_finding_in_full(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "a.py", PICKED + "y = bug_ATN002(x)\n")
    assert run_shapecheck("check", "a.py").out == (
        "a.py:2:5: ATN002 x is [b, t]\n"
        "  |\n"
        "2 | y = bug_ATN002(x)\n"
        "  |     ^^^^^^^^^^^^^ silent: all the same\n"
        "  |\n"
        "1 | import torch  # softmax\n"
        "  |        ----- x comes from here\n"
        "  help: say `y`\n"
        "\n"
        "Found 1 problem (1 error) in 1 of 1 file.\n"
    )


def test_an_empty_folder_is_told(run_shapecheck: RunShapecheck) -> None:
    run = run_shapecheck("check")
    assert (run.status, run.out) == (0, "No Python file or notebook found.\n")


# Bad input: a clear message and the right status, and the other files are checked all the same.


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("b.py", PICKED.encode() + b"# \xe9\n", "b.py:2:1: E902 byte 0xe9 in line 2 is not UTF-8\n"),
        ("b.py", b"# coding: no-such\n" + BUG.encode(), "b.py:1:1: E902 unknown encoding: no-such\n"),
        ("b.py", PICKED.encode() + b"broken()\n", "b.py:2:1: E999 it doesn't parse\n"),
        (
            "b.ipynb",
            b'{"cells": [' + json.dumps(PICKED).encode(),
            "b.ipynb:1:39: E999 not a notebook, its JSON is broken: expecting ',' delimiter\n",
        ),
        (
            "b.ipynb",
            json.dumps({"text": PICKED}).encode(),
            "b.ipynb:1:1: E999 not a notebook: it has no list of `cells`\n",
        ),
    ],
)
def test_a_file_that_cannot_be_understood(
    run_shapecheck: RunShapecheck, tmp_path: Path, name: str, data: bytes, line: str
) -> None:
    write(tmp_path / "a.py", BUG)
    write(tmp_path / name, data)
    run = run_shapecheck("check", "--output-format", "concise", "-q")
    assert (run.status, run.out, run.err) == (1, LINE + line, "")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"# coding: latin-1\n# \xe9\n" + BUG.encode(), 1),
        (b"\xef\xbb\xbf" + BUG.encode(), 1),
        (b"", 0),
        (b"\x00" * 100, 0),
        (BUG.encode() + b"x = 1\n" * 50_000, 1),
        (BUG.encode() + b"total = " + b"1 + " * 5_000 + b"1\n", 1),
    ],
    ids=["declared", "marked", "empty", "zeros", "long", "deep"],
)
def test_a_file_that_is_odd_but_right(run_shapecheck: RunShapecheck, tmp_path: Path, data: bytes, status: int) -> None:
    write(tmp_path / "a.py", data)
    run = run_shapecheck("check")
    assert (run.status, run.err) == (status, "")


@pytest.mark.parametrize(
    "notebook",
    [
        {"cells": []},
        {"cells": [], "metadata": {"title": "torch softmax"}},
        {"cells": [{"cell_type": "markdown", "source": "torch softmax"}]},
        {"cells": [{"cell_type": "code", "source": []}], "metadata": {"title": "torch softmax"}},
    ],
)
def test_a_notebook_without_code(run_shapecheck: RunShapecheck, tmp_path: Path, notebook: object) -> None:
    write(tmp_path / "a.ipynb", json.dumps(notebook))
    run = run_shapecheck("check")
    assert (run.status, run.out, run.err) == (0, "Nothing found in 1 file.\n", "")


def test_a_notebook_without_a_kernel_is_checked(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    cells = [{"cell_type": "markdown", "source": "# A"}, {"cell_type": "code", "source": "%time\n" + BUG}]
    write(tmp_path / "a.ipynb", json.dumps({"cells": cells}))
    run = run_shapecheck("check", "-q", "--output-format", "concise")
    assert (run.status, run.out) == (1, "a.ipynb:cell 2:3:1: ATN001 x is [b, t]\n")


def test_a_path_that_is_not_there(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "a.py", BUG)
    run = run_shapecheck("check", "a.py", "nowhere.py", "-q", "--output-format", "concise")
    assert (run.status, run.out) == (1, LINE + "nowhere.py:1:1: E902 No such file or directory\n")


def test_a_link_to_nothing(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to("nowhere")
    (tmp_path / "b.py").symlink_to("b.py")
    run = run_shapecheck("check", "-q", "--output-format", "concise")
    assert run.status == 1
    assert run.out.startswith(
        "a.py:1:1: E902 No such file or directory\nb.py:1:1: E902 Too many levels of symbolic links"
    )


def test_a_file_that_may_not_be_read(
    run_shapecheck: RunShapecheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.py", BUG)
    write(tmp_path / "b.py", BUG)
    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:  # the tests may run as root, whom no mode of a file stops
        if path.name == "b.py":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    run = run_shapecheck("check", "-q", "--output-format", "concise")
    assert (run.status, run.out) == (1, LINE + "b.py:1:1: E902 Permission denied\n")


def test_a_folder_that_may_not_be_read(
    run_shapecheck: RunShapecheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.py", BUG)
    write(tmp_path / "locked" / "b.py", BUG)
    scan = os.scandir

    def refuse(path: Path) -> Any:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    run = run_shapecheck("check", "-q", "--output-format", "concise")
    assert (run.status, run.out) == (1, LINE + "locked:1:1: E902 Permission denied\n")


def test_a_loop_of_folders(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "sub" / "a.py", BUG)
    (tmp_path / "sub" / "loop").symlink_to(tmp_path, target_is_directory=True)
    run = run_shapecheck("check")
    assert run.out.endswith("in 1 of 1 file.\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--select", "ATN01"], "command line: `select`: no rule is called `ATN01`, the nearest is `ATN001`"),
        (["--ignore", "mising-out-proj"], "the nearest is `missing-out-proj`"),
        (["--per-file-ignores", "a.py:ATN9"], "`per-file-ignores`: no rule is called `ATN9`"),
        (["--per-file-ignores", "a.py"], "`a.py` is to be GLOB:CODE"),
        (["--selct", "ATN"], "Did you mean"),
        (["--output-format", "jsonl"], "'jsonl' is not one of 'full'"),
        (["--jobs", "0"], "0 is not in the range x>=1"),
        (["--config", "nowhere.toml"], "nowhere.toml: No such file or directory"),
        (["-", "a.py"], "`-`, standard input, is to be the only path"),
        (["-o", "nowhere/report.txt"], "nowhere/report.txt"),
    ],
)
def test_wrong_arguments_exit_with_2(
    run_shapecheck: RunShapecheck, tmp_path: Path, arguments: list[str], says: str
) -> None:
    write(tmp_path / "a.py", "x = 1\n")
    run = run_shapecheck("check", *arguments)
    assert (run.status, run.out) == (2, "")
    assert says in run.err


def test_a_wrong_key_exits_with_2_and_names_the_nearest(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    path = write(tmp_path / "sub" / "pyproject.toml", '[tool.shapecheck]\nselcet = ["ATN"]')
    write(tmp_path / "sub" / "a.py", "x = 1\n")
    run = run_shapecheck("check")
    assert (run.status, run.out) == (2, "")
    assert run.err == f"shapecheck: {path}: no option is called `selcet`, the nearest is `select`\n"


def test_a_broken_rule_of_the_user_s_exits_with_2(
    run_shapecheck: RunShapecheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shapecheck.rule import load_rules

    monkeypatch.setattr(linter, "load_rules", load_rules)
    write(tmp_path / "shapecheck.toml", 'rule-paths = ["mine"]')
    write(tmp_path / "mine" / "bad.py", "1 / 0")
    run = run_shapecheck("check")
    assert run.status == 2
    assert "bad.py: ZeroDivisionError" in run.err


def test_a_defect_is_told_counted_and_exits_with_2(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "a.py", BUG + "defect()\n")
    write(tmp_path / "b.py", PICKED + "crash()\n")
    run = run_shapecheck("check", "-q", "--output-format", "concise", "--exit-zero")
    assert (run.status, run.out) == (2, LINE)
    first, second, count = run.err.splitlines()
    assert first == f"shapecheck: bug in shapecheck, met in {tmp_path / 'a.py'}::Attention (ATN001): KeyError: 1"
    assert second.startswith(
        f"shapecheck: bug in shapecheck, met in {tmp_path / 'b.py'}: RuntimeError: the engine fell"
    )
    assert count == "shapecheck: 2 bugs in shapecheck itself; everything else was checked"


def test_a_crash_of_the_whole_tool_exits_with_2(run_shapecheck: RunShapecheck, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr(linter, "check", fail)
    run = run_shapecheck("check")
    assert run.status == 2
    assert "RuntimeError: oh" in run.err
    assert "bug in shapecheck" in run.err


def test_an_interrupted_run_exits_with_130(run_shapecheck: RunShapecheck, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(linter, "check", interrupt)
    assert run_shapecheck("check").status == 130


# The other options of check.


def test_options_choose_rules(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "a.py", PICKED + "bug_ATN001()\nbug_ATN002()\nbug_SHP003()\nbug_SHP009()\n")

    def codes(*arguments: str) -> list[str]:
        out = run_shapecheck("check", "--output-format", "json", *arguments).out
        return [one["code"] for one in json.loads(out)]

    assert codes() == ["ATN001", "ATN002", "SHP003"]
    assert codes("--select", "ATN001,SHP") == ["ATN001", "SHP003"]
    assert codes("--select", "ATN001", "--select", "SHP009") == ["ATN001", "SHP009"]
    assert codes("--select=ALL", "--ignore=ATN") == ["SHP003", "SHP009"]
    assert codes("--extend-select", "squeeze-without-dim") == ["ATN001", "ATN002", "SHP003", "SHP009"]
    assert codes("--per-file-ignores", "*.py:ATN,b.py:SHP") == ["SHP003"]
    write(tmp_path / "shapecheck.toml", 'select = ["SHP"]')
    assert codes() == ["SHP003"]
    assert codes("--isolated") == ["ATN001", "ATN002", "SHP003"]
    write(tmp_path / "other.toml", 'select = ["ATN002"]')
    assert codes("--config", "other.toml") == ["ATN002"]


def test_options_choose_files(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "dist/c.py"):
        write(tmp_path / name, "")

    def files(*arguments: str) -> list[str]:
        run = run_shapecheck("check", "--show-files", *arguments)
        assert run.status == 0
        return [Path(line).relative_to(tmp_path).as_posix() for line in run.out.splitlines()]

    assert files() == ["a.py", "b.py"]
    assert files("--exclude", "a.py,b.py") == ["dist/c.py"]
    assert files("--extend-exclude", "b.*") == ["a.py"]
    assert files("dist/c.py") == ["dist/c.py"]
    assert files("--force-exclude", "dist/c.py", "a.py") == ["a.py"]
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".gitignore", "a.py")
    assert files() == ["b.py"]
    assert files("--no-respect-gitignore") == ["a.py", "b.py"]


def test_standard_input_stands_for_a_file(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    concise = ("-q", "--output-format", "concise")
    run = run_shapecheck("check", "-", *concise, stdin=BUG.encode())
    assert (run.status, run.out) == (1, LINE.replace("a.py", "-"))
    run = run_shapecheck("check", "-", "--stdin-filename", "sub/b.py", *concise, stdin=BUG.encode())
    assert (run.status, run.out) == (1, LINE.replace("a.py", "sub/b.py"))
    write(tmp_path / "sub" / "shapecheck.toml", 'select = ["SHP"]')
    assert run_shapecheck("check", "-", "--stdin-filename", "sub/b.py", stdin=BUG.encode()).status == 0
    cells = json.dumps({"cells": [{"cell_type": "code", "source": BUG}]}).encode()
    run = run_shapecheck("check", "-", "--stdin-filename", "b.ipynb", *concise, stdin=cells)
    assert run.out == "b.ipynb:cell 1:2:1: ATN001 x is [b, t]\n"
    run = run_shapecheck("check", "-", "--stdin-filename", "dist/b.py", "--force-exclude", stdin=BUG.encode())
    assert (run.status, run.out) == (0, "No Python file or notebook found.\n")


def test_the_report_goes_to_a_file(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "a.py", BUG)
    run = run_shapecheck("check", "-o", "report.txt", "--output-format", "concise", "--color", "always")
    assert (run.status, run.out) == (1, "")
    assert (tmp_path / "report.txt").read_text() == LINE + "Found 1 problem (1 warning) in 1 of 1 file.\n"


def test_statistics_instead_of_findings(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "a.py", BUG + "bug_ATN001()\nbug_SHP003()\n")
    assert (
        run_shapecheck("check", "--statistics", "-q").out
        == "2\tATN001\tmissing-out-proj\n1\tSHP003\tscrambled-reshape\n"
    )


def test_noqa_can_be_ignored(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "a.py", PICKED + "bug_ATN001()  # noqa\n")
    assert run_shapecheck("check").status == 0
    assert run_shapecheck("check", "--ignore-noqa").status == 1


def test_the_format_of_the_configuration_is_the_current_folder_s(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "a.py", BUG)
    write(tmp_path / "shapecheck.toml", 'output-format = "json-lines"')
    assert json.loads(run_shapecheck("check").out)["code"] == "ATN001"
    assert run_shapecheck("check", "-q", "--output-format", "concise").out == LINE


def test_machine_formats_are_printed_alone(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    write(tmp_path / "a.py", BUG)
    for output_format in ("json", "sarif"):
        json.loads(run_shapecheck("check", "--output-format", output_format).out)
    assert run_shapecheck("check", "--output-format", "github").out.count("\n") == 1


def test_colours_are_for_those_who_want_them(
    run_shapecheck: RunShapecheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.py", BUG)
    colored = ("check", "-q", "--color", "always")
    assert (
        click.unstyle(run_shapecheck(*colored).out) == run_shapecheck("check", "-q").out != run_shapecheck(*colored).out
    )
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run_shapecheck("check", "-q").out
    assert "\x1b[" not in run_shapecheck("check", "-q", "--color", "never").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in run_shapecheck("check", "-q").out


def test_progress_is_shown_on_a_terminal_only_and_only_if_it_takes_a_while(
    run_shapecheck: RunShapecheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.py", PICKED)
    assert run_shapecheck("check").err == ""
    ticks = iter(range(100))
    monkeypatch.setattr(cli, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    assert run_shapecheck("check").err == ""
    monkeypatch.setattr(cli, "_is_terminal", lambda stream: True)
    assert "1 of 1 files" in run_shapecheck("check").err
    assert run_shapecheck("check", "--quiet").err == ""


# The other commands.


def test_rule_prints_a_page(run_shapecheck: RunShapecheck) -> None:
    page = "ATN001 missing-out-proj (warning)\n\nWhat missing-out-proj is.\n\nMore of it.\n"
    assert run_shapecheck("rule", "ATN001").out == page
    assert run_shapecheck("rule", "missing-out-proj").out == page
    everything = run_shapecheck("rule", "--all").out
    assert everything.startswith(page + "\nATN002 undivided-head-dim (error)\n")
    assert everything.count("More of it.") == 4
    (record,) = json.loads(run_shapecheck("rule", "ATN001", "--output-format", "json").out)
    assert record == {
        "code": "ATN001",
        "name": "missing-out-proj",
        "severity": "warning",
        "summary": "What missing-out-proj is",
        "explanation": "What missing-out-proj is.\n\nMore of it.",
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ATN01"], "no rule is called `ATN01`, the nearest is `ATN001`"),
        ([], "say a CODE or --all"),
        (["ATN001", "--all"], "say a CODE or --all"),
    ],
)
def test_rule_is_asked_for_one_that_there_is(run_shapecheck: RunShapecheck, arguments: list[str], says: str) -> None:
    run = run_shapecheck("rule", *arguments)
    assert run.status == 2
    assert says in run.err


def test_config_says_what_is_in_force_and_from_where(run_shapecheck: RunShapecheck, tmp_path: Path) -> None:
    path = write(
        tmp_path / "pyproject.toml", '[tool.shapecheck]\nselect = ["ATN"]\nper-file-ignores = { "b.py" = ["ATN001"] }'
    )
    lines = run_shapecheck("config", "--force-exclude").out.splitlines()
    assert f'select = ["ATN"]  # {path}' in lines
    assert f'per-file-ignores = {{"b.py" = ["ATN001"]}}  # {path}' in lines
    assert "force-exclude = true  # command line" in lines
    assert 'scope = "attention"  # default' in lines
    assert not any(line.startswith("ignore") for line in lines)
    assert lines[-1] == "# rules that run: ATN001, ATN002"
    write(tmp_path / "b.py", "")
    assert run_shapecheck("config", "b.py").out.endswith("# rules that run: ATN002\n")
    assert run_shapecheck("config", "--ignore", "ATN").out.endswith("# rules that run: none\n")


def shown(row: int, name: str, shape: str, lost_by: str | None = None, path: str = "") -> SimpleNamespace:
    return SimpleNamespace(
        row=row, column=5, name=name, shape=shape, lost_by=lost_by, symbol="Attention", path=path, left_out=3
    )


def test_show_prints_shapes_beside_lines(
    run_shapecheck: RunShapecheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.py", "class A:\n    q = f(x)\n    k, v = g(q)\n")
    asked: list[object] = []

    def show(source: object, project: object, name: str | None) -> list[SimpleNamespace]:
        asked.append(name)
        return [
            shown(2, "q", "[b, t, d]"),
            shown(3, "k", "[b, d]"),
            shown(3, "v", "[…]", "torch.mystery"),
            shown(2, "q", "[b, t]", path="not flash"),
        ]

    monkeypatch.setattr(shapecheck.static, "show", show, raising=False)
    run = run_shapecheck("show", "a.py::A")
    assert asked == ["A"]
    assert (run.status, run.out) == (
        0,
        (
            "Attention\n"
            "    2 | q = f(x)     q: [b, t, d]\n"
            "    3 | k, v = g(q)  k: [b, d]\n"
            "      |              v: […]  lost by torch.mystery\n"
            "2 of 3 shapes known\n"
            "\n"
            "Attention (not flash)\n"
            "    2 | q = f(x)  q: [b, t]\n"
            "1 of 1 shape known\n"
            "3 more paths left out\n"
        ),
    )
    records = json.loads(run_shapecheck("show", "a.py", "--output-format", "json").out)
    assert asked == ["A", None]
    assert records[2] == {
        "symbol": "Attention",
        "path": "",
        "paths_left_out": 3,
        "cell": None,
        "row": 3,
        "column": 5,
        "name": "v",
        "shape": "[…]",
        "lost_by": "torch.mystery",
    }


def test_show_of_nothing_exits_with_2(
    run_shapecheck: RunShapecheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapecheck.static, "show", lambda *_: [], raising=False)
    write(tmp_path / "a.py", "x = 1")
    write(tmp_path / "b.py", b"\xff")
    for target, says in (
        ("a.py::B", "no tensor is known in a.py::B"),
        ("nowhere.py", "No such file or directory"),
        ("b.py", "byte 0xff in line 1 is not UTF-8"),
    ):
        run = run_shapecheck("show", target)
        assert run.status == 2
        assert says in run.err


def python(*arguments: str, cwd: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, env=environment, cwd=cwd
    ).stdout


def test_version_and_help_come_at_once() -> None:
    def cpu_seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert python("-m", "shapecheck", "--version") == f"shapecheck {__version__}\n"
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu_seconds() for _ in range(5)) < 0.15
    assert "check" in python("-m", "shapecheck", "-h")


def test_libcst_is_loaded_only_for_a_picked_file_and_torch_never(tmp_path: Path) -> None:
    script = (
        "import sys, shapecheck, shapecheck.cli\n"
        "try: shapecheck.cli.main(['check', '--isolated'])\n"
        "except SystemExit: print(*sorted({'libcst', 'torch', 'numpy'} & set(sys.modules)))"
    )
    write(tmp_path / "a.py", "x = 1\n")
    assert python("-c", script, cwd=tmp_path) == "Nothing found in 1 file.\n\n"


def test_importing_the_package_loads_nothing_until_a_name_is_used() -> None:
    script = (
        "import sys, shapecheck\n"
        "print([name for name in sys.modules if name.startswith('shapecheck.')])\n"
        "print(shapecheck.Rule.__name__, 'load_rules' in dir(shapecheck), hasattr(shapecheck, 'nonsense'))"
    )
    assert python("-c", script) == "[]\nRule True False\n"


def test_a_reader_that_leaves_early_is_no_crash(tmp_path: Path) -> None:
    for n in range(3000):
        (tmp_path / f"a_file_with_a_long_name_{n}.py").touch()
    command = f"{sys.executable} -m shapecheck check --isolated --show-files | head -1"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    run = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env=environment, cwd=tmp_path, check=True
    )
    assert run.stderr == ""
    assert run.stdout.count("\n") == 1

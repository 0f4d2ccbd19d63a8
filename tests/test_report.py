"""The formats: what each one says of the same few findings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click import unstyle

from shapecheck import __version__
from shapecheck.report import Diagnostic, Place, PlacedFix, Report, render, statistics, summary
from shapecheck.report.frame import encodable, width
from shapecheck.rule import Severity
from shapecheck.source import Location
from stub_engine import RULES

FOLDER = Path("/home/me/project")
PATH = FOLDER / "attention.py"


def at(row: int, column: int, end_row: int, end_column: int) -> Location:
    return Location(None, row, column, end_row, end_column, row, end_row)


MERGE = Diagnostic(
    "SHP003",
    "scrambled-reshape",
    Severity.ERROR,
    Place(PATH, at(57, 13, 57, 29), ("        y = y.view(b, t, -1)",)),
    "`y.view(b, t, -1)` joins t with d",
    "MultiHeadAttention",
    "silent: the output is [b, t, d_model] all the same",
    "`y.transpose(1, 2).reshape(b, t, -1)`",
)
CALL = Diagnostic(
    "ATN002",
    "undivided-head-dim",
    Severity.WARNING,
    Place(
        FOLDER / "lesson.ipynb",
        Location(3, 2, 5, 2, 8, 41, 41),
        ("a = MHA",),
    ),
    "768 for each of 12 heads",
    "MHA",
    related=(("d_out comes in whole here", Place(PATH, at(4, 1, 4, 6), ("d_out = 3",))),),
)
MISSING = Diagnostic(
    "E902", "io-error", Severity.ERROR, Place(FOLDER / "gone.py", at(1, 1, 1, 1)), "No such file or directory"
)


def report(*diagnostics: Diagnostic, encoding: str = "utf-8", folder: Path = FOLDER) -> Report:
    return Report(diagnostics, RULES, folder, encoding)


def full(*diagnostics: Diagnostic, encoding: str = "utf-8") -> str:
    return unstyle(render(report(*diagnostics, encoding=encoding), "full"))


def test_full_is_the_design_s_example() -> None:
    assert full(MERGE) == (
        "attention.py:57:13: SHP003 `y.view(b, t, -1)` joins t with d\n"
        "   |\n"
        "57 |         y = y.view(b, t, -1)\n"
        "   |             ^^^^^^^^^^^^^^^^ silent: the output is [b, t, d_model] all the same\n"
        "   help: `y.transpose(1, 2).reshape(b, t, -1)`\n"
    )


def test_full_shows_the_second_place_under_its_file() -> None:
    assert full(CALL) == (
        "lesson.ipynb:cell 3:2:5: ATN002 768 for each of 12 heads\n"
        "  |\n"
        "2 | a = MHA\n"
        "  |     ^^^\n"
        " ::: attention.py:4:1\n"
        "4 | d_out = 3\n"
        "  | ----- d_out comes in whole here\n"
    )


def test_full_shows_the_second_place_of_the_same_file_in_the_same_gutter() -> None:
    related = ("y is transposed here", Place(PATH, at(9, 1, 9, 2), ("y = 1",)))
    assert full(replace(MERGE, related=(related,), help=None)).split("\n")[4:] == [
        "   |",
        " 9 | y = 1",
        "   | - y is transposed here",
        "",
    ]


def test_full_without_code_says_everything_on_one_line() -> None:
    assert full(MISSING) == "gone.py:1:1: E902 No such file or directory\n"
    bare = replace(MERGE, place=Place(PATH, at(1, 1, 1, 1)), related=(("there", Place(PATH, at(2, 3, 2, 3))),))
    assert full(bare).split("\n")[:2] == [
        (
            "attention.py:1:1: SHP003 `y.view(b, t, -1)` joins t with d; "
            "silent: the output is [b, t, d_model] all the same"
        ),
        " ::: attention.py:2:3: there",
    ]


def test_full_separates_findings_by_an_empty_line() -> None:
    line = "gone.py:1:1: E902 No such file or directory\n"
    assert full(MISSING, MISSING) == f"{line}\n{line}"
    assert full() == ""


def test_a_stretch_of_lines_is_marked_on_each_and_a_long_one_shortened() -> None:
    three = replace(MERGE, place=Place(PATH, at(8, 5, 10, 6), ("y = f(", "    x,  ", "    z)  # w")), help=None)
    assert full(three).split("\n")[1:] == [
        "   |",
        " 8 | y = f(",
        "   |     ^^",
        " 9 |     x,",
        "   |     ^^",
        "10 |     z)  # w",
        "   |     ^ silent: the output is [b, t, d_model] all the same",
        "",
    ]
    lines = ("f(", *(f" {n}," for n in range(20)), ")")
    long = replace(MERGE, place=Place(PATH, at(1, 1, 22, 2), lines), help=None, outcome=None)
    assert full(long).split("\n")[1:] == [
        "   |",
        " 1 | f(",
        "   | ^^",
        " 2 |  0,",
        "   |  ^^",
        "...",
        "22 | )",
        "   | ^",
        "",
    ]


@pytest.mark.parametrize(
    ("line", "columns", "code", "marks"),
    [
        ("\ty = x", (6, 7), "    y = x", "        ^"),  # a tab takes four columns
        ("重 = x", (5, 6), "重 = x", "     ^"),  # a wide character two
        ("x = '重量'", (5, 9), "x = '重量'", "    ^^^^^^"),
        ("e\u0301 = x", (6, 7), "e\u0301 = x", "    ^"),  # a combining one none
        ("x\x0c = \x1b[1my", (5, 9), "x  =  [1my", "    " + " ^^^^"[1:]),  # a control character is no command here
        ("x = y", (3, 3), "x = y", "  ^"),  # an empty stretch is a point
        ("x = y", (9, 12), "x = y", "     ^"),
    ],
)
def test_the_caret_stands_under_the_code(line: str, columns: tuple[int, int], code: str, marks: str) -> None:
    place = Place(PATH, at(1, columns[0], 1, columns[1]), (line,))
    shown = full(replace(MERGE, place=place, outcome=None, help=None)).split("\n")
    assert shown[2] == f"1 | {code}"
    assert shown[3] == f"  | {marks}"


def test_what_the_terminal_cannot_show_is_written_in_ascii() -> None:
    place = Place(PATH, at(1, 7, 1, 8), ("'重' + x",))
    odd = replace(MERGE, place=place, message="[b, t] → [t, b] … 2 × 3", outcome="é", help="a ≥ b")
    assert full(odd, encoding="ascii") == (
        "attention.py:1:7: SHP003 [b, t] -> [t, b] ... 2 x 3\n  |\n1 | '?' + x\n  |       ^ ?\n  help: a >= b\n"
    )
    assert encodable("é", "latin-1") == "é"
    assert encodable("\udcff", "utf-8") == "?"  # of a file's name
    assert width("e\u0301重a") == 4


def test_concise_is_one_line_with_the_outcome() -> None:
    assert unstyle(render(report(MERGE, CALL, MISSING), "concise")) == (
        "attention.py:57:13: SHP003 `y.view(b, t, -1)` joins t with d; "
        "silent: the output is [b, t, d_model] all the same\n"
        "lesson.ipynb:cell 3:2:5: ATN002 768 for each of 12 heads\n"
        "gone.py:1:1: E902 No such file or directory\n"
    )


def test_a_path_outside_the_folder_is_shown_whole() -> None:
    assert unstyle(render(report(MISSING, folder=Path("/home/you")), "concise")).startswith(
        "/home/me/project/gone.py:1"
    )


def test_json_is_the_design_s() -> None:
    fix = PlacedFix("use reshape", safe=True, edits=(("reshape", at(57, 15, 57, 19)),))
    assert json.loads(render(report(replace(MERGE, fix=fix), CALL), "json")) == [
        {
            "cell": None,
            "code": "SHP003",
            "end_location": {"row": 57, "column": 29},
            "filename": "/home/me/project/attention.py",
            "fix": {
                "applicability": "safe",
                "message": "use reshape",
                "edits": [
                    {
                        "content": "reshape",
                        "location": {"row": 57, "column": 15},
                        "end_location": {"row": 57, "column": 19},
                    }
                ],
            },
            "help": "`y.transpose(1, 2).reshape(b, t, -1)`",
            "location": {"row": 57, "column": 13},
            "message": "`y.view(b, t, -1)` joins t with d; silent: the output is [b, t, d_model] all the same",
            "name": "scrambled-reshape",
            "noqa_row": 57,
            "related": [],
            "severity": "error",
            "symbol": "MultiHeadAttention",
            "url": None,
        },
        {
            "cell": 3,
            "code": "ATN002",
            "end_location": {"row": 2, "column": 8},
            "filename": "/home/me/project/lesson.ipynb",
            "fix": None,
            "help": None,
            "location": {"row": 2, "column": 5},
            "message": "768 for each of 12 heads",
            "name": "undivided-head-dim",
            "noqa_row": 2,
            "related": [
                {
                    "cell": None,
                    "message": "d_out comes in whole here",
                    "filename": "/home/me/project/attention.py",
                    "location": {"row": 4, "column": 1},
                    "end_location": {"row": 4, "column": 6},
                }
            ],
            "severity": "warning",
            "symbol": "MHA",
            "url": None,
        },
    ]
    assert json.loads(render(report(), "json")) == []


def test_what_no_comment_can_silence_has_no_row_for_one() -> None:
    (record,) = json.loads(render(report(MISSING), "json"))
    assert (record["noqa_row"], record["symbol"]) == (None, None)


def test_json_lines_are_the_objects_of_json() -> None:
    text = render(report(MERGE, CALL, MISSING), "json-lines")
    assert text.endswith("}\n")
    objects = [json.loads(line) for line in text.splitlines()]
    assert objects == json.loads(render(report(MERGE, CALL, MISSING), "json"))
    assert render(report(), "json-lines") == ""


def test_github_commands_are_escaped_and_at_lines_of_the_file() -> None:
    odd = replace(MERGE, message="50% of\nx", outcome=None, place=replace(MERGE.place, path=FOLDER / "a,b.py"))
    many = replace(MISSING, severity=Severity.INFO, place=Place(PATH, at(1, 2, 3, 4), ("", "", "")))
    assert render(report(odd, CALL, many), "github").split("\n") == [
        (
            "::error title=shapecheck (SHP003),file=/home/me/project/a%2Cb.py,line=57,endLine=57,col=13,endColumn=29"
            "::a,b.py:57:13: SHP003 50%25 of%0Ax%0A  help: `y.transpose(1, 2).reshape(b, t, -1)`"
        ),
        (
            "::warning title=shapecheck (ATN002),file=/home/me/project/lesson.ipynb,line=41,endLine=41"
            "::lesson.ipynb:cell 3:2:5: ATN002 768 for each of 12 heads"
        ),
        (
            "::notice title=shapecheck (E902),file=/home/me/project/attention.py,line=1,endLine=3"
            "::attention.py:1:2: E902 No such file or directory"
        ),
        "",
    ]


def sarif(*diagnostics: Diagnostic, folder: Path = FOLDER) -> dict[str, Any]:
    log = json.loads(render(report(*diagnostics, folder=folder), "sarif"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def test_sarif_says_what_ran_and_how_columns_count() -> None:
    run = sarif(MERGE, MISSING)
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["originalUriBaseIds"] == {"%SRCROOT%": {"uri": "file:///home/me/project/"}}
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("shapecheck", __version__)
    assert [(rule["id"], rule["name"], rule["defaultConfiguration"]) for rule in driver["rules"]] == [
        ("ATN001", "missing-out-proj", {"level": "warning", "enabled": True}),
        ("ATN002", "undivided-head-dim", {"level": "error", "enabled": True}),
        ("SHP003", "scrambled-reshape", {"level": "error", "enabled": True}),
        ("SHP009", "squeeze-without-dim", {"level": "note", "enabled": False}),
        ("E902", "io-error", {"level": "error", "enabled": True}),
    ]
    assert driver["rules"][0]["shortDescription"] == {"text": "What missing-out-proj is"}
    assert driver["rules"][0]["properties"] == {"problem.severity": "warning"}


def test_sarif_results_are_relative_to_the_root() -> None:
    fix = PlacedFix("use reshape", safe=False, edits=(("reshape", at(57, 15, 57, 19)),))
    first, second = sarif(replace(MERGE, fix=fix), CALL)["results"]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("SHP003", 2, "error")
    assert first["message"]["text"] == (
        "`y.view(b, t, -1)` joins t with d; silent: the output is [b, t, d_model] all the same\n"
        "help: `y.transpose(1, 2).reshape(b, t, -1)`"
    )
    artifact = {"uri": "attention.py", "uriBaseId": "%SRCROOT%"}
    region = {"startLine": 57, "startColumn": 13, "endLine": 57, "endColumn": 29}
    assert first["locations"] == [
        {
            "physicalLocation": {"artifactLocation": artifact, "region": region},
            "logicalLocations": [{"fullyQualifiedName": "MultiHeadAttention"}],
        }
    ]
    deleted = {"startLine": 57, "startColumn": 15, "endLine": 57, "endColumn": 19}
    replacement = {"deletedRegion": deleted, "insertedContent": {"text": "reshape"}}
    change = {"artifactLocation": artifact, "replacements": [replacement]}
    assert first["fixes"] == [{"description": {"text": "use reshape"}, "artifactChanges": [change]}]
    assert second["locations"][0]["physicalLocation"]["region"] == {"startLine": 41, "endLine": 41}  # of the JSON text
    assert second["relatedLocations"][0]["id"] == 1
    assert second["relatedLocations"][0]["message"] == {"text": "d_out comes in whole here"}
    assert second["relatedLocations"][0]["physicalLocation"]["artifactLocation"] == artifact


def test_sarif_fingerprints_survive_a_move_and_tell_equal_lines_apart() -> None:
    def fingerprints(*diagnostics: Diagnostic) -> list[str]:
        return [result["partialFingerprints"]["shapecheckFinding/v1"] for result in sarif(*diagnostics)["results"]]

    moved = replace(MERGE, place=replace(MERGE.place, location=at(90, 13, 90, 29)))
    other = replace(MERGE, symbol="Other")
    here, there, elsewhere = fingerprints(MERGE, moved, other)
    assert fingerprints(moved) == [here]
    assert here.removesuffix(":1") == there.removesuffix(":2")
    assert elsewhere.split(":")[0] != here.split(":")[0]


def test_sarif_relates_to_the_repository_and_names_other_files_whole(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "sub folder"
    folder.mkdir()
    inside = replace(MISSING, place=replace(MISSING.place, path=folder / "a é.py"))
    run = sarif(inside, MISSING, folder=folder)
    uris = [one["locations"][0]["physicalLocation"]["artifactLocation"] for one in run["results"]]
    assert uris == [
        {"uri": "sub%20folder/a%20%C3%A9.py", "uriBaseId": "%SRCROOT%"},
        {"uri": "file:///home/me/project/gone.py"},
    ]


def test_statistics_count_codes_most_often_first() -> None:
    found = report(MERGE, CALL, MISSING, MERGE)
    assert (
        statistics(found, "full") == "2\tSHP003\tscrambled-reshape\n1\tATN002\tundivided-head-dim\n1\tE902\tio-error\n"
    )
    assert json.loads(statistics(found, "json"))[0] == {"code": "SHP003", "name": "scrambled-reshape", "count": 2}


def test_the_summary_counts() -> None:
    assert summary(report(MERGE, CALL, MERGE), 14) == "Found 3 problems (2 errors, 1 warning) in 2 of 14 files."
    assert summary(report(replace(CALL, severity=Severity.INFO)), 1) == "Found 1 problem (1 note) in 1 of 1 file."
    assert summary(report(), 2) == "Nothing found in 2 files."
    assert summary(report(), 0) == "No Python file or notebook found."

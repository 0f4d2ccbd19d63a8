"""Which comments silence which findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from shapecheck.rule import Finding, Severity, Span
from shapecheck.source import Source
from shapecheck.source.suppressions import Suppressions

PATH = Path("/attention.py")


def covers(text: str, row: int = 1, end_row: int | None = None) -> bool:
    finding = Finding(
        "ATN001", "missing-out-proj", Severity.WARNING, PATH, Span(row, 1, end_row or row, 2), "Attention", "it is so"
    )
    return Suppressions(Source(PATH, text)).cover(finding)


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "#noqa",
        "# NOQA",
        "# noqa because the next layer projects",
        "# noqa:ATN001",
        "# noqa: ATN001",
        "# noqa : atn001",
        "# noqa: F401, ATN001",
        "# noqa: F401 ATN001 and more words",
        "# noqa: ATN0",
        "# type: ignore # noqa: ATN001",
        "# a word first  # noqa",
        "# shapecheck: ignore",
        "#shapecheck:ignore",
        "# shapecheck: ignore[missing-out-proj]",
        "# shapecheck: ignore[ATN001]",
        "# shapecheck: ignore[ATN]",
        "# shapecheck: ignore[ALL]",
        "# shapecheck: ignore[softmax-axis, missing-out-proj]",
        "# noqa: F401  # shapecheck: ignore[missing-out-proj]  the next layer projects",
    ],
)
def test_silenced(comment: str) -> None:
    assert covers(f"y = x  {comment}\n")


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "# noqa: ATN002",
        "# noqa: F401",
        "# noqa: missing-out-proj",  # codes only, as in ruff
        "# noqa:",
        "# noqable",
        "# noqa-like",
        "# a noqa in a sentence",
        "# shapecheck: ignore[]",
        "# shapecheck: ignore[undivided-head-dim]",
        "# shapecheck: ignored",
        "# shapecheck: ignore-me",
        "# ruff: noqa",  # for a file only where it stands alone
    ],
)
def test_not_silenced(comment: str) -> None:
    assert not covers(f"y = x  {comment}\n")


def test_the_comment_stands_on_the_first_or_the_last_row() -> None:
    text = "y = f(  {}\n    x,  {}\n)  {}\n"
    assert covers(text.format("# noqa", "", ""), 1, 3)
    assert covers(text.format("", "", "# noqa"), 1, 3)
    assert not covers(text.format("", "# noqa", ""), 1, 3)
    assert not covers("# noqa\ny = x\n# noqa\n", 2)


@pytest.mark.parametrize(
    "text", ["y = '# noqa'\n", 'y = """\n# noqa\n"""\n', "y = f'# noqa {x}'\n", "y = 'it''s # shapecheck: ignore'\n"]
)
def test_a_string_is_no_comment(text: str) -> None:
    assert not any(covers(text, row) for row in range(1, text.count("\n") + 1))


@pytest.mark.parametrize(
    "comment",
    [
        "# shapecheck: skip-file",
        "# flake8: noqa",
        "# flake8: NOQA",
        "# ruff: noqa",
        "# ruff: noqa: ATN001",
        "# flake8: noqa: F401, ATN001",
    ],
)
@pytest.mark.parametrize("text", ["{}\ny = x\n", "y = x\n\n    {}\n"])
def test_silenced_in_the_whole_file(text: str, comment: str) -> None:
    text = text.format(comment)
    assert covers(text, text.split("\n").index("y = x") + 1)


@pytest.mark.parametrize(
    "text", ["# ruff: noqa: F401\ny = x\n", "'# shapecheck: skip-file'\ny = x\n", "z = 1  # flake8: noqa\ny = x\n"]
)
def test_not_silenced_in_the_whole_file(text: str) -> None:
    assert not covers(text, 2)


def test_only_all_of_a_file_skips_it() -> None:
    assert Suppressions(Source(PATH, "# flake8: noqa\n")).skip_file
    assert Suppressions(Source(PATH, "x = 1  # shapecheck: skip-file\n")).skip_file
    assert not Suppressions(Source(PATH, "# flake8: noqa: ATN001\n")).skip_file
    assert not Suppressions(Source(PATH, "flake8 = ruff = 'noqa'\n")).skip_file


@pytest.mark.parametrize(
    "text",
    [
        "y = x  # noqa\nif True:\n        a\n    b\n",  # the dedent is none of Python's
        "y = x  # noqa\n$ ? !\n",
        'y = x  # noqa\nz = """\n',
        "y = x  # noqa\nz = (\n",
        "y = 0777  # noqa\n",
        "y = x $ 1  # noqa\n",
        "y = x \x00  # noqa\n",
    ],
)
def test_text_that_tokenize_dislikes_still_has_its_comments(text: str) -> None:
    assert covers(text)


def test_behind_what_tokenize_dislikes_a_comment_is_what_looks_like_one() -> None:
    text = "if True:\n        a\n    b\ny = x  # noqa\n# flake8: noqa: ATN002\n"
    assert covers(text, 4)
    assert not covers(text, 3)


def test_a_span_beyond_the_text_is_not_silenced() -> None:
    assert not covers("# noqa\n", 7)

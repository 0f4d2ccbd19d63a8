"""A notebook is one module: cells in order, magics passed over, a broken cell blanked, rows known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shapecheck.rule import Span
from shapecheck.source import Location, Source, Unreadable, read
from shapecheck.source.magics import without_magics

PATH = Path("/lesson.ipynb")


def code(*lines: str, **more: Any) -> dict[str, Any]:
    source = [line + "\n" for line in lines[:-1]] + list(lines[-1:])
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source, **more}


def markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": [text]}


def notebook(*cells: Any, **more: Any) -> bytes:
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, **more}, indent=1).encode()


def source_of(*cells: Any, **more: Any) -> Source:
    return read(PATH, notebook(*cells, **more))


def test_code_cells_in_order_are_one_text() -> None:
    source = source_of(markdown("# Attention"), code("import torch", "x = 1"), markdown("then"), code("y = x"), code())
    assert source.text == "import torch\nx = 1\ny = x\n"
    assert [(cell.number, cell.first_row, cell.lines) for cell in source.cells] == [
        (2, 1, ("import torch", "x = 1")),
        (4, 3, ("y = x",)),
    ]
    assert source.problems == ()


def test_a_span_is_located_in_its_cell_and_on_the_line_of_the_file() -> None:
    cells = (markdown("# one"), code("a = 1", "b = 2"), code("c = (", "  3)"))
    location = source_of(*cells).locate(Span(3, 5, 4, 5))
    assert location == Location(3, 1, 5, 2, 5, location.line, location.end_line)
    file = notebook(*cells).decode().split("\n")
    assert '"c = (\\n"' in file[location.line - 1]
    assert '"  3)"' in file[location.end_line - 1]


def test_every_row_of_a_source_in_one_string_is_on_that_strings_line() -> None:
    cells = (code(source="a = 1\nb = 2\n"), code(source=["c = 3\nd =", " 4\n", "e = 5"]))
    source = source_of(*cells)
    assert source.text == "a = 1\nb = 2\nc = 3\nd = 4\ne = 5\n"
    file = notebook(*cells).decode().split("\n")
    lines = [file[source.locate(Span(row, 1, row, 2)).line - 1] for row in range(1, 6)]
    assert [line.strip().rstrip(",") for line in lines] == [
        '"source": "a = 1\\nb = 2\\n"',
        '"source": "a = 1\\nb = 2\\n"',
        '"c = 3\\nd ="',
        '"c = 3\\nd ="',  # where its first character stands
        '"e = 5"',
    ]


def test_a_notebook_on_one_line_is_on_line_1() -> None:
    data = json.dumps({"cells": [code("a = 1", "b = 2")]}).encode()
    assert read(PATH, data).locate(Span(2, 1, 2, 2)) == Location(1, 2, 1, 2, 2, 1, 1)


def test_a_broken_cell_is_a_problem_and_hides_no_other() -> None:
    source = source_of(code("a = 1"), code("def f(:", "    pass", ""), code("b = 2"))
    assert source.text == "a = 1\n\n\nb = 2\n"
    assert [source.locate(one.span).cell for one in source.problems] == [2]
    assert source.line(2) == "def f(:"


def test_a_statement_cannot_run_on_into_the_next_cell() -> None:
    source = source_of(code("if True:"), code("    a = 1"), code('b = """'), code('"""'))
    assert len(source.problems) == 3
    assert source.text == "\na = 1\n\n\n"


def test_an_indented_cell_is_dedented_and_its_columns_are_those_on_the_screen() -> None:
    source = source_of(code("  a = 1", "", "  b = 2"))
    assert source.text == "a = 1\n\nb = 2\n"
    assert source.line(3) == "  b = 2"
    location = source.locate(Span(3, 1, 3, 2))
    assert (location.row, location.column, location.end_column) == (3, 3, 4)


@pytest.mark.parametrize(
    ("written", "python"),
    [
        (["%matplotlib inline", "x = 1"], ["pass", "x = 1"]),
        (["!pip install einops \\", "  torch", "x"], ["pass", "", "x"]),
        (["if gpu:", "    !nvidia-smi", "    %time f()"], ["if gpu:", "    pass", "    pass"]),
        (["files = !ls"], ["files = None"]),
        (["t = %timeit -o f(x)", "self.a, b = %x"], ["t = None", "self.a, b = None"]),
        (["torch.nn?", "?x", "x??", "nn.*Attention*?"], ["pass"] * 4),
        (["/f x", ";f a b", ",f a b"], ["pass"] * 3),
        (["pip install -q einops", "cd ..", "  matplotlib inline"], ["pass", "pass", "  pass"]),
        (
            ["time = 3", "time - 3", "time in x", "cat(x)", "run"],
            ["time = 3", "time - 3", "time in x", "cat(x)", "run"],
        ),
        (["%%time", "x = 1"], ["", "x = 1"]),
        (["", "%%capture out", "%cd x", "x"], ["", "", "pass", "x"]),
        (["%%bash", "ls -l", "rm x"], ["", "", ""]),
        (["%%writefile attention.py", "x = 1"], ["", ""]),
        # what only looks like one
        (["y = (a", "% b)"], ["y = (a", "% b)"]),
        (["y = a \\", "% b"], ["y = a \\", "% b"]),
        (['s = """', "%d items", "!no", '"""', "%go"], ['s = """', "%d items", "!no", '"""', "pass"]),
        (["s = '''a \\''' b", "!no", "''' + '%d'", "!ls"], ["s = '''a \\''' b", "!no", "''' + '%d'", "pass"]),
        (["s = '%d' % 3  # [", "!ls"], ["s = '%d' % 3  # [", "pass"]),
        (["x != y", "x = y % 2", "x %= 2", "f(a=1) % 2"], ["x != y", "x = y % 2", "x %= 2", "f(a=1) % 2"]),
        (["s = '= %d'", 'x["= !"] = 1', "x = 1  # = %d"], ["s = '= %d'", 'x["= !"] = 1', "x = 1  # = %d"]),
        ([], []),
        ([""], [""]),
    ],
)
def test_magics_are_replaced_line_for_line(written: list[str], python: list[str]) -> None:
    assert without_magics(tuple(written)) == python


def test_what_was_written_can_still_be_shown() -> None:
    source = source_of(code("%time x", "!ls"), code("%%bash", "ls"))
    assert source.text == "pass\npass\n\n\n"
    assert (source.line(2), source.line(3)) == ("!ls", "%%bash")


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        {"kernelspec": {"language": "python"}},
        {"language_info": {"name": "ipython"}},
        {"kernelspec": None, "language_info": []},
        None,
        [],
    ],
)
def test_a_notebook_without_a_kernel_is_python(metadata: Any) -> None:
    assert source_of(code("x = 1"), metadata=metadata).text == "x = 1\n"


@pytest.mark.parametrize("metadata", [{"kernelspec": {"language": "julia"}}, {"language_info": {"name": "R"}}])
def test_a_notebook_in_another_language_holds_no_python(metadata: Any) -> None:
    source = source_of(code("x <- 1"), metadata=metadata)
    assert (source.text, source.cells, source.problems) == ("", (), ())


def test_a_cell_in_another_language_is_passed_over() -> None:
    source = source_of(code("SELECT 1", metadata={"vscode": {"languageId": "sql"}}), code("x = 1"))
    assert [cell.number for cell in source.cells] == [2]


@pytest.mark.parametrize(
    "cells", [[], [None, 3, "x", {}], [markdown("only words")], [code()], [code(source=None)], [code(source=[1, None])]]
)
def test_a_notebook_without_code_is_an_empty_module(cells: list[Any]) -> None:
    source = read(PATH, json.dumps({"cells": cells}).encode())
    assert (source.text, source.cells) == ("", ())
    assert source.locate(Span(1, 1, 1, 1)).cell is None


def test_a_byte_order_mark_is_none_of_the_json() -> None:
    assert read(PATH, b"\xef\xbb\xbf" + notebook(code("x = 1"))).text == "x = 1\n"


@pytest.mark.parametrize(
    ("data", "code", "says", "row"),
    [
        (b"", "E999", "not a notebook, its JSON is broken: expecting value", 1),
        (b'{"cells":\n [}', "E999", "not a notebook, its JSON is broken: expecting value", 2),
        (b"[1, 2]", "E999", "it has no list of `cells`", 1),
        (b"{}", "E999", "it has no list of `cells`", 1),
        (b'{"cells": {}}', "E999", "it has no list of `cells`", 1),
        (b"[" * 100_000, "E999", "nested too deep", 1),
        (b'{"cells": ["\xff"]}', "E902", "byte 0xff at offset 12 is not UTF-8", 1),
    ],
)
def test_what_is_no_notebook_is_told(data: bytes, code: str, says: str, row: int) -> None:
    with pytest.raises(Unreadable) as told:
        read(PATH, data)
    assert says in told.value.message
    assert (told.value.code, told.value.row) == (code, row)

"""Bytes → text as Python decodes them, or a clear reason why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from shapecheck.rule import Span
from shapecheck.source import Location, Source, Unreadable, read
from shapecheck.source.python import decode


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"x = 1", "x = 1"),
        (b"x = 1\r\ny = 2\rz = 3\n", "x = 1\ny = 2\nz = 3\n"),
        (b"a\x0cb\xe2\x80\xa8c\x85\n".replace(b"\x85", b""), "a\x0cb\u2028c\n"),  # neither ends a line of Python
        ("é".encode(), "é"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        (b"\xef\xbb\xbf# coding: utf-8\nx = 1\n", "# coding: utf-8\nx = 1\n"),
        (b"# -*- coding: latin-1 -*-\n# \xe9\n", "# -*- coding: latin-1 -*-\n# é\n"),
        (b"# -*- coding: latin-1 -*- \xe9\n", "# -*- coding: latin-1 -*- é\n"),  # on the line that declares it
        (b"#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\n# \x80\n", None),
        (b"#!python\r# coding: latin-1\r# \xe9\r", "#!python\n# coding: latin-1\n# é\n"),
        (b"\n\n# coding: latin-1\nx\n", "\n\n# coding: latin-1\nx\n"),  # the third line declares nothing
        ("# 編碼 coding: big5\n# 中\n".encode("big5"), "# 編碼 coding: big5\n# 中\n"),
    ],
)
def test_text_is_what_python_reads(data: bytes, text: str | None) -> None:
    expected = "#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\n# €\n" if text is None else text
    assert decode(data) == expected


@pytest.mark.parametrize(
    ("data", "says", "row"),
    [
        (b"x = 1\n# \xe9t\xe9\n", "byte 0xe9 in line 2 is not UTF-8", 2),
        (b"x = '\xff'", "byte 0xff in line 1 is not UTF-8", 1),
        (b"\xef\xbb\xbfx\r\ny\r\n\xff", "byte 0xff in line 3 is not UTF-8", 3),
        (b"# coding: ascii\n# \xc3\xa9\n", "byte 0xc3 in line 2 is not ascii, as it is declared to be", 2),
        (b"# coding: latin-99\n", "unknown encoding: latin-99", 1),
        (b"\xef\xbb\xbf# coding: latin-1\n", "encoding problem: utf-8", 1),  # the mark says another one
        (b"# coding: rot13\nk = 1\n", "declared to be rot13", 1),
        (b"# coding: undefined\nx = 1\n", "declared to be undefined", 1),
    ],
)
def test_what_is_no_text_is_told_with_its_line(data: bytes, says: str, row: int) -> None:
    with pytest.raises(Unreadable) as told:
        decode(data)
    assert says in told.value.message
    assert (told.value.code, told.value.row) == ("E902", row)


def test_rows_of_a_file_are_rows_of_its_text() -> None:
    source = read(Path("/a.py"), b"x = 1\n\ny = (\n  2)\n")
    assert source.lines == ("x = 1", "", "y = (", "  2)")
    assert source.line(3) == "y = ("
    assert source.line(5) == ""
    assert source.locate(Span(3, 5, 4, 5)) == Location(None, 3, 5, 4, 5, 3, 4)


def test_an_empty_file_has_no_lines() -> None:
    source = Source(Path("/a.py"), "")
    assert (source.lines, source.line(1)) == ((), "")
    assert Source(Path("/a.py"), "x").lines == ("x",)

"""How a text is cut: statements, the methods of its classes, and where their nodes stand in the file."""

from pathlib import Path
from textwrap import dedent

import libcst as cst
import libcst.matchers as m
import pytest

from shapecheck.static.outline import Block
from shapecheck.static.syntax import Broken, Slice, outline, problem

PATH = Path("/outline/attention.py")
MODULE = dedent('''\
    """A module."""
    import torch; from torch import nn

    @decorated(
        "twice"
    )
    class Attention(nn.Module):
        """Its docstring."""

        width = 3  # a comment

        def twice(self):
            return "the first"

        @property
        def size(self):
            return self._size

        @size.setter
        def size(self, value):
            self._size = value

        def twice(self):
            return "the second"

        def given(self): ...

        given = torch.jit.ignore(given)

        async def later(self):
            return 1

    def function(x):
        return x
''')


def blocks(text: str) -> tuple[Block, ...]:
    return outline(text).blocks


def test_statements_of_one_line_are_one_block() -> None:
    assert [(block.kind, block.names, block.row) for block in blocks(MODULE)] == [
        ("statement", (), 1),
        ("statement", ("torch", "nn"), 2),
        ("class", ("Attention",), 4),
        ("def", ("function",), 33),
    ]


def test_methods_stand_apart_where_nothing_else_defines_their_name() -> None:
    """The last one of a name is what it means; a setter adds to it; what is assigned anew stays with the class."""
    (of,) = [block for block in blocks(MODULE) if block.kind == "class"]
    assert [(one.name, one.row, one.end_row) for one in of.members] == [("size", 15, 17), ("twice", 23, 24)]


@pytest.mark.parametrize(
    ("name", "found", "row"), [("size", "self._size", 17), ("twice", '"the second"', 24)], ids=["size", "twice"]
)
def test_a_node_of_a_method_stands_where_it_is_written(name: str, found: str, row: int) -> None:
    (of,) = [block for block in blocks(MODULE) if block.kind == "class"]
    method = Slice.of(PATH, of).methods[name]
    (returned,) = m.findall(method.method, m.Return())
    assert isinstance(returned, cst.Return)
    assert returned.value is not None
    assert method.code(returned.value) == found
    line = MODULE.split("\n")[row - 1]
    span = method.span(returned.value)
    assert (span.row, span.column) == (row, line.index(found) + 1)


def test_what_is_left_of_a_class_stands_where_it_is_written() -> None:
    (of,) = [block for block in blocks(MODULE) if block.kind == "class"]
    rest = Slice.of(PATH, of)
    assert "the second" not in rest.text
    (comparison,) = m.findall(rest.module, m.Integer("3"))
    assert isinstance(comparison, cst.Integer)
    assert (rest.span(comparison).row, rest.span(comparison).column) == (10, 13)


def test_a_class_of_methods_alone_can_be_parsed() -> None:
    (of,) = blocks("class A:\n    def f(self):\n        pass\n")
    assert isinstance(Slice.of(PATH, of).statements[0], cst.ClassDef)


def test_a_grammar_newer_than_python_is_cut_by_libcst() -> None:
    """A statement of Python 3.12, whatever runs us: the class behind it is found, and so is its method."""
    text = "# first\nimport torch\n\n\ntype Pair[T] = tuple[T, T]\n\n\n# of two\nclass A:\n    def f(self):\n        return 1\n"
    found = blocks(text)
    assert [(block.names, block.row) for block in found if block.kind != "statement"] == [(("A",), 9)]
    assert [(one.name, one.row, one.end_row) for one in found[-1].members] == [("f", 10, 11)]


def test_what_no_parser_takes_is_broken_at_its_line() -> None:
    with pytest.raises(Broken):
        outline("x = 1\ny = (\n")
    found = problem("x = 1\nclass :\n    pass\n")
    assert found is not None
    assert found.span.row == 2

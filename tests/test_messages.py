"""What is told of six bugs that were reported, and of wrong arguments, word for word: `python tests/test_messages.py` writes tests/messages/ anew, to be read."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import messages_modules as modules
from shapecheck import ShapeError

FOLDER = Path(__file__).with_name("messages")


@dataclass(frozen=True)
class Case:
    """A bug that was reported: where, and the call that shows it, at the sizes of the report where it names any."""

    source: str
    call: Callable[[], object]


def meta(*sizes: int) -> torch.Tensor:
    return torch.empty(sizes, device="meta")


CASES: dict[str, Case] = {
    "heads_side_by_side": Case(  # seed 000 tells of the same: [8, 1024, 9216] for [8, 1024, 768]
        "https://github.com/rasbt/LLMs-from-scratch/issues/67",
        lambda: modules.HeadsSideBySide(768, 768, 12).to("meta")(meta(8, 1024, 768)),
    ),
    "layers_for_heads": Case(  # seed 001: 1600 and 48, which is the number of layers
        "https://github.com/rasbt/LLMs-from-scratch/issues/444", lambda: modules.NoGuard(1600, 48)(torch.randn(2, 6, 1600))
    ),
    "reshaped_too_soon": Case(  # seed 002 has it, too
        "https://github.com/jsbaan/transformer-from-scratch/issues/4",
        lambda: modules.ReshapedTooSoon(512, 8)(torch.randn(30, 10, 512)),
    ),
    "folded_into_batch": Case(
        "https://github.com/reczoo/FuxiCTR/issues/30", lambda: modules.FoldedIntoBatch(40, 10, 4)(torch.randn(6, 23, 40))
    ),
    "attends_over_batch": Case(
        "https://github.com/IBM/TabFormer/pull/14", lambda: modules.AttendsOverBatch(64, 8)(torch.randn(16, 10, 64))
    ),
    "heads_before_batch": Case(
        "https://github.com/gazelle93/Transformer-Various-Positional-Encoding/issues/1",
        lambda: modules.HeadsBeforeBatch(48, 4)(torch.randn(2, 7, 48)),
    ),
}  # fmt: skip
# What nobody reported, and everybody meets: an argument that isn't as it should be.
ARGUMENTS: dict[str, Callable[[], object]] = {
    "argument_of_another_width": lambda: modules.ReshapedTooSoon(768, 12)(torch.randn(2, 5, 512)),
    "argument_without_batch": lambda: modules.ReshapedTooSoon(768, 12)(torch.randn(5, 768)),
    "argument_of_another_dtype": lambda: modules.ReshapedTooSoon(768, 12)(torch.ones(2, 5, 768, dtype=torch.int64)),
}
CALLS = {**{name: case.call for name, case in CASES.items()}, **ARGUMENTS}


def message(case: Callable[[], object]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            case()
        except ShapeError as error:
            return f"{error}\n"
    raise AssertionError("nothing is raised")


@pytest.mark.parametrize("name", CALLS)
def test_message(name: str) -> None:
    assert message(CALLS[name]) == (FOLDER / f"{name}.txt").read_text("utf-8")


@pytest.mark.parametrize("name", CASES)
def test_every_message_tells_the_whole_story(name: str) -> None:
    """The axis by name with both sizes (or the rank), the line, where names are bound, the trace up to there, and a fix."""
    told = (FOLDER / f"{name}.txt").read_text("utf-8")
    fact, place, *rest = told.splitlines()
    assert re.search(r"axis `\w+` of `[\w ]+` is \d+, not \d+: \[|has 3 axes \[24, 23, 10\], not 4 axes", fact)
    row, code = re.fullmatch(r"  messages_modules\.py:(\d+) \| (.*)", place).groups()  # type: ignore[union-attr]
    line = Path(modules.__file__).read_text("utf-8").splitlines()[int(row) - 1]
    assert code.split(" = ")[-1] in line
    assert "where" in rest
    assert any(re.fullmatch(r"  \w+ +(?:= \d+ +)self\.\w+", one) for one in rest)
    assert any(re.fullmatch(r"  \w+ +(?:= \d+ +)axis \d of \w+", one) for one in rest)
    assert "up to there" in rest
    assert rest[-1].startswith("help: ")


@pytest.mark.parametrize("name", CASES)
def test_every_case_names_its_source(name: str) -> None:
    """The report is named beside the module that re-creates it."""
    assert CASES[name].source in Path(modules.__file__).read_text("utf-8")


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_is_told_with_its_place(name: str) -> None:
    told = (FOLDER / f"{name}.txt").read_text("utf-8")
    assert "messages_modules.py:" in told
    assert "\nwhere\n" in told
    assert "self.hidden_dim" in told


if __name__ == "__main__":
    for one, case in CALLS.items():
        (FOLDER / f"{one}.txt").write_text(message(case), "utf-8")

"""What is told of six mistakes, word for word: `python tests/test_messages.py` writes tests/messages/ anew, to be read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import messages_modules as modules
from shapecheck import ShapeError

FOLDER = Path(__file__).with_name("messages")


CASES: dict[str, Callable[[], object]] = {
    "argument_of_another_width": lambda: modules.WiderResult(768, 768, 12)(torch.randn(2, 5, 512)),
    "argument_without_batch": lambda: modules.UntransposedKeys(11, 21, 3)(torch.randn(5, 11)),
    "argument_of_another_dtype": lambda: modules.UntransposedKeys(11, 21, 3)(torch.ones(2, 5, 11, dtype=torch.int64)),
    "local_not_transposed": lambda: modules.UntransposedKeys(11, 21, 3)(torch.randn(2, 5, 11)),
    "heads_not_merged": lambda: modules.HeadsNotMerged(11, 21, 3)(torch.randn(2, 5, 11)),
    "result_too_wide": lambda: modules.WiderResult(11, 21, 3)(torch.randn(2, 5, 11)),
}


def message(case: Callable[[], object]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            case()
        except ShapeError as error:
            return f"{error}\n"
    raise AssertionError("nothing is raised")


@pytest.mark.parametrize("name", CASES)
def test_message(name: str) -> None:
    assert message(CASES[name]) == (FOLDER / f"{name}.txt").read_text("utf-8")


@pytest.mark.parametrize("name", CASES)
def test_every_message_tells_the_whole_story(name: str) -> None:
    """The axis by name with both sizes (or the dtype, the rank), the place, where names are bound, and a fix."""
    told = (FOLDER / f"{name}.txt").read_text("utf-8")
    assert "messages_modules.py:" in told
    assert "\nwhere\n" in told
    assert "self.d_in" in told
    if "dtype" not in name:
        assert "\nhelp: " in told


if __name__ == "__main__":
    for one, case in CASES.items():
        (FOLDER / f"{one}.txt").write_text(message(case), "utf-8")

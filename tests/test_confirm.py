"""What was recorded is met with what was predicted: right, wrong or not predicted, each for a reason."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest
import torch
from torch import nn

import runtime_modules as modules
import shapecheck
from shapecheck.runtime.confirm import Confirmation, Verdict, confirm
from shapecheck.runtime.predict import NoPrediction, predicted
from shapecheck.runtime.unify import Sizes
from shapecheck.shapes.parse import parse_dim


def confirmed(module: nn.Module, *inputs: torch.Tensor, **known: int) -> Confirmation:
    recording = shapecheck.trace(module, *inputs)
    return confirm(predicted(type(module)).traces, recording, known)


def loaded(folder: Path, text: str) -> ModuleType:
    """A module of its own file."""
    import importlib.util

    path = folder / "planted.py"
    path.write_text(dedent(text), "utf-8")
    spec = importlib.util.spec_from_file_location("planted", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_as_predicted() -> None:
    found = confirmed(modules.Attention(11, 21, 3), torch.randn(2, 5, 11), d_in=11, d_out=21, num_heads=3)
    assert not found.of(Verdict.WRONG)
    right = {one.site.name for one in found.of(Verdict.RIGHT)}
    assert {"q", "k", "v", "scores", "weights", "context", "out", "parts", "return"} == right
    assert {"b": 2, "t": 5, "d_out": 21, "num_heads": 3}.items() <= found.sizes.items()
    assert str(found).endswith("tensors as predicted")


def test_the_path_is_the_one_that_ran() -> None:
    module = modules.Attention(11, 21, 3)
    recording = shapecheck.trace(module, torch.randn(2, 5, 11), torch.zeros(5, 5, dtype=torch.bool))
    found = confirm(predicted(modules.Attention).traces, recording)
    assert found.trace is not None
    assert ("mask is None", False) in found.trace.decisions or ("mask is not None", True) in found.trace.decisions
    assert sum(one.site.name == "scores" for one in found.of(Verdict.RIGHT)) == 2


def test_a_recorded_size_that_is_not_the_predicted_one(tmp_path: Path) -> None:
    planted = loaded(
        tmp_path,
        """
        from torch import nn

        class Attention(nn.Module):
            def __init__(self, d_in, d_out):
                super().__init__()
                self.proj = nn.Linear(d_in, d_out)

            def forward(self, x):
                b, t, _ = x.shape
                y = self.proj(x)
                return y
        """,
    )
    module = planted.Attention(11, 21)
    module.proj = nn.Linear(11, 22)  # what its __init__ says isn't what it has
    found = confirmed(module, torch.randn(2, 5, 11), d_in=11, d_out=21)
    wrong = found.of(Verdict.WRONG)
    assert [(one.site.name, one.expected, one.numbers, one.found) for one in wrong] == [
        ("y", "[b, t, d_out]", "[2, 5, 21]", (2, 5, 22)),
        ("return", "[b, t, d_out]", "[2, 5, 21]", (2, 5, 22)),
    ]
    assert "2 of 2 tensors are not as predicted" in str(found)


def test_what_lost_a_prediction_is_named(tmp_path: Path) -> None:
    planted = loaded(
        tmp_path,
        """
        import torch

        strange = vars(torch)["flip"]

        class Attention(torch.nn.Module):
            def forward(self, x):
                y = strange(x, (0,))
                return y
        """,
    )
    found = confirmed(planted.Attention(), torch.ones(2, 3))
    assert [(one.site.name, one.lost_by) for one in found.of(Verdict.UNPREDICTED)] == [
        ("y", "not taken for a tensor"),
        ("return", "what is returned"),
    ]


def test_nothing_is_predicted_of_what_has_no_file() -> None:
    names: dict[str, type[nn.Module]] = {}
    exec("class Made(nn.Module):\n    def forward(self, x):\n        return x\n", {"nn": nn, "__name__": "none"}, names)
    with pytest.raises(NoPrediction, match="the source of `Made` isn't at hand"):
        predicted(names["Made"])
    with pytest.raises(NoPrediction, match=r"`closed_over.<locals>.Closed` isn't defined at the top of its file"):
        predicted(modules.closed_over(3))


@pytest.mark.parametrize(
    ("pairs", "verdicts", "told"),
    [
        ([("b", 2), ("t", 5), ("b*t", 10)], [True, True, True], {"b": 2, "t": 5}),
        ([("b*t", 10), ("b", 2), ("t", 5)], [True, True, True], {"b": 2, "t": 5}),
        ([("b*t", 10), ("b*t", 12)], [True, False], {}),
        ([("3*d", 21), ("d", 7), ("d", 8)], [True, True, False], {"d": 7}),
        ([("3*d", 22)], [False], {}),
        ([("t-1", 4), ("t", 5)], [True, True], {"t": 5}),
        ([("d", 21), ("h", 3), ("d//h", 7), ("h*(d//h)", 21)], [True] * 4, {"d": 21, "h": 3}),
        ([("d", 22), ("h", 3), ("h*(d//h)", 22)], [True, True, False], {"d": 22, "h": 3}),
        ([("b*t", 10), ("b", 2), ("t", 6)], [True, True, False], {"b": 2, "t": 5}),
    ],
)
def test_sizes_meet_numbers(pairs: list[tuple[str, int]], verdicts: list[bool], told: dict[str, int]) -> None:
    sizes = Sizes()
    assert [sizes.meet(parse_dim(dim), number, "") for dim, number in pairs] == verdicts
    assert sizes.told() == told

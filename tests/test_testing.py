"""What users' tests get: `assert_shapes`, and the plugin for pytest."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
import torch

import runtime_modules as modules
from shapecheck import ShapeError
from shapecheck.shapes.annotation import BadAnnotation
from shapecheck.testing import assert_shapes

pytest_plugins = ["pytester"]


# -- assert_shapes -------------------------------------------------------------------------------------------------------
def test_shapes_as_said() -> None:
    module = modules.Attention(11, 21, 3)
    assert_shapes(module, "b t d_in -> b t d_out", d_in=11)  # d_out is the module's
    assert_shapes(module, "2 t d_in -> 2 t 21", d_in=11)
    assert_shapes(modules.Base(), "b t -> b t")
    assert_shapes(torch.matmul, "b t d, b d s -> b t s")
    assert_shapes(lambda x: (x, x.mT), "b t -> b t, t b")


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ("b t d_in -> b d_out t", "axis `d_out` of `the result` is 5, not 21"),
        ("b t d_in -> b t d_in", "axis `d_in` of `the result` is 21, not 11"),
        ("b t d_in -> b t", "`the result` has 3 axes"),
        ("b t d_in -> b t d_out, b t", "returns 1 values"),
    ],
)
def test_shapes_other_than_said(shapes: str, said: str) -> None:
    with pytest.raises(ShapeError, match=said):
        assert_shapes(modules.Attention(11, 21, 3), shapes, d_in=11)


@pytest.mark.parametrize("text", ["b t d", "-> b", "b ->", "*b t -> t", "b+1 -> b"])
def test_what_says_no_shapes(text: str) -> None:
    with pytest.raises(BadAnnotation):
        assert_shapes(modules.Base(), text)


# -- the plugin ----------------------------------------------------------------------------------------------------------
ATTENTION = """
from torch import nn

class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        assert dim % heads == 0
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        b, t, dim = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-2, -1) / (dim // self.heads) ** 0.5).softmax(dim=-1)
        context = (weights @ v).transpose(1, 2).reshape(b, t, dim)
        return self.proj(context)

class Mlp(nn.Module):
    def forward(self, x):
        return x * 2
"""
TEST = """
import torch
from {module} import Attention

def test_it():
    module = Attention(12, 3)
    {change}
    assert module(torch.randn(2, 5, 12)).shape[:2] == (2, 5)
"""
WIDER = "module.proj = torch.nn.Linear(12, 13)"  # what its source doesn't say


def installed() -> bool:
    return any(one.value == "shapecheck.pytest_plugin" for one in entry_points(group="pytest11"))


def run(pytester: pytest.Pytester, *options: str, change: str = "") -> pytest.RunResult:
    pytester.makepyfile(layers=ATTENTION, test_layers=TEST.format(module="layers", change=change))
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)


@pytest.fixture(autouse=True)
def _plugin() -> None:
    assert installed(), "install the package anew: its entry points have changed"


def test_without_the_option_nothing_is_checked(pytester: pytest.Pytester) -> None:
    result = run(pytester, change=WIDER)
    result.assert_outcomes(passed=1)
    assert "shapecheck" not in "\n".join(line for line in result.outlines if not line.startswith("plugins:"))


def test_attention_modules_are_confirmed(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--shapecheck")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["shapecheck: 1 of 1 attention modules were called: Attention.forward (? tensors)"])


def test_one_that_is_not_as_predicted_fails_its_test(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--shapecheck=layers", change=WIDER)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ShapeError: Attention.forward: `return` is [[]2, 5, 13[]]*"])


def test_other_packages_are_left_alone(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--shapecheck=elsewhere", change=WIDER)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["shapecheck: 0 of 0 attention modules were called"])

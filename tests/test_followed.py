"""`verify` asks the rules about the recorded trace: what only the run shows is found, and what is right stays silent."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import followed_modules as modules
import shapecheck
from shapecheck.rule import load_rules
from shapecheck.runtime.judged import Followed, findings_on, follow
from shapecheck.runtime.predict import findings_in
from shapecheck.runtime.spot import _is_between
from shapecheck.runtime.symbolic import Whole
from shapecheck.shapes.shape import Shape
from shapecheck.shapes.trace import Trace
from shapecheck.static.ops import TABLE

TABLED = ({"d_model": 384}, {"x": (2, 5, 384)})
CONFIGURED = ({"config": modules.Config(width=384, heads=6)}, {"x": (2, 5, 384)})
PLAIN: tuple[dict[str, Any], dict[str, Any]] = ({"d_model": 21, "num_heads": 3}, {"x": (2, 5, 21)})
ROUTED: tuple[dict[str, Any], dict[str, Any]] = ({"hidden_size": 24, "num_experts": 64}, {"x": (2, 5, 24)})
Given = tuple[dict[str, Any], dict[str, Any]]

# Each is wrong whatever a linter says of it: heads are merged while they still stand before the tokens (SHP003), weights
# sum to 1 over the queries (ATN011), heads are joined and never mixed (ATN001), scores are scaled by the model's width.
WRONG: list[tuple[type, Given, str, str]] = [
    (modules.TabledMergedAsTheyAre, TABLED, "SHP003", "heads merged without transposing back: [b, 6, t, d_model//6]"),
    (modules.TabledSoftmaxOverQueries, TABLED, "ATN011", "runs over t"),
    (modules.TabledUnprojected, TABLED, "ATN001", "`to_out` is built and never applied"),
    (modules.ComposedMergedAsTheyAre, PLAIN, "SHP003", "num_heads"),
    (modules.WrittenMergedAsTheyAre, PLAIN, "SHP003", "num_heads"),
    (modules.WrittenScaledByModel, PLAIN, "ATN013", "divided by sqrt(d_model), not by the square root of d_model//num_heads"),
    (modules.ConfiguredMergedAsTheyAre, CONFIGURED, "SHP003", "[x_0, heads, x_1, width//heads]"),
    (modules.ProductKeysOfNeighbours, ROUTED, "SHP003", "axes exchanged by a reshape: [b, t, 16] to [2, b*t, 8]"),
]  # fmt: skip
RIGHT: list[tuple[type, Given]] = [
    (modules.Tabled, TABLED), (modules.Composed, PLAIN), (modules.Written, PLAIN), (modules.Configured, CONFIGURED),
    (modules.ProductKeys, ROUTED),
]  # fmt: skip


@pytest.mark.parametrize(("of", "given", "code", "said"), WRONG, ids=[of.__name__ for of, *_ in WRONG])
def test_a_bug_that_only_the_run_shows(of: type, given: Given, code: str, said: str) -> None:
    """The static traces alone miss it, its shapes are as torch has them, and it is reported all the same."""
    assert findings_in(of) == ()
    arguments, inputs = given
    found = shapecheck.verify(of, inputs, **arguments)
    assert found.error is None
    assert [one.code for one in found.findings] == [code]
    assert said in found.findings[0].message
    assert not found.ok


@pytest.mark.parametrize(("of", "given"), RIGHT, ids=[of.__name__ for of, _ in RIGHT])
def test_their_right_twins_are_silent(of: type, given: Given) -> None:
    arguments, inputs = given
    found = shapecheck.verify(of, inputs, **arguments)
    assert (found.findings, found.unfollowed) == ((), None)
    assert found.ok


@pytest.mark.parametrize(("of", "moves"), [(modules.ProductKeys, False), (modules.ProductKeysOfNeighbours, True)])
def test_what_the_exchanged_axes_do(of: type[nn.Module], moves: bool) -> None:
    """Routing looks at one token at a time: a change of the last one must not move any other, and by the bug it does."""
    torch.manual_seed(0)
    module, x = of(hidden_size=24, num_experts=64), torch.randn(1, 6, 24)
    other = torch.cat([x[:, :-1], torch.randn(1, 1, 24)], dim=1)
    moved = (module(x) - module(other)).abs().amax(-1)[0, :-1]
    assert bool(moved.any()) is moves


# -- the trace that the rules are given ----------------------------------------------------------------------------------
def followed(of: type, inputs: dict[str, Any], **arguments: Any) -> tuple[Followed, Trace]:
    found = follow(of, arguments, inputs)
    assert found.trace is not None
    return found, found.trace


def shape_of(trace: Trace, name: str) -> str:
    return next(str(trace.shape(one.tensor)) for one in reversed(trace.bound) if one.name == name)


class Sizes(nn.Module):
    """Numbers on their way from the constructor to a shape."""

    def __init__(self, dim: int, heads: int, layers: int = 5) -> None:
        super().__init__()
        self.heads, self.width = heads, int(dim / heads)
        self.weight = nn.Parameter(torch.randn(dim, heads * self.width))
        self.register_buffer("mask", torch.ones(layers, layers))

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        merged = x @ self.weight
        heads = merged.view(*x.shape[:-1], self.heads, self.width)
        halves = heads[..., : self.width // 2]
        flat = heads.reshape(b * t, -1)
        masked = self.get_buffer("mask").sum()
        return flat.sum() + halves.sum() + masked + torch.zeros(x.numel() // d).sum()


def test_sizes_keep_their_names() -> None:
    found, trace = followed(Sizes, {"x": torch.randn(2, 5, 42)}, dim=42, heads=3)
    assert (found.error, found.contradictions) == (None, ())
    assert shape_of(trace, "merged") == "[b, t, heads*(dim//heads)]"
    assert shape_of(trace, "heads") == "[b, t, heads, dim//heads]"
    assert shape_of(trace, "halves") == "[b, t, heads, 7]"  # a float that was cut is a plain number to Python
    assert shape_of(trace, "flat") == "[b*t, heads*(dim//heads)]"


def test_numbers_pass_for_plain_ones() -> None:
    """What code does with ints it can do with these; where nobody listens they are ints."""
    seven = Whole.made(7, "seven", None)  # type: ignore[arg-type]
    assert [0] * seven == [0] * 7
    assert (list(range(seven))[-1], f"{seven:03d}", {7: "a"}[seven], math.sqrt(seven)) == (6, "007", "a", math.sqrt(7))
    assert type(seven + 1) is int
    assert divmod(seven, 2) == (3, 1)
    assert torch.zeros(seven, 2).shape == (7, 2)
    with pytest.raises(TypeError):
        _ = seven + "a"  # type: ignore[operator]


def test_no_rule_is_asked_about_what_descends_from_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the table of ops says something else than torch does, the recorded shape holds, and nothing is judged of it."""
    monkeypatch.setitem(TABLE, "softmax", lambda call: call.emit([call.tensor(0)], Shape()))
    found, trace = followed(modules.TabledMergedAsTheyAre, {"x": torch.randn(2, 5, 384)}, d_model=384)
    (contradiction,) = found.contradictions
    assert (contradiction.op, contradiction.expected, contradiction.found) == ("softmax", "[]", (2, 6, 5, 5))
    assert any(step.op == "matmul" and step.index in found.spoilt for step in trace.steps) is False
    assert list(findings_on(found, (), load_rules())) == []


class Raises(nn.Module):
    """Keys that are not transposed, behind layers that no source shows."""

    def __init__(self, d_model: int, num_heads: int) -> None:
        super().__init__()
        for name in ("q", "k"):
            setattr(self, f"to_{name}", nn.Linear(d_model, d_model))
        self.num_heads = num_heads

    def forward(self, x: Tensor) -> Tensor:
        q, k = (
            getattr(self, f"to_{name}")(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for name in ("q", "k")
        )
        weights: Tensor = (q @ k).softmax(dim=-1)
        return weights


def test_why_a_run_raises() -> None:
    found, _ = followed(Raises, {"x": torch.randn(2, 5, 21)}, d_model=21, num_heads=3)
    assert found.error is not None
    assert found.error.startswith("RuntimeError")
    (finding,) = findings_on(found, (), load_rules())
    assert finding.code == "SHP001"
    assert "num_heads" in finding.message
    told = shapecheck.verify(Raises, {"x": (2, 5, 21)}, d_model=21, num_heads=3)
    assert (told.error, told.unfollowed) == (found.error, None)
    assert [one.code for one in told.findings] == ["SHP001"]


class RaisesBeforeProjecting(modules.Tabled):
    """Its result has a width that its projection doesn't take: up to there nothing is missing."""

    def merged(self, context: Tensor, b: int, t: int, d: int) -> Tensor:
        joined = context.transpose(1, 2).reshape(b, t, d)
        return torch.cat([joined, joined], dim=-1)


def test_nothing_is_missing_in_a_run_that_ended_early() -> None:
    told = shapecheck.verify(RaisesBeforeProjecting, {"x": (2, 5, 384)}, d_model=384)
    assert told.error is not None
    assert "ATN001" not in {one.code for one in told.findings}


class Long(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        for _ in range(1501):
            x = x + 1
        return x


def test_too_long_to_be_followed() -> None:
    told = shapecheck.verify(Long, {"x": (2, 5)})
    assert (told.error, told.unfollowed) == (None, "it has more than 1500 ops")
    assert told.ok


class Choosy(nn.Module):
    """Takes plain ints only."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        if type(dim) is not int:
            raise TypeError("dim is no int")
        self.layer = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)  # type: ignore[no-any-return]


def test_what_cannot_be_followed_is_said() -> None:
    found = shapecheck.verify(Choosy, {"x": (2, 5, 21)}, dim=21)
    assert found.unfollowed == "TypeError: dim is no int"
    assert found.ok
    assert "the rules were asked about the source alone: TypeError: dim is no int" in str(found)


def test_the_place_of_an_op_is_the_code_that_asks_for_it() -> None:
    """Neither torch's, whose layers it may be, nor Python's, nor ours; a package that is only called like torch is its own."""
    _, trace = followed(modules.Composed, {"x": torch.randn(2, 5, 21)}, d_model=21, num_heads=3)
    layers = [step for step in trace.steps if step.op == "layer"]
    assert [step.place.code for step in layers] == [*["layer(x)"] * 3, "self.layers[3](merge(weights @ v))"]
    assert {step.frame for step in layers} == {"Composed"}
    torch_file = Path(torch.__file__)
    assert _is_between(str(torch_file.parent / "functional.py"))
    assert not _is_between(str(torch_file.parents[1] / "torchtune" / "modules" / "attention.py"))
    assert not _is_between(modules.__file__)


def test_nothing_is_left_behind() -> None:
    call, before = nn.Module.__call__, modules.Tabled.forward.__code__
    shapecheck.verify(modules.Tabled, {"x": (2, 5, 384)}, d_model=384)
    assert nn.Module.__call__ is call
    assert modules.Tabled.forward.__code__ is before
    assert type(torch.zeros(2).shape[0]) is int

"""The benchmarks measure what they say: a mutation makes its bug and no other, samples are drawn as described."""

import ast
import json
from collections import Counter

import pytest
import torch

from agreement import Alarm, Case, build, built_inputs, given, told
from mutations import OPERATORS, Operator, mutants
from precision import Entry, draw, key, merge, settled
from tree import ROOT

CORRECT = """
class Attention(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        assert dim % num_heads == 0, "½ a head is no head"
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self.scale = self.head_dim ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        b, t, dim = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        attn = ((q * self.scale) @ k.transpose(-2, -1)).softmax(dim=-1)
        x = (attn @ v).transpose(1, 2).reshape(b, t, dim)
        return self.proj(x)
"""
CHANGES = {
    "dropped projection": ("return self.proj(x)", "return x"),
    "undivided width": ("self.head_dim = dim // num_heads", "self.head_dim = dim"),
    "merge without transpose": ("(attn @ v).transpose(1, 2).reshape(b, t, dim)", "(attn @ v).reshape(b, t, dim)"),
    "softmax axis": ("softmax(dim=-1)", "softmax(dim=-2)"),
    "inverse scale": ("** -0.5", "** 0.5"),
    "dropped guard": ('assert dim % num_heads == 0, "½ a head is no head"', "pass"),
}
# A change of CORRECT after which the operator no longer applies, since it would make no bug or another one.
INAPPLICABLE = {
    "the projection is no layer of its own": ("dropped projection", "nn.Linear(dim, dim)", "nn.Identity()"),
    "another layer follows": ("dropped projection", "return self.proj(x)", "return self.proj(self.proj(x))"),
    "one query is pooled": ("dropped projection", "class Attention", "class AttentionPool"),
    "heads project to their own width": ("undivided width", "3 * dim)", "3 * num_heads * self.head_dim)"),
    "the width is a default": ("undivided width", "dim // num_heads", "head_dim or dim // num_heads"),
    "the class refuses it": ("undivided width", "dim % num_heads == 0", "self.head_dim * num_heads == dim"),
    "only the keys move": ("merge without transpose", "(attn @ v).transpose(1, 2)", "(attn @ v)"),
    "one query pools": ("merge without transpose", "class Attention", "class AttentionPool"),
    "a chosen function attends": (
        "merge without transpose",
        "x = (attn @ v).transpose(1, 2)",
        "x = attention_interface(attn, v); x = x.transpose(1, 2)",
    ),
    "the keys are normalised": ("softmax axis", "((q * self.scale) @ k.transpose(-2, -1))", "k"),
    "another axis already": ("softmax axis", "dim=-1", "dim=1"),
    "it initialises a parameter": ("inverse scale", "self.scale =", "self.deviation ="),
    "it guards under one more condition": (
        "dropped guard",
        'assert dim % num_heads == 0, "½ a head is no head"',
        "if dim % num_heads and not flexible: raise ValueError",
    ),
    "the division is only a default": (
        "dropped guard",
        "self.scale =",
        'self.head_dim = getattr(config, "head_dim", self.head_dim); self.scale =',
    ),
    "who builds it guards too": (
        "dropped guard",
        "class Attention(nn.Module):",
        (
            "class Block(nn.Module):\n    def __init__(self, dim, heads, num_heads):\n        assert not dim % num_heads\n"
            "        self.attn = Attention(dim, num_heads)\n\nclass Attention(nn.Module):"
        ),
    ),
}


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_mutation(operator: Operator) -> None:
    old, new = CHANGES[operator.name]
    assert CORRECT.count(old) == 1
    ((mutant,),) = mutants(CORRECT)[operator.name].values()
    assert mutant.symbol == "Attention"
    assert ast.unparse(ast.parse(mutant.apply(CORRECT))) == ast.unparse(ast.parse(CORRECT.replace(old, new)))


@pytest.mark.parametrize(("name", "old", "new"), INAPPLICABLE.values(), ids=INAPPLICABLE)
def test_mutation_that_makes_no_bug(name: str, old: str, new: str) -> None:
    assert CORRECT.count(old) == 1
    assert not mutants(CORRECT.replace(old, new))[name]


def entries(**counts: int) -> list[Entry]:
    return [
        {"library": "timm", "version": "1", "path": "a.py", "rule": rule, "line": line, "column": 1}
        for rule, count in counts.items()
        for line in range(count)
    ]


def test_sample_is_everything_if_it_is_little() -> None:
    drawn = draw(entries(ATN001=30, ATN003=300), size=400)
    assert len(drawn) == 330


def test_sample_is_stratified() -> None:
    drawn = draw(entries(ATN001=20, ATN003=1000, SHP001=500, SHP003=10), size=90)
    assert Counter(entry["rule"] for entry in drawn) == {"ATN001": 20, "ATN003": 30, "SHP001": 30, "SHP003": 10}


def test_sample_hardly_moves() -> None:
    found = entries(ATN001=400, SHP001=400)
    before, after = ({key(entry) for entry in draw(some, size=100)} for some in (found, found[1:]))
    assert len(before - after) <= 1


@pytest.mark.parametrize(
    ("first", "second", "ran", "result"),
    [
        ("right", "right", None, "right"),
        ("right", None, None, "unjudged"),
        ("wrong", "right", None, "wrong"),
        ("wrong", None, None, "wrong"),
        ("wrong", "right", "right", "right"),
    ],
)
def test_only_what_both_call_right_is_right(first: str, second: str | None, ran: str | None, result: str) -> None:
    assert settled({"verdict": first, "second": second, "settled": ran}) == result


def test_verdicts_are_kept() -> None:
    first, second, third = entries(ATN001=3)
    right, wrong = {"verdict": "right", "why": "it is"}, {"verdict": "wrong", "why": "it is not", "reported": True}
    merged = merge([first, second], [{**first, **right}, {**third, **wrong}])
    assert [(entry["line"], entry["verdict"], entry["reported"]) for entry in merged] == [
        (0, "right", True),
        (1, None, True),
        (2, "wrong", False),
    ]


# -- agreement -----------------------------------------------------------------------------------------------------------
def test_the_list_of_classes_is_fixed_and_long_enough() -> None:
    lines = (ROOT / "benchmarks" / "agreement.jsonl").read_text("utf-8").splitlines()
    cases = [Case(**json.loads(line)) for line in lines]
    assert len({case.name for case in cases}) == len(cases) >= 150
    assert {"timm", "transformers", "vit_pytorch", "diffusers", "x_transformers", "open_clip", "torch"} <= {
        case.library for case in cases
    }


def test_a_case_is_built_as_it_says() -> None:
    case = Case("torch.nn.Linear", {"in_features": 11, "out_features": 21}, {"input": [2, 5, 11]})
    assert build(case)(**built_inputs(case)).shape == (2, 5, 21)
    assert given(torch.nn.Linear, case.arguments) == case.arguments | {"bias": True, "device": None, "dtype": None}
    other = Case(
        "",
        {},
        {"ids": {"int": [2, 5], "below": 3}, "pair": {"tuple": [[1], [2]]}, "flag": {"value": False}, "no": None},
    )
    inputs = built_inputs(other)
    assert inputs["ids"].max() < 3
    assert [one.shape for one in inputs["pair"]] == [(1,), (2,)]
    assert (inputs["flag"], inputs["no"]) == (False, None)


def test_what_verify_says_of_the_classes_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with a verdict and the reason; what nobody judged, and what was judged wrong, is no success."""
    lines = (ROOT / "benchmarks" / "verify_judged.jsonl").read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    listed = (ROOT / "benchmarks" / "agreement.jsonl").read_text("utf-8").splitlines()
    assert {one["class"] for one in entries} <= {json.loads(line)["name"] for line in listed}
    assert {one["verdict"] for one in entries} <= {"right", "wrong"}
    assert all(len(one["why"]) > 20 for one in entries)
    right, wrong = (
        next(Alarm(one["class"], one["code"], one["said"]) for one in entries if one["verdict"] == verdict)
        for verdict in ("right", "wrong")
    )
    assert told([right])
    assert not told([right, wrong])
    assert not told([Alarm("torch.nn.Linear", "SHP003", "what nobody judged")])
    assert "unjudged: torch.nn.Linear SHP003 what nobody judged" in capsys.readouterr().out

"""The benchmarks measure what they say: a mutation makes its bug and no other, samples are drawn as described."""

import ast
import json
from collections import Counter

import pytest
import torch

import linear
from agreement import Alarm, Case, build, built_inputs, given, told
from mutant_runs import Outcome
from mutants import subjects
from mutations import OPERATORS, TRIED, Operator, mutants
from mutations.attention import Attention, Module, reached
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


# What each further operator makes of code that it applies to: the first of its mutants.
TRIED_CHANGES = {
    "inverted guard": ("assert n % heads == 0", "assert not (n % heads == 0)"),
    "weakened guard": ("assert n % heads == 0", "assert n % 2 == 0"),
    "dropped transpose": ("x.transpose(1, 2)", "x"),
    "added transpose": ("x.view(b, t, c)", "x.view(b, t, c).transpose(1, 2)"),
    "changed transpose": ("x.transpose(1, 2)", "x.transpose(0, 2)"),
    "keys not transposed": ("q @ k.transpose(-2, -1)", "q @ k"),
    "swapped view": ("x.view(b, t, c)", "x.view(t, b, c)"),
    "folded into the batch": (
        "x.view(b, t, h, d).transpose(1, 2)",
        "x.reshape((b) * (h), t, d).reshape(b, h, t, d)",
    ),
    "softmax over heads": ("(q @ k).softmax(dim=-1)", "(q @ k).softmax(dim=1)"),
    "dropped scale": ("attn = attn * self.scale", "attn = attn"),
    "changed scale": ("attn = attn / k.size(-1) ** 0.5", "attn = attn / k.size(-2) ** 0.5"),
    "shifted diagonal": ("torch.triu(x, diagonal=1)", "torch.triu(x, diagonal=2)"),
    "inverted mask": ("s = s.masked_fill(~m, -inf)", "s = s.masked_fill(m, -inf)"),
    "moved mask": (
        "s = s.masked_fill(m, -inf)\n    w = s.softmax(dim=-1)",
        "pass\n    w = s.softmax(dim=-1); w = w.masked_fill(m, 0.0)",
    ),
    "weakened mask": ("s = s.masked_fill(m, -inf)", "s = s.masked_fill(m, 1e-9)"),
    "dropout in eval": ("dropout_p=p if self.training else 0.0", "dropout_p=p"),
    "repeat order": ("k.repeat_interleave(g, dim=1)", "k.repeat(1, g, 1, 1)"),
    "lying comment": ("x  # (b, t, 3)", "x  # (t, t, 3)"),
}


@pytest.mark.parametrize("operator", TRIED[len(OPERATORS) :], ids=lambda operator: operator.name)
def test_mutation_of_code_that_is_run(operator: Operator) -> None:
    old, new = TRIED_CHANGES[operator.name]
    if operator.name.endswith("guard"):
        init, new = (
            f"class A:\n  def __init__(self, n, heads):\n    {one}\n    self.d = n // heads\n"
            "  def forward(self, q):\n    return (q @ q).softmax(-1)\n"
            for one in (old, new)
        )
        text = init
    elif operator.name == "dropout in eval":
        text, new = (f"def attend(q):\n    return scaled_dot_product_attention({one})\n" for one in (old, new))
    else:
        text, new = (f"def attend(q):\n    {one}\n" for one in (old, new))
    (node,) = reached(Module(text), {"attend", "A"})
    found = [mutant.apply(text) for mutant in operator.mutants(Attention(Module(text), node))]
    assert found[0] == new


def test_what_is_reached_is_what_is_named() -> None:
    module = Module("def a(): pass\ndef b(): a()\ndef c(): pass\nclass D:\n  def e(self): b()\n")
    assert [node.name for node in reached(module, {"D"})] == ["a", "b", "D"]


def test_mutants_are_told_from_what_changes_nothing() -> None:
    first = Outcome({"output 0": torch.ones(2)})
    assert first.matches(Outcome({"output 0": torch.ones(2) + 1e-7}))
    assert not first.matches(Outcome({"output 0": torch.zeros(2)}))
    assert not first.matches(Outcome({"output 0": torch.ones(1, 2)}))
    assert not first.matches(Outcome(error="ValueError: no"))
    assert Outcome({"output 0": torch.full((2,), torch.nan)}).matches(
        Outcome({"output 0": torch.full((2,), torch.nan)})
    )


def test_a_fixture_is_run_beside_its_mutant() -> None:
    (subject,) = (
        one for one in subjects(["fixtures"]) if one.path.stem == "fused" and one.path.parent.name == "styles"
    )
    (call,) = subject.calls()
    like = call.parameters(subject.text, 0)
    original = call.outcome(subject.text, 0, like)
    assert original.error is None
    assert any(name.startswith("gradient of ") for name in original.tensors)
    same = subject.text.replace("scores.softmax(dim=-1)", "scores.softmax(dim=3)")
    other = subject.text.replace("scores.softmax(dim=-1)", "scores.softmax(dim=-2)")
    assert call.outcome(same, 0, like).matches(original)
    assert not call.outcome(other, 0, like).matches(original)
    assert call.lines(subject.text, subject.compiled_as)


def test_a_long_forward_is_right() -> None:
    text = linear.forward(3)
    assert text.count("softmax") == 3
    assert linear.seconds(text, 1) > 0


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
    lists = (ROOT / "benchmarks").glob("agreement*.jsonl")
    listed = [line for one in lists for line in one.read_text("utf-8").splitlines()]
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

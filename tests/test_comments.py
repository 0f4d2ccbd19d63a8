"""Comments that claim shapes: what is read of a text, what isn't, that a planted lie is found, and what mends it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixture_harness import FIXTURES, read
from shapecheck.rule import load_rules
from shapecheck.shapes.claims import Claim, Verdict
from shapecheck.shapes.comments import Form, Said, said
from shapecheck.shapes.docstrings import described
from shapecheck.shapes.trace import Trace
from shapecheck.source import Source
from shapecheck.static.analysis import findings_of
from shapecheck.static.project import File, Project
from shapecheck.static.subject import Subject
from shapecheck.static.syntax import NodePlace
from test_fixes import fixed

STALE = FIXTURES / "stale_shape_comment.py"

READ = {
    "# (b, h, t, d)": "b h t d",
    "#(b,h,t,d)": "b h t d",
    "# [B, H, N, D/H]": "B H N D/H",
    "# B x H x N x N": "B H N N",
    "# [bs x heads x len]": "bs heads len",
    "# b × t × d": "b t d",
    "# (B*H) x T x (d_k * n)": "(B*H) T (d_k * n)",
    "# shape: (b, t)": "b t",
    "# x.shape: (b, t, d)": "x: b t d",
    "# torch.Size([8, 1024, 768])": "8 1024 768",
    "# (B, T, C) -> (B, H, T, D)": "~B T C; B H T D",
    "# (b, t, c) => (b, h, t, d)": "~b t c; b h t d",
    "# from (b, t, c) to (b, h, t, d)": "~b t c; b h t d",
    "# (B, T, C), permute -> (B, C, T)": "~B T C; B C T",
    "# (B, T, C) @ (B, C, T) -> (B, T, T)": "~B T C; ~B C T; B T T",
    "# Transpose: (b, t, h, d) -> (b, h, t, d)": "~Transpose: b t h d; Transpose: b h t d",
    "# bhnd": "b h n d",
    "# b h n d -> b n (h d)": "~b h n d; b n (h d)",
    "# b, h, t, d": "b h t d",
    "# q, k, v: (B, H, T, D)": "q,k,v: B H T D",
    "# x (B,C,H,W)": "x: B C H W",
    "# q and k have shape [b, t, d]": "q,k: b t d",
    "# Transpose for attention dot product: b x n x lq x dv": "b n lq dv",
    "# reshape to (B, N, C)": "B N C",
    "# (B, N, C), float32": "B N C",
    "# [..., L, L]": "... L L",
    "# [B, *, N]": "B * N",
    "# (B, C) or (B, T, C)": "B C; B T C",
    "# (b, t, d)  # noqa: E501": "b t d",
    "# (B, N, C').": "B N C'",
}
NOT_READ = [
    "# heads before tokens",
    "# mask", "# norm", "# bias", "# base",
    "# see figure 2 (left) and table 1 [3]",
    "# for i in range(1, 3):",
    "# x.transpose(1, 2)",
    "# x = x.view(b, t, h, d)",
    "# torch wants (b, h, t, d) here",
    "# torch's kernel expects [B, H, N, D], so we transpose",
    "# (b, h, t, d) if the kernel is fused",
    "# (b, t, d) for the decoder",
    "# not (b, t, d)",
    "# the input (b, t, d) goes in whole, the mask (b, t) doesn't",
    "# each of (b, t)",
    "# noqa: E501, F401",
    "# type: ignore[call-arg, misc]",
    "# batch size, sequence length, embedding dimensionality (n_embd)",
    "# 3 x 3",
]  # fmt: skip


def told(one: Said) -> str:
    about = f"{','.join(one.about)}: " if one.about else ""
    return f"{'~' if one.before else ''}{about}{' '.join(word.text for word in one.words)}"


@pytest.mark.parametrize("comment", READ)
def test_shapes_are_read(comment: str) -> None:
    assert "; ".join(map(told, said(comment))) == READ[comment]


@pytest.mark.parametrize("comment", READ)
def test_stretches_are_what_is_read(comment: str) -> None:
    for one in said(comment):
        assert all(word.text in comment[one.start : one.end] for word in one.words)


@pytest.mark.parametrize("comment", NOT_READ)
def test_other_texts_are_not_read(comment: str) -> None:
    assert said(comment) == ()


# -- docstrings ----------------------------------------------------------------------------------------------------------
GOOGLE = '''"""Attend.

    Args:
        x (torch.Tensor): tokens of shape `(batch, seq, dim)`,
            padded on the right.
        mask (`torch.Tensor` of shape `(batch, 1, 1, seq)`, *optional*): zero is hidden.
        bias: if given, (heads, seq, seq)
        other: `(batch, seq)` or `(batch, seq, dim)`
        q: (b, h, t, d)
        k: the keys; their shape is the queries' (b, h, t, d).

    Returns:
        torch.Tensor: (batch, seq, dim)
    """'''
NUMPY = '''"""Attend.

    Parameters
    ----------
    x : Tensor, shape (batch, seq, dim)
        The tokens.

    Returns
    -------
    Tensor of shape (batch, seq, dim)
    """'''
FIELDS = '''"""Attend.

    :param x: shape (b, t, d)
    :param Tensor mask: [b, t]
    :return: shape (b, t, d)
    """'''


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (GOOGLE, ["x: batch seq dim", "mask: batch 1 1 seq", "other: batch seq | batch seq dim", "q: b h t d", "return: batch seq dim"]),
        (NUMPY, ["x: batch seq dim", "return: batch seq dim"]),
        (FIELDS, ["x: b t d", "mask: b t", "return: b t d"]),
        ('"""x: (b, t)."""', ["x: b t"]),
        ('"""Swaps (b, t) and (t, b)."""', []),
    ],
)  # fmt: skip
def test_docstrings_are_read(text: str, wanted: list[str]) -> None:
    found = described(text, frozenset({"x", "mask", "bias", "other", "q", "k"}))
    assert [f"{entry.name}: {' | '.join(map(told, entry.said))}" for entry in found] == wanted


# -- lies ----------------------------------------------------------------------------------------------------------------
def judged(text: str, path: Path) -> Iterator[tuple[Claim, Trace]]:
    subject = Subject(File(path, text, Project(path.parent)), "attention")
    for root in subject.roots:
        for trace in subject.traced(root).traces:
            for claim in trace.claims:
                yield claim, trace


def reported(text: str, path: Path, name: str) -> set[tuple[int, int]]:
    """Rows and columns of what SHP006 reports in a class."""
    rules = [rule for rule in load_rules() if rule.code == "SHP006"]
    found = findings_of(Source(path, text), Project(path.parent), rules, name)
    return {(one.span.row, one.span.column) for one in found}


def true_and_lying(path: Path) -> tuple[str, list[tuple[Claim, Trace]]]:
    """A fixture with its lies mended, and the claims behind its lines that hold and whose words all stand for a size."""
    text, left = fixed(STALE.read_text("utf-8"), path, "SHP006")
    assert left == []
    held = [(claim, trace) for claim, trace in judged(text, path / "after.py") if claim.verdict is Verdict.HOLDS]
    return text, [(claim, trace) for claim, trace in held if claim.remark.made == claim.remark.of]


def variants(claim: Claim) -> Iterator[list[str]]:
    """The words of a claim with two neighbours exchanged, one more, or the last one left out; never the same shape."""
    assert claim.shape is not None
    words = [word.text for word in claim.remark.said.words]
    sizes = [str(axis.size) for axis in claim.shape.axes or ()]
    for place, (one, other) in enumerate(itertools.pairwise(sizes)):
        if one != other:
            yield [*words[:place], words[place + 1], words[place], *words[place + 2 :]]
    yield [words[0], *words]
    if len(words) > 2 and words[-1] != words[-2] and claim.remark.said.form is Form.LISTED:
        yield words[:-1]


def test_every_planted_lie_is_found(tmp_path: Path) -> None:
    text, held = true_and_lying(tmp_path)
    lines = text.split("\n")
    counts: Counter[str] = Counter()
    missed = []
    for claim, trace in held:
        place = claim.remark.place
        assert isinstance(place, NodePlace)
        span = place.span
        if span.row != span.end_row or " or " in lines[span.row - 1]:
            continue  # one of two shapes that a tensor may have
        for words in variants(claim):
            new = claim.remark.said.written(words)
            if new is None:
                continue
            line = lines[span.row - 1]
            line = line[: span.column - 1] + new + line[span.end_column - 1 :]
            lied = "\n".join([*lines[: span.row - 1], line, *lines[span.row :]])
            found = (span.row, span.column) in reported(lied, tmp_path / "after.py", trace.symbol)
            counts["found" if found else "missed"] += 1
            if not found:
                missed.append(f"{span.row}: {line.strip()}")
    print(f"{sum(counts.values())} lies planted in {len(held)} comments, {counts['found']} found")
    assert counts["found"] > 50
    assert missed == []


def test_fixes_write_the_shape_that_is_there(tmp_path: Path) -> None:
    text, left = fixed(STALE.read_text("utf-8"), tmp_path, "SHP006")
    assert left == []
    lines = text.split("\n")
    for expectation in read(STALE).expectations:
        line = lines[expectation.row - 1].partition("  # expect")[0]
        for wanted in expectation.texts:
            assert wanted in line or wanted.endswith("not 5")

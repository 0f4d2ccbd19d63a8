"""What is said of a mask's values is what torch puts there."""

from __future__ import annotations

from pathlib import Path

import pytest

from shapecheck.shapes.masks import Marks, Mask
from shapecheck.shapes.trace import Trace
from shapecheck.source import read
from shapecheck.static.project import File, Project
from shapecheck.static.subject import Subject

LENGTH = 5
TEMPLATE = """
import math

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.register_buffer("large", torch.tril(torch.ones(9, 9)).view(1, 1, 9, 9))
        self.embed = nn.Embedding(d, d)
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, ids):
        b, t = ids.shape
        x = self.embed(ids)
        {setup}
        mask = {mask}
        scores = self.q(x) @ self.k(x).transpose(-2, -1)
        return scores.softmax(dim=-1) @ x
"""
SETUP = "i = torch.arange(t); ones = torch.ones(t, t); true = torch.ones(t, t, dtype=torch.bool)"

KNOWN = [
    "ones.tril()",
    "torch.tril(true, diagonal=-1)",
    "true.triu(1)",
    "torch.triu(input=ones, diagonal=2) == 0",
    "(torch.triu(ones) == 1).transpose(0, 1)",
    "torch.full((t, t), float('-inf')).triu(1)",
    "torch.full((t, t), -1e4).triu_(diagonal=1)[None, None]",
    "torch.zeros(t, t).fill_(-math.inf).triu(1)",
    "torch.ones_like(ones).tril().bool().logical_not()",
    "~true.tril()",
    "1 - ones.tril()",
    "(1.0 - ones.tril()) * torch.finfo(torch.float32).min",
    "-(ones.triu(1)) * 1e4",
    "ones.tril().log()",  # not known, and not wrong
    "torch.zeros(t, t).masked_fill(true.triu(1), -torch.inf)",
    "ones.tril().masked_fill(ones.tril() == 0, -1e9).masked_fill(ones.tril() == 1, 0.0)",
    "torch.where(true.tril(), 0.0, -1e9)",
    "torch.where(true.triu(1), torch.tensor(-1e9), torch.tensor(0.0))",
    "i[None, :] <= i[:, None]",
    "i.view(1, -1) > i.unsqueeze(-1)",
    "i[:, None] >= i[None]",
    "i[:, None] < i",
    "(i[None, :] - i[:, None]) > 0",
    "i[:, None] - i[None, :] < 1",
    "(i + 2)[None, :] > (i + 1)[:, None]",
    "self.large[:, :, :t, :t]",
    "self.large[:, :, 3 : 3 + t, :t] == 0",
    "self.large[0, 0, :t, 2 : t + 2].bool()",
    "true.tril() & true.tril(1)",
    "true.triu(1) | true.triu(2)",
    "ones.tril().expand(b, 1, t, t)",
    "ones.tril().repeat(b, 1, 1).view(b, 1, t, t)",
    "ones.tril().T",
    "ones.tril().mT.contiguous().float()",
    "(ids == 0)[:, None, :]",
    "ids.ne(0).unsqueeze(1).expand(b, t, t)",
    "(ids != 0)[:, None, :] & true.tril()",
    "(ids == 0).unsqueeze(1) | true.triu(1)",
    "nn.Transformer.generate_square_subsequent_mask(t)",
    "nn.Buffer(ones.tril())",
]  # fmt: skip
UNKNOWN = {
    "what was changed in place": ("mask_ = ones.tril(); mask_[0] = 1", "mask_"),
    "a view of it": ("mask_ = ones.tril(); mask_[1:].fill_(1)", "mask_"),
    "a band": ("pass", "true.tril() ^ true.tril(-2)"),
    "what holds something unknown": ("other = x.mean(-1)", "other[:, None] * ones.tril()"),
    "masks of two senses": ("pass", "true.tril() & true.triu(1)"),
    "an argument": ("pass", "ids > 2"),
    "other axes": ("pass", "ones.tril().flatten()"),
    "positions that were rounded": ("pass", "(i // 2)[None, :] > i[:, None]"),
}


def trace(folder: Path, setup: str, mask: str) -> Trace:
    path = folder / "attention.py"
    path.write_text(TEMPLATE.format(setup=setup.replace("; ", "\n        "), mask=mask), "utf-8")
    subject = Subject(File(path, read(path, path.read_bytes()).text, Project.of(folder), notebook=False), "attention")
    return subject.traced(subject.roots[0]).traces[0]


def made(folder: Path, setup: str, mask: str) -> Mask | None:
    found = trace(folder, setup, mask)
    tensor = next(one.tensor for one in found.bound if one.name == "mask")
    return found.masks.mask(tensor, len(found.steps))


def to_see(mask: Mask, key: int, query: int, padding: bool) -> bool:
    """Whether a key is to be seen by a query, as the mask's regions say."""
    for region in mask.regions:
        if region.marks is Marks.PADDING and padding:
            return False
        if region.marks is Marks.CAUSAL:
            assert region.diagonal is not None
            assert region.diagonal.value is not None
            if key - query > region.diagonal.value:
                return False
    return True


@pytest.mark.parametrize("expression", KNOWN)
def test_a_mask_holds_what_is_said_of_it(expression: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the masks are made")
    from fixture_runs import loaded

    mask = made(tmp_path, SETUP, expression)
    if "log()" in expression:
        assert mask is None
        return
    assert mask is not None
    assert mask.exact
    text = TEMPLATE.format(setup=SETUP.replace("; ", "\n        "), mask=expression)
    text = text.replace("scores = ", "self.mask = mask\n        scores = ")
    ids = torch.tensor([[1, 2, 0, 3, 0], [4, 0, 1, 1, 0]])
    with loaded(text) as names, torch.no_grad():
        attention = names["Attention"](6)
        attention(ids)
    actual = attention.mask.expand(2, 1, LENGTH, LENGTH) if attention.mask.dim() == 4 else attention.mask
    actual = (actual[:, 0] if actual.dim() == 4 else actual.expand(2, LENGTH, LENGTH)).double()
    # rows and columns as the axes say, which a transpose turns over
    shape = trace(tmp_path, SETUP, expression)
    bound = next(one.tensor for one in shape.bound if one.name == "mask")
    known = shape.shape(bound)
    axes = known.axes if known is not None else None
    assert axes is not None
    causal = next((one for one in mask.regions if one.marks is Marks.CAUSAL), None)
    turned = causal is not None and causal.keys is not None and causal.keys.ids == axes[-2].ids
    for sample in range(2):
        for row in range(LENGTH):
            for column in range(LENGTH):
                key, query = (row, column) if turned else (column, row)
                wanted = mask.seen if to_see(mask, key, query, bool(ids[sample, column] == 0)) else mask.hidden
                assert actual[sample, row, column].item() == pytest.approx(wanted, rel=0.01), (sample, row, column)
    if mask.dtype is not None:
        kinds = {"bool": attention.mask.dtype == torch.bool, "float": attention.mask.is_floating_point()}
        assert kinds.get(mask.dtype, True)


@pytest.mark.parametrize("what", UNKNOWN)
def test_of_everything_else_nothing_is_said(what: str, tmp_path: Path) -> None:
    setup, mask = UNKNOWN[what]
    assert made(tmp_path, f"{SETUP}; {setup}", mask) is None

"""A padding mask that falls on the queries.

A mask of tokens hides keys: it lies along the last axis of the scores, `mask[:, None, None, :]`. Along the queries it fills
whole rows with one number, so that nothing is hidden from anybody, and rows of padding turn to NaN or to the mean.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x, pad):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            scores = q @ k.transpose(-2, -1) * self.head_dim**-0.5
            scores = scores.masked_fill(pad[:, None, :, None], float("-inf"))  # expect: ATN027
            weights = scores.softmax(dim=-1)
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

Lay it along the keys:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x, pad):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            scores = q @ k.transpose(-2, -1) * self.head_dim**-0.5
            scores = scores.masked_fill(pad[:, None, None, :], float("-inf"))
            weights = scores.softmax(dim=-1)
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
"""

import re
from collections.abc import Iterator

from shapecheck.rule import Draft, Rewrite, Severity
from shapecheck.shapes.lying import Falls
from shapecheck.shapes.maskings import Masking, Way
from shapecheck.shapes.masks import Marks
from shapecheck.shapes.trace import Trace

code, severity = "ATN027", Severity.WARNING


def check(trace: Trace) -> Iterator[Draft]:
    for masking in trace.maskings:
        if masking.mask is None or not _hides_queries(masking):
            continue
        others = [one for one in trace.maskings if one.softmax is masking.softmax and one.step is not masking.step]
        if all(_is_causal(one) for one in others):
            yield Draft(
                masking.step.place,
                f"the mask {trace.shape(masking.mask)} falls on the queries of {_taker(trace, masking)}, and hides no key",
                outcome="silent: every query sees the padding, and rows of padding are filled with one number",
                help="`mask[:, None, None, :]`",
                step=masking.step.index,
                spoils=False,
                fix=_turned(trace, masking),
            )


def _hides_queries(masking: Masking) -> bool:
    """Whether whole queries are hidden before the softmax, from every key."""
    if not masking.before or masking.falls is not Falls.QUERIES or masking.from_scores:
        return False
    return masking.way in (Way.HIDES, Way.KEEPS) or (
        masking.way is Way.ADDED and masking.made is not None and masking.made.hidden < -1
    )


def _is_causal(masking: Masking) -> bool:
    made = masking.made
    return made is not None and all(region.marks is Marks.CAUSAL for region in made.regions)


def _taker(trace: Trace, masking: Masking) -> str:
    return masking.taker or str(trace.shape(masking.step.operands[0]))


def _turned(trace: Trace, masking: Masking) -> Rewrite | None:
    """`mask[:, None, :, None]` laid along the keys, where it is taken once."""
    step = trace.maker(masking.mask) if masking.mask is not None else masking.step
    written = re.fullmatch(r"(?s)(.+)\[:, None, :, None\]", step.place.code)
    if step.op != "index" or written is None or step.place != masking.mask_at:
        return None
    return Rewrite("lay the mask along the keys", ((step.place, f"{written[1]}[:, None, None, :]"),), safe=False)

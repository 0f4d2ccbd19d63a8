"""A mask the wrong way round: what is to be hidden is kept.

`scaled_dot_product_attention` keeps where a boolean mask is True; `nn.MultiheadAttention`, and `masked_fill` of scores,
hide there. A mask that was made for the one and given to the other shows every token the future, or the padding, and
nothing else.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            later = torch.triu(torch.ones(t, t, dtype=torch.bool), diagonal=1)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=later)  # expect: ATN020
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

Say what is to be seen:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            seen = torch.tril(torch.ones(t, t, dtype=torch.bool))
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html and
https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
"""

import re
from collections.abc import Iterator

from shapecheck.rule import Draft, Rewrite, Severity
from shapecheck.shapes.making import BOOL
from shapecheck.shapes.maskings import Masking, Way
from shapecheck.shapes.masks import Marks
from shapecheck.shapes.trace import Trace

code, severity = "ATN020", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for masking in trace.maskings:
        if masking.wrong_way_round and masking.made is not None:
            later = any(region.marks is Marks.CAUSAL for region in masking.made.regions)
            yield Draft(
                masking.step.place,
                f"{_taken(masking)}: here that is {_what(masking, later=later)}",
                outcome="silent: " + ("tokens see the future only" if later else "padding is all that is seen"),
                help="add the mask's negative" if masking.way is Way.ADDED else "`~mask`",
                step=masking.step.index,
                spoils=False,
                fix=_negated(masking),
            )


def _negated(masking: Masking) -> Rewrite | None:
    """The mask's complement where it is given: unsafe, since the one who made it may have meant another taker."""
    place, made = masking.mask_at, masking.made
    if place is None or made is None or made.dtype != BOOL:
        return None
    text = place.code
    simple = re.fullmatch(r"[\w.]+", text) is not None
    negated = text[1:] if re.fullmatch(r"~[\w.]+", text) else f"~{text}" if simple else f"~({text})"
    return Rewrite("take the mask's complement", ((place, negated),), safe=False)


def _taken(masking: Masking) -> str:
    match masking.way:
        case Way.HIDES:
            return f"{masking.taker or masking.step.op} hides where the mask is True"
        case Way.ADDED:
            return "scores are lowered where the mask is low"
        case Way.MULTIPLIED:
            return "the product is 0 where the mask is 0"
    return f"{masking.taker or masking.step.op} keeps where the mask is True"


def _what(masking: Masking, *, later: bool) -> str:
    """What the mask tells apart, where it is True or low."""
    if masking.way is Way.KEEPS:
        return "what comes later" if later else "the padding"
    return "each token and what comes before it" if later else "every token but the padding"

"""Scores that reach the softmax unscaled.

The product of a query and a key of head_dim features has a variance of head_dim. Undivided by sqrt(head_dim) it drives
the softmax into its flat ends, where gradients vanish. Learnt temperatures, normalised queries and keys, a stated
factor of 1, and a learnt bias added to the scores (T5) are taken for intent.

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
            weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)  # expect: ATN012
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

Scale by the square root of head_dim:

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
            weights = (q @ k.transpose(-2, -1) * self.head_dim**-0.5).softmax(dim=-1)
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

Vaswani et al. 2017, Attention Is All You Need, section 3.2.1
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Holds, Severity
from shapecheck.shapes.attention import Attention, has_heads, of_linear_layers
from shapecheck.shapes.details import Sdpa
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Origin
from shapecheck.shapes.trace import Trace

code, severity, holds = "ATN012", Severity.WARNING, Holds.REACHING


def check(trace: Trace) -> Iterator[Draft]:
    for attention in trace.attentions:
        scale, width = attention.scale, attention.width
        if _asks_for_none(attention):
            yield Draft(attention.softmax.place, "a kernel told not to scale", key="unscaled", meant=True)
        if attention.kernel or scale is None or width is None or attention.context is None:
            continue
        stated = attention.scalings or attention.biased or not scale.known or scale.learnt
        if (
            not stated
            and (has_heads(trace, attention) or of_linear_layers(trace, attention))
            and all(factor.origin is Origin.LAYER for axis in width for factor in axis.factors)
        ):
            yield Draft(
                attention.softmax.place,
                f"the scores reach softmax unscaled: products over {width[0]} features",
                outcome="silent: the softmax saturates",
                help=f"multiply the scores by `{width[0]} ** -0.5`",
                step=attention.softmax.index,
                spoils=False,
                key="unscaled",
            )


def _asks_for_none(attention: Attention) -> bool:
    """Whether a kernel is given the scale 1: what is written out on another path does the same on purpose."""
    detail = attention.softmax.detail
    return isinstance(detail, Sdpa) and detail.scale == Scale()

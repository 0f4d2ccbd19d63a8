"""Softmax over an axis that is not the keys'.

Attention weights sum to 1 over the keys: the axis of the scores that the product with the values sums over. Over any
other axis the module runs and trains, but mixes queries, heads or samples that must not see one another.

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
            weights = (q @ k.transpose(-2, -1) * self.head_dim**-0.5).softmax(dim=1)  # expect: ATN011
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

Normalise the last axis of the scores `[b, h, t, s]`:

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

Vaswani et al. 2017, Attention Is All You Need, equation 1
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Severity
from shapecheck.shapes.attention import Attention
from shapecheck.shapes.details import Contraction, Softmax
from shapecheck.shapes.shape import Axis, is_heads
from shapecheck.shapes.trace import Trace

code, severity = "ATN011", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for attention in trace.attentions:
        found = None if attention.kernel else _wrong_axis(trace, attention)
        if found is not None:
            axis, keys = found
            what = "the heads" if is_heads(axis) else f"{axis}"
            yield Draft(
                attention.softmax.place,
                f"softmax of {trace.shape(attention.softmax.operands[0])} runs over {what}, the values are summed over {keys}",
                outcome="silent: the weights don't sum to 1 over the keys",
                help="`dim=-1`",
                step=attention.softmax.index,
                spoils=False,
                meant=attention.renormalised or _both_ways(trace, attention),
            )


def _both_ways(trace: Trace, attention: Attention) -> bool:
    """Whether the same scores are also normalised over another axis: slots and tokens attend to each other."""
    own = attention.softmax.detail
    return any(
        other.scores is attention.scores and other.softmax.detail != own and not other.kernel
        for other in trace.attentions
    )


def _wrong_axis(trace: Trace, attention: Attention) -> tuple[Axis, Axis] | None:
    """The axis that softmax ran over and the one that the context sums over, where they are not the same."""
    softmax, context, weights = attention.softmax.detail, attention.context, attention.weights
    if not isinstance(softmax, Softmax) or softmax.axis is None or context is None or weights is None:
        return None
    detail = context.detail
    if not isinstance(detail, Contraction) or len(detail.summed) != 1:
        return None
    side = 0 if context.operands[0].step == weights.step else 1
    keys = detail.summed[0][side]
    other = detail.right if side == 0 else detail.left
    shape = trace.shape(weights)
    if softmax.axis.is_one and other and keys.ids:  # one query: its weights are all 1
        return softmax.axis, keys
    if shape is None or not other or not softmax.axis.ids or not keys.ids or softmax.axis.ids & keys.ids:
        return None
    elsewhere = [axis for axis in shape.axes or () if softmax.axis.ids <= axis.ids]
    return (softmax.axis, keys) if elsewhere else None

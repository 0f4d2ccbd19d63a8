"""A mask for each head, repeated in the wrong order.

The 3-D mask of `nn.MultiheadAttention` is `[batch * num_heads, t, s]`, all heads of the first sample first. `repeat` puts
all samples of the first head first: with more than one sample, heads get the masks of others.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.attention = nn.MultiheadAttention(d_model, n_heads, batch_first=True)

        def forward(self, x, hidden):
            b, t, d = x.shape
            mask = hidden[:, None, :].expand(b, t, t).repeat(self.n_heads, 1, 1)
            return self.attention(x, x, x, attn_mask=mask)[0]  # expect: ATN028

Repeat each sample's:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.attention = nn.MultiheadAttention(d_model, n_heads, batch_first=True)

        def forward(self, x, hidden):
            b, t, d = x.shape
            mask = hidden[:, None, :].expand(b, t, t).repeat_interleave(self.n_heads, dim=0)
            return self.attention(x, x, x, attn_mask=mask)[0]

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
"""

import re
from collections.abc import Iterator

from shapecheck.rule import Draft, Rewrite, Severity
from shapecheck.shapes.maskings import Masking
from shapecheck.shapes.shape import Axis, Origin
from shapecheck.shapes.trace import Trace

code, severity = "ATN028", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for masking in trace.maskings:
        axis = _repeated(trace, masking)
        if axis is not None:
            heads, batch = axis.factors[0].size, Axis(axis.factors[1:]).size
            yield Draft(
                masking.step.place,
                f"the mask's first axis is {heads} * {batch}, and {masking.taker} takes {batch} * {heads}",
                outcome="silent: with more than one sample, heads get the masks of other samples",
                help=f"`repeat_interleave({heads}, dim=0)`",
                step=masking.step.index,
                spoils=False,
                fix=_interleaved(trace, masking),
            )


def _interleaved(trace: Trace, masking: Masking) -> Rewrite | None:
    step = trace.maker(masking.mask) if masking.mask is not None else masking.step
    written = re.fullmatch(r"(?s)(.+)\.repeat\((.+), 1, 1\)", step.place.code)
    if step.op != "repeat" or written is None or len(trace.users(step)) > 1:
        return None
    repaired = f"{written[1]}.repeat_interleave({written[2]}, dim=0)"
    return Rewrite("repeat each sample's mask", ((step.place, repaired),), safe=True)


def _repeated(trace: Trace, masking: Masking) -> Axis | None:
    """The first axis of a mask of nn.MultiheadAttention, where it is copies of a batch and not a batch of copies."""
    shape = trace.shape(masking.mask) if masking.mask is not None else None
    axes = shape.axes if shape is not None else None
    if not masking.taker.startswith("nn.") or axes is None or len(axes) != 3 or len(axes[0].factors) < 2:
        return None
    copies, *batch = axes[0].factors
    own = all(factor.origin is Origin.INPUT for factor in batch)
    return axes[0] if copies.origin in (Origin.REPEAT, Origin.LIST) and own else None

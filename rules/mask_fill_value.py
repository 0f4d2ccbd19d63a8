"""Masked scores filled with a number that is not very negative.

The softmax takes e to the power of the scores: 0, 1e-9 and -1 are as good as any, and what is masked keeps its weight.
The minus sign of -1e9 may be in the exponent.

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
            scores = q @ k.transpose(-2, -1) * self.head_dim**-0.5
            scores = scores.masked_fill(torch.ones(t, t).tril() == 0, 1e-9)  # expect: ATN022
            weights = scores.softmax(dim=-1)
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

Fill with minus infinity:

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
            scores = q @ k.transpose(-2, -1) * self.head_dim**-0.5
            scores = scores.masked_fill(torch.ones(t, t).tril() == 0, float("-inf"))
            weights = scores.softmax(dim=-1)
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_fill_.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Rewrite, Severity
from shapecheck.shapes.maskings import STRONG, Masking, Way
from shapecheck.shapes.trace import Trace

code, severity = "ATN022", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for masking in trace.maskings:
        weak = _weak(masking)
        others = [one for one in trace.maskings if one.softmax is masking.softmax and one.step is not masking.step]
        if weak is not None and not any(one.before and _weak(one) is None for one in others):
            yield Draft(
                masking.step.place,
                f"masked scores become {weak:g}, and the softmax gives them e**{weak:g} all the same",
                outcome="silent: what is masked keeps its weight",
                help='fill with `float("-inf")`',
                step=masking.step.index,
                spoils=False,
                fix=_lowest(masking),
            )


def _lowest(masking: Masking) -> Rewrite | None:
    place = masking.fill_at
    return Rewrite("fill with minus infinity", ((place, 'float("-inf")'),), safe=True) if place is not None else None


def _weak(masking: Masking) -> float | None:
    """What hidden scores become, where that hides nothing."""
    if not masking.before or masking.from_scores:
        return None
    if masking.way in (Way.HIDES, Way.KEEPS) and masking.fill is not None:
        return masking.fill if masking.fill > -STRONG else None
    made = masking.made
    if masking.way is Way.MULTIPLIED and made is not None and made.keeps:
        return 0.0
    return None

"""A mask put on the weights, after the softmax.

What is set to 0 then has already had its share of the softmax: the weights that are left don't sum to 1, and how large
they are depends on tokens that must not be seen.

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
            weights = scores.softmax(dim=-1)
            weights = weights.masked_fill(torch.ones(t, t).tril() == 0, 0.0)  # expect: ATN021
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

Mask the scores; or bring the rows back to 1, `weights / weights.sum(dim=-1, keepdim=True)`:

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

Vaswani et al. 2017, Attention Is All You Need, section 3.2.3
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Severity
from shapecheck.shapes.lying import Falls
from shapecheck.shapes.maskings import Masking, Way
from shapecheck.shapes.trace import Trace

code, severity = "ATN021", Severity.WARNING


def check(trace: Trace) -> Iterator[Draft]:
    renormalised = {attention.softmax.index for attention in trace.attentions if attention.renormalised}
    masked = {masking.softmax.index for masking in trace.maskings if masking.before}
    for masking in trace.maskings:
        if not masking.before and masking.softmax.index not in renormalised | masked and _hides_keys(masking):
            yield Draft(
                masking.step.place,
                f"masks the weights after the softmax of {trace.shape(masking.softmax.operands[0])}",
                outcome="silent: they don't sum to 1, and depend on what is hidden",
                help="fill the scores with -inf before the softmax",
                step=masking.step.index,
                spoils=False,
            )


def _hides_keys(masking: Masking) -> bool:
    """Whether some keys get no weight; whole queries may be silenced at any time."""
    if masking.from_scores:
        return False
    if masking.made is not None and masking.made.is_zero_one:
        hides = masking.way is Way.MULTIPLIED or masking.fill == 0
        return hides and masking.falls in (Falls.KEYS, Falls.BOTH)
    return masking.way in (Way.HIDES, Way.KEEPS) and masking.fill == 0 and masking.falls in (Falls.KEYS, Falls.BOTH)

"""A mask of 0 and 1 added to the scores.

A mask that is added must be 0 where there is something to see and very negative elsewhere. One of True and False, or of 1
and 0, moves scores by 1 and hides nothing. `scaled_dot_product_attention` and `nn.MultiheadAttention` add a mask, too,
where it isn't boolean.

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
            weights = (scores + torch.ones(t, t).tril()).softmax(dim=-1)  # expect: ATN023
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

Fill where it is 0:

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

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Severity
from shapecheck.shapes.maskings import Way
from shapecheck.shapes.trace import Trace

code, severity = "ATN023", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for masking in trace.maskings:
        made = masking.made
        if not masking.before or masking.way is not Way.ADDED or made is None:
            continue
        if {made.seen, made.hidden} in ({0, 1}, {0, -1}):
            by = f"{masking.taker} adds" if masking.taker else "adds"
            yield Draft(
                masking.step.place,
                f"{by} {made.seen:g} to the scores where there is something to see, and {made.hidden:g} to those to be hidden",
                outcome="silent: what is masked keeps its weight",
                help="`mask.bool()`" if masking.taker else '`scores.masked_fill(hidden, float("-inf"))`',
                step=masking.step.index,
                spoils=False,
            )

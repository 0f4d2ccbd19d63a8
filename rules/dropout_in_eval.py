"""Attention weights dropped in eval() too.

`scaled_dot_product_attention` is a function: it drops with probability `dropout_p` whatever mode the module is in. A
number that was given to the constructor drops weights in predictions as well, which then differ from call to call.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads, dropout=0.1):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim, self.dropout = n_heads, d_model // n_heads, dropout
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout)  # expect: ATN014
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

Ask the module for its mode:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads, dropout=0.1):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim, self.dropout = n_heads, d_model // n_heads, dropout
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            dropout = self.dropout if self.training else 0.0
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Holds, Severity
from shapecheck.shapes.details import Sdpa
from shapecheck.shapes.trace import Trace

code, severity = "ATN014", Severity.ERROR
holds = Holds.REACHING


def check(trace: Trace) -> Iterator[Draft]:
    """A flag that is given to forward may stand for `self.training`: then the caller knows the mode."""
    for step in trace.steps:
        if isinstance(step.detail, Sdpa) and step.detail.dropout is not None and not trace.by_flag:
            caller = "" if step.frame in (trace.symbol, *trace.built) else f", as `{trace.symbol}` calls it"
            yield Draft(
                step.place,
                f"drops weights at a rate of `{step.detail.dropout}` in eval() too{caller}",
                outcome="silent: predictions differ from call to call",
                help="pass the rate `if self.training else 0.0`",
                step=step.index,
                spoils=False,
            )

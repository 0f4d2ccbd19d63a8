"""A mask together with `is_causal=True`.

`scaled_dot_product_attention` takes one or the other. With both some of its kernels raise, others put them together
without a word: which one runs depends on the device, the dtype and the shapes.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x, mask):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :], is_causal=True)  # expect: ATN026
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

Put the causal mask into the mask:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x, mask):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            seen = mask[:, None, None, :] & torch.ones(t, t, dtype=torch.bool).tril()
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Severity
from shapecheck.shapes.details import Sdpa
from shapecheck.shapes.trace import Trace

code, severity = "ATN026", Severity.INFO


def check(trace: Trace) -> Iterator[Draft]:
    for step in trace.steps:
        if isinstance(step.detail, Sdpa) and step.detail.causal and step.detail.masked:
            yield Draft(
                step.place,
                "a mask is given together with is_causal=True",
                outcome="raises on one kernel, is combined silently on another",
                help="`&` the mask with `torch.ones(t, t, dtype=torch.bool).tril()`",
                step=step.index,
                spoils=False,
            )

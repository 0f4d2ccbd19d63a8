"""`view` on a tensor whose memory doesn't allow it.

`view` never copies, so the axes that it joins must lie beside each other in memory. After `transpose` or `permute` they
don't, and the line raises `view size is not compatible with input tensor's size and stride`.

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
            return self.out_proj((weights @ v).transpose(1, 2).view(b, t, d))  # expect: SHP004

`reshape` copies where it must:

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

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Holds, Severity
from shapecheck.shapes.details import Reshape
from shapecheck.shapes.trace import Trace

code, severity, holds = "SHP004", Severity.ERROR, Holds.RAISING


def check(trace: Trace) -> Iterator[Draft]:
    for step in trace.steps:
        if isinstance(step.detail, Reshape) and step.detail.joins_strides:
            yield Draft(
                step.place,
                f"view joins axes of {trace.shape(step.operands[0])} that don't lie beside each other in memory",
                outcome="raises: view size is not compatible with input tensor's size and stride",
                help="`reshape` instead of `view`",
                step=step.index,
            )

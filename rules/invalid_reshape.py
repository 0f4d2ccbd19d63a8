"""A reshape to a different number of elements.

The old and the new shape are known, and one has a fixed number of times as many elements as the other. The line
raises `shape '[…]' is invalid for input of size …` whatever the sizes are.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)

        def forward(self, x):
            b, t, _ = x.shape
            qkv = self.qkv(x).view(b, t, self.n_heads, self.head_dim)  # expect: SHP002
            return qkv.softmax(dim=-1)

Three times as wide needs an axis of 3:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)

        def forward(self, x):
            b, t, _ = x.shape
            qkv = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim)
            return qkv.softmax(dim=-1)

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Holds, Severity
from shapecheck.shapes.details import Reshape
from shapecheck.shapes.reshape import Verdict
from shapecheck.shapes.trace import Trace

code, severity, holds = "SHP002", Severity.ERROR, Holds.RAISING


def check(trace: Trace) -> Iterator[Draft]:
    for step in trace.steps:
        detail = step.detail
        if isinstance(detail, Reshape) and detail.regrouping.verdict is Verdict.UNEQUAL:
            sizes = ", ".join(map(str, detail.new))
            times = detail.regrouping.left
            many = "another number of elements" if times is None else f"{times} times as many elements, or as few"
            if detail.regrouping.unless is not None:
                length, heads = detail.regrouping.unless
                many = f"as many elements only if {length} is {heads}"
            yield Draft(
                step.place,
                f"{trace.shape(step.operands[0])} can't become [{sizes}]: {many}",
                outcome="raises: the shape is invalid for input of that size",
                step=step.index,
            )

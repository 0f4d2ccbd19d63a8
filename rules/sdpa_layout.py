"""scaled_dot_product_attention given heads where it takes tokens.

`scaled_dot_product_attention` attends over the last axis but one: it takes (batch, heads, sequence, head_dim). Given
(batch, sequence, heads, head_dim) it attends over the heads of each token alone, and tokens never see each other. The
shape comes out right. flash_attn_func takes the other order: the rule knows each function's own.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).unbind(2)
            y = F.scaled_dot_product_attention(q, k, v)  # expect: ATN010
            return self.out_proj(y.reshape(b, t, d))

Put the heads in front of the tokens, and back afterwards:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = (y.transpose(1, 2) for y in self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).unbind(2))
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Severity
from shapecheck.shapes.details import Sdpa
from shapecheck.shapes.shape import is_heads, is_tokens
from shapecheck.shapes.trace import Trace

code, severity = "ATN010", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for step in trace.steps:
        if not isinstance(step.detail, Sdpa):
            continue
        shapes = [trace.shape(operand) for operand in step.operands[:2]]
        tokens, heads = (-3, -2) if step.detail.layout == "b h t d" else (-2, -3)
        swapped = [
            shape for shape in shapes if shape is not None and shape.axes is not None and len(shape.axes) >= 4
            and is_tokens(shape.axes[tokens]) and is_heads(shape.axes[heads])
        ]  # fmt: skip
        if len(swapped) == len(shapes):
            yield Draft(
                step.place,
                f"attends over {swapped[0].axes[-2] if swapped[0].axes else ''}, not the tokens: "
                f"the query is {swapped[0]}, wanted is [{step.detail.layout.replace(' ', ', ')}]",
                outcome="silent: each token attends among its own heads and sees no other token",
                help="`.transpose(1, 2)` on q, k and v, and on the result",
                step=step.index,
            )

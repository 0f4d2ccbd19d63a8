"""A tensor that can't have the shape that its annotation says.

jaxtyping's annotations are read on parameters, on locals and on the result, with nothing run and no type checker. That of
a parameter is what it is taken to be; a name means one size in one call of a function, and one that `__init__` put on
`self` is that number (three letters or more, or `{self.h}`).

    from jaxtyping import Float
    from torch import Tensor


    class Attention(nn.Module):
        def __init__(self, d_in, d_out, num_heads):
            super().__init__()
            assert d_out % num_heads == 0
            self.d_in, self.d_out, self.num_heads, self.head_dim = d_in, d_out, num_heads, d_out // num_heads
            self.qkv = nn.Linear(d_in, 3 * d_out)
            self.out_proj = nn.Linear(d_out, d_out)

        def forward(self, x: Float[Tensor, "b t d_in"]) -> Float[Tensor, "b t d_in"]:  # expect: SHP007
            b, t, _ = x.shape
            qkv = self.qkv(x).view(b, t, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            q, k, v = qkv
            y: Float[Tensor, "b num_heads t head_dim"] = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, self.d_out))

Say what is returned, or return what is said:

    from jaxtyping import Float
    from torch import Tensor


    class Attention(nn.Module):
        def __init__(self, d_in, d_out, num_heads):
            super().__init__()
            assert d_out % num_heads == 0
            self.d_in, self.d_out, self.num_heads, self.head_dim = d_in, d_out, num_heads, d_out // num_heads
            self.qkv = nn.Linear(d_in, 3 * d_out)
            self.out_proj = nn.Linear(d_out, d_out)

        def forward(self, x: Float[Tensor, "b t d_in"]) -> Float[Tensor, "b t d_out"]:
            b, t, _ = x.shape
            qkv = self.qkv(x).view(b, t, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            q, k, v = qkv
            y: Float[Tensor, "b num_heads t head_dim"] = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, self.d_out))

jaxtyping: https://docs.kidger.site/jaxtyping/api/array/
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Holds, Severity
from shapecheck.shapes.trace import Trace

code, severity, holds = "SHP007", Severity.ERROR, Holds.REACHING


def check(trace: Trace) -> Iterator[Draft]:
    for one in trace.mismatches:
        name = one.annotated.name
        what = name.replace("return", "the result", 1) if name.startswith("return") else f"`{name}`"
        yield Draft(
            one.annotated.place,
            f'{what} is {one.shape}, not "{one.annotated.wanted.text}": {one.why}',
            outcome="silent: only `checked`, or jaxtyping with a type checker, would notice",
        )

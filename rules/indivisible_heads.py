"""The numbers are known, and the heads don't divide the width.

1600 does not divide into 48 heads: 48 is the number of layers of that model, and 25 the number of its heads. The
module raises at its first forward, in words about shapes, or attends narrower than it was asked to.

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
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

    def build():
        return Attention(1600, n_heads=48)  # expect: ATN004

A number that divides:

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
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

    def build():
        return Attention(1600, n_heads=25)

Radford et al. 2019, Language Models are Unsupervised Multitask Learners, table 2 (1600 wide, 48 layers)
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Severity
from shapecheck.shapes.built import Construction, Remainder
from shapecheck.shapes.trace import Trace

code, severity = "ATN004", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for layer in trace.layers:  # nn.MultiheadAttention with numbers
        width, heads = (dim.value if dim is not None else None for dim in (layer.takes, layer.heads))
        if width is not None and heads and width % heads:
            yield _draft(Remainder(width, heads, layer.name, layer.place, layer.place), "")


def check_construction(construction: Construction) -> Iterator[Draft]:
    for remainder in construction.divisions:
        same = [
            name for name, value, at in construction.numbers if value == remainder.divisor and at != remainder.place
        ]
        other = next((name for name in same if name != remainder.name), None)
        yield _draft(remainder, f"; {remainder.divisor} is `{other}` here too" if other is not None else "")


def _draft(remainder: Remainder, also: str) -> Draft:
    width, heads = remainder.dividend, remainder.divisor
    return Draft(
        remainder.place,
        f"{width} doesn't divide into {heads} heads: {width} % {heads} = {width % heads}{also}",
        outcome="raises, or attends narrower than asked for",
        help=_suggestion(remainder),
        key=remainder.place,
    )


def _suggestion(remainder: Remainder) -> str | None:
    """The head counts that divide: the one that makes heads of 64, 128, 32, … first."""
    for width in (64, 128, 96, 80, 32, 48, 40, 256, 16):
        if remainder.dividend % width == 0:
            return f"{remainder.dividend // width} heads of {width} would divide"
    near = [count for count in range(1, 2 * remainder.divisor) if remainder.dividend % count == 0]
    best = min(near, key=lambda count: abs(count - remainder.divisor))
    return f"{best} heads of {remainder.dividend // best} would divide" if best > 1 else None

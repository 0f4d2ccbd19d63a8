"""`d_out // num_heads` drops the remainder, and nothing checks that there is none.

The division rounds down. Where the heads are split or merged afterwards by sizes that must multiply to d_out, the first
forward raises, in words that say nothing of heads. Where every width is made of `heads * (d_out // heads)`, nothing
raises and the attention is narrower than asked for; a -1 beside it attends with another number of tokens or heads.
A check may stand in a base class, a config or a helper, and may be an assert, a raise, a divmod or a product.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.head_dim = d_model // n_heads  # expect: ATN003
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

Check before dividing:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            if d_model % n_heads:
                raise ValueError(f"d_model {d_model} is not divisible by n_heads {n_heads}")
            self.n_heads = n_heads
            self.head_dim = d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

PyTorch's own: https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
"""

import re
from collections.abc import Iterator

from shapecheck.rule import Draft, Holds, Severity
from shapecheck.shapes.consequences import Consequence, consequence
from shapecheck.shapes.obligations import owed
from shapecheck.shapes.trace import Trace

code, severity, holds = "ATN003", Severity.WARNING, Holds.REACHING

# In the source's own names: paths may mean other sizes by them.
_WRITTEN = re.compile(r"(?:int)?\(?([\w.]+) *//? *([\w.]+)\)?")


def check(trace: Trace) -> Iterator[Draft]:
    for division in owed(trace):
        dividend, divisor = trace.facts.resolve(division.dividend), trace.facts.resolve(division.divisor)
        what, words = consequence(trace, division)
        written = _WRITTEN.fullmatch(division.place.code)
        n, d = written.groups() if written is not None else (str(dividend), str(divisor))
        whole, part = n.split(".")[-1], d.split(".")[-1]
        missing = f"nothing checks that {part} divides {whole}"
        if trace.facts.is_uneven(dividend, divisor):
            missing = f"the check refuses each {whole} that {part} divides, and passes the others"
        said = f"{whole} {{{n}}} is not divisible by {part} {{{d}}}"
        yield Draft(
            division.place,
            f"`{division.place.code}` drops the remainder, and {missing}",
            outcome=words,
            help=f'`if {n} % {d}: raise ValueError(f"{said}")`' if written else None,
            severity=Severity.ERROR if what in (Consequence.NARROWER, Consequence.OTHER_COUNT) else Severity.WARNING,
            key=(str(dividend), str(divisor)),
        )

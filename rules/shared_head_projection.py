"""Heads are slices of the input, and one small linear layer projects them all.

Each head has weights of its own for queries, keys and values, and sees every feature: a layer over the whole width, whose
result is split into heads. Where the input is split first, and a head_dim × head_dim layer is applied to the pieces, all
heads share one set of weights and none sees more than its slice of the features. It runs, it trains, and it is weaker.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.q = nn.Linear(self.head_dim, self.head_dim)
            self.k = nn.Linear(self.head_dim, self.head_dim)
            self.v = nn.Linear(self.head_dim, self.head_dim)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            x = x.view(b, t, self.n_heads, self.head_dim)
            q = self.q(x).transpose(1, 2)  # expect: ATN005
            k, v = self.k(x).transpose(1, 2), self.v(x).transpose(1, 2)
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

    # run: Attention(d_model=12, n_heads=3)(x=[2, 5, 12]) -> silent

Project the whole width, then split:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.q = nn.Linear(d_model, d_model)
            self.k = nn.Linear(d_model, d_model)
            self.v = nn.Linear(d_model, d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = (
                project(x).view(b, t, self.n_heads, self.head_dim).transpose(1, 2)
                for project in (self.q, self.k, self.v)
            )
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

    # run: Attention(d_model=12, n_heads=3)(x=[2, 5, 12]) -> silent

Vaswani et al. 2017, Attention Is All You Need, section 3.2.2: head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Severity
from shapecheck.shapes.slices import is_projected
from shapecheck.shapes.trace import Trace

code, severity = "ATN005", Severity.WARNING


def check(trace: Trace) -> Iterator[Draft]:
    found = sorted(trace.sliced, key=lambda one: one.step.index)
    if not found or any(is_projected(owner, found[0].step.place) for owner in trace.owners()):
        return
    first, *others = found
    yield Draft(
        first.step.place,
        f"`{first.applied.name}` projects all {first.heads} slices of the input, each {first.applied.takes} wide, alike",
        outcome="silent: the heads share their weights, and each sees its slice of the features only",
        help="project the whole width, then split it into heads",
        related=tuple(
            (f"`{one.applied.name}` too", one.step.place) for one in others if one.step.place != first.step.place
        ),
        step=first.step.index,
        spoils=False,
        key="shared",
    )

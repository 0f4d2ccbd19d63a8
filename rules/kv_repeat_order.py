"""Keys and values are repeated in another order than the queries that share them.

With fewer heads of keys and values than of queries, several heads of queries in a row share one. `repeat_interleave` puts
the copies beside each other, k0 k0 k1 k1; `repeat` puts the whole behind itself, k0 k1 k0 k1. Shapes are the same. Where
keys go one way and values the other, or one path of a class groups what another one tiles, queries meet other heads than
they were trained with. A class that always repeats both alike only has an order of its own, and isn't reported.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads, n_kv_heads):
            super().__init__()
            assert d_model % n_heads == 0 and n_heads % n_kv_heads == 0
            self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, d_model // n_heads
            self.q = nn.Linear(d_model, n_heads * self.head_dim)
            self.kv = nn.Linear(d_model, 2 * n_kv_heads * self.head_dim)
            self.out_proj = nn.Linear(n_heads * self.head_dim, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q = self.q(x).view(b, t, self.n_heads, self.head_dim).transpose(1, 2)
            k, v = self.kv(x).view(b, t, 2, self.n_kv_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            k = k.repeat_interleave(self.n_heads // self.n_kv_heads, dim=1)
            v = v.repeat(1, self.n_heads // self.n_kv_heads, 1, 1)  # expect: ATN015
            weights = (q @ k.transpose(-2, -1) * self.head_dim**-0.5).softmax(dim=-1)
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, -1))

    # run: Attention(d_model=12, n_heads=6, n_kv_heads=2)(x=[2, 5, 12]) -> silent

Repeat each head by itself, as `enable_gqa=True` does:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads, n_kv_heads):
            super().__init__()
            assert d_model % n_heads == 0 and n_heads % n_kv_heads == 0
            self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, d_model // n_heads
            self.q = nn.Linear(d_model, n_heads * self.head_dim)
            self.kv = nn.Linear(d_model, 2 * n_kv_heads * self.head_dim)
            self.out_proj = nn.Linear(n_heads * self.head_dim, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q = self.q(x).view(b, t, self.n_heads, self.head_dim).transpose(1, 2)
            k, v = self.kv(x).view(b, t, 2, self.n_kv_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            k = k.repeat_interleave(self.n_heads // self.n_kv_heads, dim=1)
            v = v.repeat_interleave(self.n_heads // self.n_kv_heads, dim=1)
            weights = (q @ k.transpose(-2, -1) * self.head_dim**-0.5).softmax(dim=-1)
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, -1))

    # run: Attention(d_model=12, n_heads=6, n_kv_heads=2)(x=[2, 5, 12]) -> silent

Paper: https://arxiv.org/abs/2305.13245
PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.repeat_interleave.html
"""

import re
from collections.abc import Iterator

from shapecheck.rule import Draft, Rewrite, Severity
from shapecheck.shapes.copies import Copied, Order, Repeats
from shapecheck.shapes.trace import Place, Trace

code, severity = "ATN015", Severity.ERROR

_TILED = re.compile(r"(.+)\.(?:repeat|tile)\(([^()#]*)\)", re.DOTALL)


def check(trace: Trace) -> Iterator[Draft]:
    for one in trace.repeats:
        keys, values = one.keys, one.values
        if keys is None:
            continue
        repeated = f"the keys are repeated as {keys.order.told('k')}"
        both = [keys, values] if values is not None and _alike(trace, keys, values) else [keys]
        if values is not None and _alike(trace, keys, values) and keys.order is not values.order:
            tiled, other = (keys, values) if keys.order is Order.ALL else (values, keys)
            said = f"{repeated}, the values as {values.order.told('v')}"
            yield _draft(tiled, [tiled], said, "the weights of one head meet the values of another", other)
        elif one.grouped is not None and one.grouped is not keys.order:
            said = f"{repeated}, and meet groups of queries put together as {one.grouped.told('g')}"
            yield _draft(keys, both, said, "queries meet the keys of other groups")
        elif keys.order is Order.ALL and _is_met_otherwise(trace, one):
            said = f"{repeated}, where another path pairs the same queries with {Order.EACH.told('k')}"
            yield _draft(keys, both, said, "two paths make different things of the same weights")


def _alike(trace: Trace, one: Copied, other: Copied) -> bool:
    return trace.facts.same(one.of, other.of) and trace.facts.same(one.count, other.count)


def _is_met_otherwise(trace: Trace, one: Repeats) -> bool:
    """Whether the heads of the same layers are paired here in one way, and in the other on another path."""
    if one.pairing is not Order.ALL or one.source is None:
        return False
    others = (other for sibling in trace.siblings() for other in sibling.repeats)
    return any(other.source == one.source and other.pairing is Order.EACH for other in others)


def _draft(copied: Copied, wrong: list[Copied], said: str, outcome: str, other: Copied | None = None) -> Draft:
    tiled = copied.order is Order.ALL
    edits = [_interleaved(one) for one in wrong]
    made = tuple(edit for edit in edits if edit is not None)
    return Draft(
        copied.step.place,
        said,
        outcome=f"silent: {outcome}",
        help="`repeat_interleave` puts the copies of each head beside each other" if tiled else None,
        related=(("repeated in the other order here", other.step.place),) if other is not None else (),
        step=copied.step.index,
        spoils=False,
        fix=Rewrite("repeat each head by itself", made, safe=False) if made and len(made) == len(edits) else None,
    )


def _interleaved(copied: Copied) -> tuple[Place, str] | None:
    """`k.repeat(1, groups, 1, 1)` as `k.repeat_interleave(groups, dim=1)`."""
    written = _TILED.fullmatch(copied.step.place.code)
    if copied.order is not Order.ALL or written is None:
        return None
    tensor, sizes = written[1], [size.strip() for size in written[2].split(",")]
    repeated = [index for index, size in enumerate(sizes) if size != "1"]
    if len(repeated) != 1:
        return None
    return copied.step.place, f"{tensor}.repeat_interleave({sizes[repeated[0]]}, dim={repeated[0]})"

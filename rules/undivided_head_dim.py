"""Each head is as wide as the whole output, not a share of it.

With `num_heads` heads each head is `d_out // num_heads` wide, so that together they are `d_out`. Where every head gets
the whole `d_out`, the heads together are num_heads × d_out wide: 12 heads of 768 make [8, 1024, 9216] for [8, 1024, 768].
Reported where that is certain: something sized d_out receives num_heads × d_out, or d_out is guarded by num_heads and
then used whole, or heads as wide as their input are joined and never projected back, or a call passes such widths.

    class Attention(nn.Module):
        def __init__(self, d_in, d_out, num_heads):
            super().__init__()
            assert d_out % num_heads == 0
            self.num_heads = num_heads
            self.head_dim = d_out  # expect: ATN002
            self.qkv = nn.Linear(d_in, 3 * d_out)
            self.out_proj = nn.Linear(d_out, d_out)

        def forward(self, x):
            b, t, _ = x.shape
            q, k, v = (y.view(b, t, self.num_heads, self.head_dim).transpose(1, 2) for y in self.qkv(x).chunk(3, dim=-1))
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).flatten(2))

Divide:

    class Attention(nn.Module):
        def __init__(self, d_in, d_out, num_heads):
            super().__init__()
            assert d_out % num_heads == 0
            self.num_heads = num_heads
            self.head_dim = d_out // num_heads
            self.qkv = nn.Linear(d_in, 3 * d_out)
            self.out_proj = nn.Linear(d_out, d_out)

        def forward(self, x):
            b, t, _ = x.shape
            q, k, v = (y.view(b, t, self.num_heads, self.head_dim).transpose(1, 2) for y in self.qkv(x).chunk(3, dim=-1))
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).flatten(2))

Vaswani et al. 2017, Attention Is All You Need, section 3.2.2: d_k = d_v = d_model / h
"""

from collections.abc import Iterator, Mapping

from shapecheck.rule import Draft, Holds, Severity
from shapecheck.shapes.built import Construction
from shapecheck.shapes.details import Applied, Meeting, Reshape
from shapecheck.shapes.dim import Dim, Symbol
from shapecheck.shapes.joins import Fate, Join, settled_fate
from shapecheck.shapes.reshape import Verdict
from shapecheck.shapes.substitute import evaluate
from shapecheck.shapes.trace import Place, Step, Trace

code, severity, holds = "ATN002", Severity.ERROR, Holds.RAISING


def check(trace: Trace) -> Iterator[Draft]:
    for step in trace.steps:
        found = _undivided(trace, step)
        if found is not None:
            yield _draft(trace, step, *found, "raises where the heads meet what is that wide")
    for join in trace.joins:
        if not join.heads.is_one and (_guarded_but_whole(trace, join) or _as_wide_as_input(trace, join)):
            together = trace.facts.resolve(join.heads * join.width)
            yield _draft(trace, join.step, join.heads, join.width, f"silent: the heads together are {together} wide")


def _undivided(trace: Trace, step: Step) -> tuple[Dim, Dim] | None:
    """Heads and width where something sized `width` meets heads × width."""
    same = trace.facts.same
    match step.detail:
        case Reshape(regrouping=regrouping, new=new, old=old) if regrouping.verdict is Verdict.UNEQUAL and old and new:
            heads, last = regrouping.left, new[-1]
            if heads is None or heads.value is not None or same(last, heads) or _is_share(trace, last, heads):
                return None
            packs = trace.facts.divide(old[-1].size, last)  # 3 where q, k and v are one layer's
            whole = packs is not None and packs.value is not None
            split = len(new) > len(old) and whole and any(same(size, heads) for size in new)
            merged = len(new) < len(old) and same(old[-1].size, last) and any(same(axis.size, heads) for axis in old)
            return (heads, last) if split or merged else None
        case Applied(clash=True, takes=Dim() as takes):
            return next(((join.heads, takes) for join in _whole_joins(trace) if same(join.width, takes)), None)
        case Meeting(left=left, right=right):
            return next(((join.heads, join.width) for join in _whole_joins(trace) if join.axis in (left, right)), None)
    return None


def _whole_joins(trace: Trace) -> Iterator[Join]:
    """Joins of heads whose width is no share of anything."""
    for join in trace.joins:
        if join.heads.value is None and not _is_share(trace, join.width, join.heads):
            yield join


def _is_share(trace: Trace, width: Dim, heads: Dim) -> bool:
    """Whether a width is a quotient by the number of heads."""
    quotient = trace.facts.resolve(width).function
    return quotient is not None and quotient.name == "//" and trace.facts.same(quotient.arguments[1], heads)


def _guarded_but_whole(trace: Trace, join: Join) -> bool:
    """Whether the width of each head is what was checked to divide among the heads."""
    same = trace.facts.same
    return any(same(n, join.width) and same(d, join.heads) for n, d in trace.facts.divisible)


def _as_wide_as_input(trace: Trace, join: Join) -> bool:
    """Whether heads as wide as the input are joined and handed out as they are."""
    if settled_fate(trace, join) not in (Fate.RETURNED, Fate.UNMIXED):
        return False
    taken = next(
        (step.detail.takes for step in trace.steps if isinstance(step.detail, Applied) and step.detail.takes), None
    )
    return taken is not None and trace.facts.same(taken, join.width)


def _draft(trace: Trace, step: Step, heads: Dim, width: Dim, outcome: str) -> Draft:
    width = trace.facts.resolve(width)
    return Draft(
        _place(trace, step, width, heads),
        f"each of {heads} heads is {width} wide: together {heads * width}, not {width}",
        outcome=outcome,
        help=f"`{width} // {heads}`",
        step=step.index,
        key=str(width),
    )


def _place(trace: Trace, step: Step, width: Dim, heads: Dim) -> Place:
    """Where the width of a head was written down in `__init__`; the step itself where that isn't clear."""
    sizes = [size for size in trace.sizes if trace.facts.same(size.dim, width)]
    built = [size for size in sizes if size.of is not None]
    splits = [
        other.place.code for other in trace.steps
        if isinstance(other.detail, Reshape) and any(trace.facts.same(size, heads) for size in other.detail.new)
    ]  # fmt: skip
    named = [size for size in sizes if size.of is None and any(f"self.{size.name}" in code for code in splits)]
    only = [size for size in sizes if size.of is None]
    chosen = named[:1] or (only if len(only) == 1 else []) or ([] if only else built[-1:])
    return chosen[0].place if chosen else step.place


def check_construction(construction: Construction) -> Iterator[Draft]:
    """A call that passes d_out == d_in for each of several heads which are joined and never brought back."""
    values = {argument.symbol: argument.value for argument in construction.arguments}
    for trace in construction.traces[:1]:
        for join in trace.joins:
            heads, width = _number(trace, join.heads, values), _number(trace, join.width, values)
            taken = next((step.detail.takes for step in trace.steps if isinstance(step.detail, Applied)), None)
            wide = None if taken is None else _number(trace, taken, values)
            if heads is None or width is None or heads < 2 or width != wide or _is_share(trace, join.width, join.heads):
                continue
            out = trace.shape(trace.returned[0]) if trace.returned else None
            last = out.at(-1) if out is not None else None
            if last is None or _number(trace, last.size, values) != heads * width:
                continue
            symbol = trace.facts.resolve(join.width).symbol
            place = next((one.place for one in construction.arguments if one.symbol == symbol), construction.place)
            yield Draft(
                place,
                f"each of {heads} heads is {width} wide: together {heads * width}, and the input is {wide}",
                outcome=f"silent: the output is {heads * width} wide",
                help=f"`{width} // {heads}`",
                key=construction.place,
            )


def _number(trace: Trace, dim: Dim, values: Mapping[Symbol, int]) -> int | None:
    return evaluate(trace.facts.resolve(dim), values, lambda name, arguments: None)

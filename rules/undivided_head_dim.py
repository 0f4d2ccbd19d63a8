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

from collections.abc import Iterator

from shapecheck.rule import Draft, Holds, Severity
from shapecheck.shapes.attention import Fate, Join, settled_fate
from shapecheck.shapes.dim import Dim
from shapecheck.shapes.reshape import Verdict
from shapecheck.shapes.trace import Applied, Construction, Meeting, Place, Reshape, Step, Trace

code, severity, holds = "ATN002", Severity.ERROR, Holds.REACHING


def check(trace: Trace) -> Iterator[Draft]:
    for step in trace.steps:
        found = _undivided(trace, step)
        if found is not None:
            heads, width = found
            yield _draft(trace, step, heads, width, raises=True)
    for join in trace.joins:
        if _guarded_but_whole(trace, join) or _as_wide_as_input(trace, join):
            yield _draft(trace, join.step, join.heads, join.width, raises=False)


def _undivided(trace: Trace, step: Step) -> tuple[Dim, Dim] | None:
    """Heads and width where something sized `width` meets heads × width."""
    match step.detail:
        case Reshape(regrouping=regrouping, new=new, old=old) if regrouping.verdict is Verdict.UNEQUAL:
            heads = regrouping.left
            if heads is not None and len(new) > len(old) and any(trace.facts.same(size, heads) for size in new):
                last = new[-1]
                if heads.value is None and old and trace.facts.same(old[-1].size, last):
                    return heads, last
        case Applied(clash=True, ratio=Dim() as heads, takes=Dim() as takes, got=got) if heads.value is None and got is not None:
            for join in trace.joins:
                if trace.facts.same(join.heads, heads) and trace.facts.same(join.width, takes):
                    return heads, takes
        case Meeting(ratio=Dim() as heads, left=left, right=right) if heads.value is None:
            for join in trace.joins:
                if trace.facts.same(join.heads, heads) and join.axis in (left, right):
                    return heads, join.width
    return None


def _guarded_but_whole(trace: Trace, join: Join) -> bool:
    """Whether the width of each head is what was checked to divide among the heads."""
    facts = trace.facts
    return any(facts.same(n, join.width) and facts.same(d, join.heads) for n, d in facts.divisible)


def _as_wide_as_input(trace: Trace, join: Join) -> bool:
    """Whether heads as wide as the input are joined and never projected back."""
    if join.heads.is_one or settled_fate(trace, join) not in (Fate.RETURNED, Fate.UNMIXED):
        return False
    taken = [step.detail.takes for step in trace.steps if isinstance(step.detail, Applied) and step.detail.takes is not None]
    return any(trace.facts.same(width, join.width) for width in taken[:1])


def _draft(trace: Trace, step: Step, heads: Dim, width: Dim, *, raises: bool) -> Draft:
    together = heads * width
    return Draft(
        _place(trace, step, width),
        f"each of {heads} heads is {width} wide: together {together}, not {width}",
        outcome="raises where the heads meet something that is that wide" if raises else f"silent: the output is {together} wide",
        help=f"`{width} // {heads}`",
        step=step.index,
        key=width,
    )


def _place(trace: Trace, step: Step, width: Dim) -> Place:
    """Where the width was written down in `__init__`; the step itself where that isn't clear."""
    sizes = [size for size in trace.sizes if trace.facts.same(size.dim, width)]
    named = [size for size in sizes if f"self.{size.name}" in step.place.code or f".{size.name}" in step.place.code]
    built = [size for size in sizes if size.of is not None]
    for size in (*named, *built):
        return size.place
    return step.place


def check_construction(construction: Construction) -> Iterator[Draft]:
    """A call that passes d_out == d_in for each of several heads which are joined and never projected back."""
    values = {argument.symbol: argument.value for argument in construction.arguments}
    for trace in construction.traces[:1]:
        for join in trace.joins:
            if settled_fate(trace, join) not in (Fate.RETURNED, Fate.UNMIXED):
                continue
            heads, width = (_number(trace, dim, values) for dim in (join.heads, join.width))
            taken = next((step.detail.takes for step in trace.steps if isinstance(step.detail, Applied)), None)
            wide = None if taken is None else _number(trace, taken, values)
            symbol = trace.facts.resolve(join.width).symbol
            place = next((one.place for one in construction.arguments if one.symbol == symbol), construction.place)
            if heads is not None and heads > 1 and width is not None and width == wide:
                yield Draft(
                    place,
                    f"each of {heads} heads is {width} wide: together {heads * width}, and the input is {wide}",
                    outcome=f"silent: the output is {heads * width} wide",
                    help=f"`{width} // {heads}`",
                )


def _number(trace: Trace, dim: Dim, values: dict[object, int]) -> int | None:
    return trace.facts.resolve(dim).evaluate(values, lambda name, arguments: None)  # type: ignore[arg-type]

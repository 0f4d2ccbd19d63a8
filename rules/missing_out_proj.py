"""The heads are put together, and no output projection follows.

Multi-head attention ends in a linear layer over the joined heads: without it no head ever sees what another found.
The output has the right shape, so nothing else tells. What counts is what becomes of the joined heads, also in the
class that owns this one: a projection there is as good as one here. Attention cores that are given q, k and v, a single
head, and pooling by one query owe none.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            weights = (q @ k.transpose(-2, -1) * self.head_dim**-0.5).softmax(dim=-1)
            return (weights @ v).transpose(1, 2).reshape(b, t, d)  # expect: ATN001

Where such a layer is built and never applied, the finding stands on it. Build one and apply it:

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

Vaswani et al. 2017, Attention Is All You Need, section 3.2.2: MultiHead(Q, K, V) = Concat(head_1, …, head_h) W^O
"""

from collections.abc import Iterator
from functools import partial

from shapecheck.rule import Draft, Holds, Severity
from shapecheck.shapes.built import BuiltLayer
from shapecheck.shapes.details import Applied
from shapecheck.shapes.joins import Fate, Join, goes_unmixed, settled_fate
from shapecheck.shapes.trace import Trace

code, severity, holds = "ATN001", Severity.WARNING, Holds.EVERY


def check(trace: Trace) -> Iterator[Draft]:
    for join in trace.joins:
        shape = trace.shape(join.step.result)
        if join.heads.is_one or shape is None or (len(shape.entries) > 3 and join.axis != shape.at(-1)):
            continue  # channels of an image stand in front
        if settled_fate(trace, join) in (Fate.UNMIXED, Fate.RETURNED):
            unused = _unused(trace, join)
            place = join.step.place if unused is None else unused.place
            what = "no output projection follows" if unused is None else f"`{unused.name}` is built and never applied"
            yield Draft(
                place,
                f"{join.heads} heads of {join.width} are joined to {shape} and {what}",
                outcome="silent: no layer mixes the heads here",
                help="end with a linear layer over the joined heads"
                if unused is None
                else f"`self.{unused.name}(…)` on the joined heads",
                step=join.step.index,
                key=join.step.place,
                agrees=partial(goes_unmixed, place=join.step.place),
            )


def _unused(trace: Trace, join: Join) -> BuiltLayer | None:
    """A linear layer of the joined width that no step applies."""
    applied = {step.detail.name for step in trace.steps if isinstance(step.detail, Applied)}
    for layer in trace.layers:
        fits = layer.takes is not None and trace.facts.same(layer.takes, join.heads * join.width)
        if fits and layer.in_init and layer.name and layer.name not in applied:
            return layer
    return None

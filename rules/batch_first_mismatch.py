"""nn.MultiheadAttention is given the batch where it takes the tokens.

It is (tokens, batch, features) unless it is built with `batch_first=True`. Given the other layout it raises nothing: each
token attends to the same place of the other samples, and never to the tokens of its own. The missing keyword alone proves
nothing; what shows the layout is that a learnt token is put before the others along an axis, that places have learnt
values along it, that it is pooled, or that it is a convolution's space.

    class Classifier(nn.Module):
        def __init__(self, width, heads, tokens, classes):
            super().__init__()
            self.places = nn.Parameter(torch.zeros(1, tokens, width))
            self.attention = nn.MultiheadAttention(width, heads)
            self.head = nn.Linear(width, classes)

        def forward(self, x):
            x = x + self.places
            x = x + self.attention(x, x, x)[0]  # expect: ATN030
            return self.head(x.mean(dim=1))

    # run: Classifier(width=12, heads=3, tokens=5, classes=2)(x=[2, 5, 12]) -> silent

Say which axis is which where it is built:

    class Classifier(nn.Module):
        def __init__(self, width, heads, tokens, classes):
            super().__init__()
            self.places = nn.Parameter(torch.zeros(1, tokens, width))
            self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
            self.head = nn.Linear(width, classes)

        def forward(self, x):
            x = x + self.places
            x = x + self.attention(x, x, x)[0]
            return self.head(x.mean(dim=1))

    # run: Classifier(width=12, heads=3, tokens=5, classes=2)(x=[2, 5, 12]) -> silent

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Rewrite, Severity
from shapecheck.shapes.details import Applied
from shapecheck.shapes.layout import Sign, takes_for
from shapecheck.shapes.shape import Axis
from shapecheck.shapes.trace import Step, Trace

code, severity = "ATN030", Severity.WARNING


def check(trace: Trace) -> Iterator[Draft]:
    for step in trace.steps:
        match step.detail:
            case Applied(layer="MultiheadAttention", batch_first=bool(first)):
                yield from _judged(trace, step, first=first)


def _judged(trace: Trace, step: Step, *, first: bool) -> Iterator[Draft]:
    """Silent where nothing shows the layout, or something shows the other one."""
    shape = trace.shape(step.operands[0])
    axes = shape.axes if shape is not None else None
    if axes is None or len(axes) != 3:
        return
    over, beside = (axes[1], axes[0]) if first else (axes[0], axes[1])
    wrong = [sign for sign in trace.signs if sign.sure and _shows(trace, sign, over, beside)]
    if not wrong or any(_shows(trace, sign, beside, over) for sign in trace.signs):
        return
    caller = "" if step.frame == trace.symbol else f", as `{trace.symbol}` calls it"
    yield Draft(
        step.place,
        f"attends over axis {int(first)} of {shape}, which counts samples{caller}: {wrong[0].why}",
        outcome="silent: each token sees the other samples of the batch, and none of its own sequence",
        help="`batch_first=True` where it is built" if not first else None,
        related=(("the layout shows here", wrong[0].step.place),),
        step=step.index,
        spoils=False,
        fix=None if first else _told(trace, step),
    )


def _shows(trace: Trace, sign: Sign, samples: Axis, tokens: Axis) -> bool:
    if samples.ids & tokens.ids or sign.samples.ids & tokens.ids:
        return False
    return takes_for(samples, sign.samples, trace.facts) and takes_for(tokens, sign.tokens, trace.facts)


def _told(trace: Trace, step: Step) -> Rewrite | None:
    """`batch_first=True` where the layer is built."""
    assert isinstance(step.detail, Applied)
    name = step.detail.name
    built = [one for one in trace.layers if one.type == "MultiheadAttention" and one.name == name]
    text = built[0].place.code if len(built) == 1 else ""
    if not text.endswith(")") or "," not in text or "batch_first" in text or "#" in text:
        return None
    inside = text[:-1].rstrip().rstrip(",")
    return Rewrite("say that the batch is first", ((built[0].place, f"{inside}, batch_first=True)"),), safe=False)

"""Scores scaled by something else than the square root of head_dim.

Scaled by the model's width the softmax is too flat, by the length or the head count it depends on what it must not,
by the inverse (`/ head_dim ** -0.5`) it saturates, and `scaled_dot_product_attention` scales by itself. A division by
head_dim itself is muP's and is left alone.

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
            weights = (q @ k.transpose(-2, -1) / self.head_dim**-0.5).softmax(dim=-1)  # expect: ATN013
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

Divide by the square root, or multiply by its inverse:

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

Vaswani et al. 2017, Attention Is All You Need, section 3.2.1; Yang et al. 2022, Tensor Programs V (muP)
"""

from collections.abc import Iterator
from fractions import Fraction

from shapecheck.rule import Draft, Severity
from shapecheck.shapes.attention import Attention
from shapecheck.shapes.details import Scaled
from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.scale import Scale
from shapecheck.shapes.shape import Axis, Origin, is_heads
from shapecheck.shapes.trace import Place, Trace

code, severity = "ATN013", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for attention in trace.attentions:
        scale, width = attention.scale, attention.width
        if scale is None or not scale.known or not attention.scalings or (scale.learnt and not scale.normed):
            continue
        if attention.kernel and not scale.learnt:
            yield from _kernel(trace, attention, scale)
        elif (
            not attention.kernel
            and width is not None
            and all(factor.origin is Origin.LAYER for factor in width[0].factors)
        ):
            yield from _written_out(trace, attention, scale, width[0])


def _written_out(trace: Trace, attention: Attention, scale: Scale, width: Axis) -> Iterator[Draft]:
    powers = _powers(trace, scale)
    own = trace.facts.simplify(width.size)
    power = powers.pop(own, Fraction())
    if width.size.value is not None:
        return
    if not powers and power == Fraction(1, 2):
        yield _draft(
            trace, attention, f"multiplied by the square root of {own}, not divided by it", Severity.ERROR, own
        )
    elif scale.learnt:
        return
    elif not powers and power == -1 and len(attention.scalings) == 2:
        yield _draft(trace, attention, f"divided by the square root of {own} twice", Severity.ERROR, own)
    elif not power and len(powers) == 1:
        ((other, exponent),) = powers.items()
        if exponent == Fraction(1, 2) and trace.facts.kinds(other) <= {Kind.CONSTRUCTOR, Kind.CONFIG}:
            said = f"multiplied by the square root of {other}, not divided by one"
            yield _draft(trace, attention, said, Severity.ERROR, own)
        if exponent in (Fraction(-1, 2), Fraction(-1)) and _is_other(trace, attention, other, own):
            by = f"sqrt({other})" if exponent == Fraction(-1, 2) else f"{other}"
            yield _draft(trace, attention, f"divided by {by}, not by the square root of {own}", Severity.WARNING, own)


def _powers(trace: Trace, scale: Scale) -> dict[Dim, Fraction]:
    found: dict[Dim, Fraction] = {}
    for dim, power in scale.powers:
        size = trace.facts.simplify(dim)
        found[size] = found.get(size, Fraction()) + power
    return {size: power for size, power in found.items() if power}


def _is_other(trace: Trace, attention: Attention, other: Dim, own: Dim) -> bool:
    """Whether a size is surely not head_dim: a multiple of it, the length, or the head count."""
    if trace.facts.ratio(other, own) is not None:
        return True
    kinds = trace.facts.kinds(other)
    shapes = [trace.shape(operand) for operand in attention.scores.operands] if attention.scores is not None else []
    axes = [axis for shape in shapes if shape is not None for axis in shape.axes or ()]
    if kinds == {Kind.INPUT}:
        return any(trace.facts.same(axis.size, other) for axis in axes)
    return any(is_heads(axis) and trace.facts.same(axis.size, other) for axis in axes)


def _kernel(trace: Trace, attention: Attention, scale: Scale) -> Iterator[Draft]:
    """scaled_dot_product_attention divides by sqrt(head_dim) by itself."""
    shape = trace.shape(attention.softmax.operands[0])
    detail = attention.softmax.detail
    if shape is None or shape.at(-1) is None or getattr(detail, "scale", None) is not None:
        return
    own = trace.facts.simplify(shape.at(-1).size)  # type: ignore[union-attr]
    if _powers(trace, scale) == {own: Fraction(-1, 2)}:
        yield _draft(
            trace, attention, f"divided by the square root of {own} twice: the kernel does it too", Severity.ERROR, own
        )


def _place(trace: Trace, attention: Attention) -> Place:
    """The step that scales; where a function of many callers does it, the class's own line that says by what."""
    if attention.kernel:
        return attention.softmax.place
    step = attention.scalings[0]
    if step.frame in (trace.symbol, *trace.built) or not isinstance(step.detail, Scaled):
        return step.place
    stated = [scale.place for scale in trace.scales if scale.scale == step.detail.scale]
    return stated[-1] if stated else step.place


def _draft(trace: Trace, attention: Attention, what: str, severity: Severity, own: Dim) -> Draft:
    return Draft(
        _place(trace, attention),
        f"the scores are {what}",
        outcome="silent: the softmax is too sharp or too flat",
        help=f"multiply the scores by `{own} ** -0.5`"
        if not attention.kernel
        else "leave the scaling to the kernel, or pass `scale=1.0`",
        severity=severity,
        step=attention.softmax.index,
        spoils=False,
    )

"""What is said of a reshape is what torch does: axes regrouped or mixed, strides joined or not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="reshapes are compared with torch's own")

import torch

from shapecheck.shapes.details import Reshape
from shapecheck.shapes.dim import Dim, Kind, Symbol, product
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.reshape import Regrouping, Verdict, regroup
from shapecheck.shapes.shape import Axis, Factor, Origin
from shapecheck.shapes.substitute import evaluate
from shapecheck.shapes.trace import Trace
from snippets import trace_of

PRIMES = {"b": 2, "t": 3, "h": 5, "d": 7, "w": 11}
SYMBOLS = {
    "b": Symbol("b", Kind.INPUT),
    "t": Symbol("t", Kind.INPUT),
    "h": Symbol("h", Kind.CONSTRUCTOR),
    "d": Symbol("d", Kind.CONSTRUCTOR),
    "w": Symbol("w", Kind.CONFIG),
}
SIZES = {SYMBOLS[name]: size for name, size in PRIMES.items()}
ORIGINS = st.sampled_from([Origin.INPUT, Origin.LAYER, Origin.LIST, Origin.OTHER])
Words = list[str]  # a product of symbols


def dim(words: Sequence[str]) -> Dim:
    return product([Dim.of(int(word) if word.isdigit() else SYMBOLS[word]) for word in words])


def number(size: Dim) -> int:
    found = evaluate(size, SIZES, lambda name, arguments: None)
    assert found is not None
    return found


class Fresh:
    """Factors with identities of their own."""

    def __init__(self) -> None:
        self.numbers = count()

    def __call__(self, size: Dim, why: str) -> Factor:
        return Factor(size, (why, next(self.numbers)))


@st.composite
def groupings(draw: st.DrawFn, words: Sequence[str]) -> list[Words]:
    """The words in order, cut into axes; some of them empty, of size 1."""
    cuts = sorted(draw(st.lists(st.integers(0, len(words)), max_size=4)))
    return [list(words[start:end]) for start, end in zip([0, *cuts], [*cuts, len(words)], strict=True)]


@st.composite
def reshapes(draw: st.DrawFn) -> tuple[list[Axis], list[Dim], bool]:
    """Axes of some factors, each a product of symbols, sizes of as many elements, and whether the order is kept."""
    words = draw(st.permutations(sorted(PRIMES)))[: draw(st.integers(2, 5))]
    factors = [Factor(dim(group), index, draw(ORIGINS)) for index, group in enumerate(draw(groupings(words))) if group]
    old = [
        Axis(tuple(factors[int(index)] for index in group))
        for group in draw(groupings([str(i) for i in range(len(factors))]))
    ]
    target = words if draw(st.booleans()) else draw(st.permutations(words))
    return old, [dim(group) for group in draw(groupings(target))], target == words


def coordinates(old: Sequence[int], new: Sequence[int]) -> list[torch.Tensor]:
    """For each old axis, the place along it of every element of the reshaped tensor."""
    grid = torch.meshgrid(*(torch.arange(size) for size in old), indexing="ij") if old else ()
    return [places.reshape(tuple(new)) for places in grid]


def varies(places: torch.Tensor, axis: int) -> bool:
    """Whether the place changes along an axis of the reshaped tensor."""
    return bool((places != places.narrow(axis, 0, 1)).any())


def mixes(old: Sequence[int], new: Sequence[int]) -> bool:
    """Whether one step along a new axis means different steps along the old ones, depending on where one stands.

    Where axes are only grouped and split, each old place is a sum of what each new place contributes by itself.
    """
    for places in coordinates(old, new):
        alone = [
            places[tuple(slice(None) if other == axis else slice(0, 1) for other in range(places.ndim))]
            for axis in range(places.ndim)
        ]
        total = torch.zeros(tuple(new), dtype=torch.long)
        for one in alone:
            total = total + one
        if not torch.equal(total, places):
            return True
    return False


def test_mixing_is_told_from_grouping() -> None:
    assert not mixes([2, 3, 35], [2, 3, 5, 7])
    assert not mixes([2, 3, 5, 7], [6, 35])
    assert not mixes([6, 5], [2, 15])
    assert not mixes([2, 1, 3], [2, 3, 1])
    assert mixes([2, 5, 3, 7], [2, 3, 35])
    assert mixes([3, 5], [5, 3])


def regrouped(old: Sequence[Axis], new: Sequence[Dim], *, ordered: bool = True) -> tuple[Regrouping, Facts]:
    facts = Facts()
    return regroup(old, new, facts, Fresh(), ordered=ordered), facts


@given(reshapes())
def test_a_verdict_is_what_torch_does(reshape: tuple[list[Axis], list[Dim], bool]) -> None:
    old, new, kept = reshape
    found, facts = regrouped(old, new)
    event(found.verdict.value)
    assert not facts.bindings
    assert [facts.simplify(axis.size) for axis in found.axes] == new
    mixed = mixes([number(factor.size) for axis in old for factor in axis.factors], [number(size) for size in new])
    match found.verdict:
        case Verdict.REGROUPED:
            assert not mixed
        case Verdict.SCRAMBLED:
            assert mixed
            assert found.left is not None
            assert found.need is not None
    assert found.verdict is not Verdict.UNEQUAL
    if kept:
        assert found.verdict is Verdict.REGROUPED


@given(reshapes())
def test_a_factor_stands_where_torch_puts_it(reshape: tuple[list[Axis], list[Dim], bool]) -> None:
    old, new, _ = reshape
    found, _ = regrouped(old, new)
    if found.verdict is not Verdict.REGROUPED:
        return
    factors = [factor for axis in old for factor in axis.factors]
    places = coordinates([number(factor.size) for factor in factors], [number(size) for size in new])
    for factor, where in zip(factors, places, strict=True):
        holding = [
            any(factor.id in (one.id, one.whole) for one in axis.factors if not one.size.is_one) for axis in found.axes
        ]
        assert holding == [varies(where, axis) for axis in range(len(new))]


@given(reshapes())
def test_parts_are_numbered_in_order(reshape: tuple[list[Axis], list[Dim], bool]) -> None:
    old, new, _ = reshape
    found, _ = regrouped(old, new)
    whole = {factor.id: factor for axis in old for factor in axis.factors}
    for name, parts in found.splits:
        assert [part.part for part in parts] == [(index, len(parts)) for index in range(len(parts))]
        assert product([part.size for part in parts]) == whole[name].size
        assert {part.origin for part in parts} == {whole[name].origin}
    for axis in found.axes:
        assert all(factor.part is None or factor.part >= (0, 0) for factor in axis.factors)


@given(reshapes())
def test_what_has_no_order_is_never_scrambled(reshape: tuple[list[Axis], list[Dim], bool]) -> None:
    old, new, _ = reshape
    assert regrouped(old, new, ordered=False)[0].verdict is not Verdict.SCRAMBLED


def axes(text: str, origins: Sequence[Origin] = ()) -> list[Axis]:
    """`b t h*d` with an axis for each word and a factor for each axis."""
    return [
        Axis((Factor(dim(word.split("*")), index, origins[index] if origins else Origin.OTHER),))
        for index, word in enumerate(text.split())
    ]


HEADS = (Origin.INPUT, Origin.LAYER, Origin.INPUT, Origin.LAYER)


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("b t h*d", "b t h d", Verdict.REGROUPED),
        ("b t h d", "b t h*d", Verdict.REGROUPED),
        ("b t 3*h*d", "b t 3 h d", Verdict.REGROUPED),
        ("b h t d", "b*h t d", Verdict.REGROUPED),
        ("b t d", "b 1 t d", Verdict.REGROUPED),
        ("b h t d", "b t h*d", Verdict.SCRAMBLED),  # merged without a transpose
        ("b t h d", "b*h t d", Verdict.SCRAMBLED),  # folded into the batch without one
        ("b h t d", "b t h d", Verdict.SCRAMBLED),
        ("b t d", "b t h*d", Verdict.UNEQUAL),
        ("b t h*d", "b t d", Verdict.UNEQUAL),
    ],
)
def test_known_reshapes(old: str, new: str, verdict: Verdict) -> None:
    words = old.split()
    origins = [Origin.LAYER if set(word.split("*")) & {"h", "d"} else Origin.INPUT for word in words]
    assert regrouped(axes(old, origins), [dim(word.split("*")) for word in new.split()])[0].verdict is verdict


def test_the_split_straight_to_heads_is_scrambled() -> None:
    old = axes("b t h*d", (Origin.INPUT, Origin.INPUT, Origin.LAYER))
    assert regrouped(old, [dim(word) for word in "bhtd"])[0].verdict is Verdict.SCRAMBLED


def test_a_reshape_is_an_equation() -> None:
    width = Symbol("c", Kind.INPUT)
    found, facts = regrouped([*axes("b t"), Axis((Factor(Dim.of(width), 2),))], [dim(word) for word in "bthd"])
    assert found.verdict is Verdict.REGROUPED
    assert facts.resolve(Dim.of(width)) == dim("hd")


def test_an_axis_that_is_told_by_its_size_alone_is_as_wide_as_was_written() -> None:
    """`h * (w // h)` is less than w where h doesn't divide w."""
    written = dim("h") * (dim("w") // dim("h"))
    found, _ = regrouped(axes("t d"), [dim("b"), dim("td") // dim("bw"), written])
    assert found.verdict is Verdict.UNKNOWN
    assert found.axes[-1].size == written


# -- strides -------------------------------------------------------------------------------------------------------------
MOVES = ("transpose", "select", "chunk", "unsqueeze", "contiguous", "slice", "every other", "expand", "flatten")
EXACT = MOVES[:6]  # what is followed exactly: a view that torch refuses is reported


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[str], int, set[str]]:
    """Lines that move x about, the rank it has in the end, and which moves they are."""
    lines, used = ["x = x.contiguous()"], set()
    long = [True] * 4  # which axes are more than 1
    for move in draw(st.lists(st.sampled_from(MOVES), min_size=1, max_size=4)):
        axis, other = draw(st.integers(0, len(long) - 1)), draw(st.integers(0, len(long) - 1))
        colons = ":, " * axis
        match move:
            case "transpose":
                line = f"x = x.transpose({axis}, {other})"
                long[axis], long[other] = long[other], long[axis]
            case "select" if len(long) > 2:
                line = f"x = x.select({axis}, 0)"
                del long[axis]
            case "chunk" if long[axis]:
                line = f"x = x.chunk(2, dim={axis})[{draw(st.integers(0, 1))}]"
            case "unsqueeze":
                line = f"x = x.unsqueeze({axis})"
                long.insert(axis, False)
            case "slice" if long[axis]:
                line = f"x = x[{colons}1:]"
            case "every other":
                line = f"x = x[{colons}::2]"
            case "expand":
                line = f"x = x[None].expand(3, {', '.join(['-1'] * len(long))})"
                long.insert(0, True)
            case "flatten" if len(long) > 2 and axis < len(long) - 1:
                line = f"x = x.flatten({axis}, {axis + 1})"
                long[axis : axis + 2] = [long[axis] or long[axis + 1]]
            case _:
                line = "x = x.contiguous()"
        lines.append(line)
        used.add(move)
    return lines, len(long), used


def views(trace: Trace) -> list[Reshape]:
    return [step.detail for step in trace.steps if isinstance(step.detail, Reshape) and step.detail.what == "view"]


@given(chains(), st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_view_breaks_where_torch_says_so(chain: tuple[list[str], int, set[str]], data: st.DataObject) -> None:
    lines, rank, used = chain
    axis = data.draw(st.integers(0, rank - 2))
    lines = [*lines, f"return x.view(*x.shape[:{axis}], x.shape[{axis}] * x.shape[{axis + 1}], *x.shape[{axis + 2}:])"]
    source = "def snippet(x):\n" + "".join(f"    {line}\n" for line in ["b, h, t, d = x.shape", *lines])
    (view,) = views(trace_of(source))
    space: dict[str, object] = {}
    exec(source, space)
    run = space["snippet"]
    assert callable(run)
    try:
        run(torch.empty(64, 128, 192, 256, device="meta"))  # halved four times, none of them is 1
        raises = False
    except RuntimeError as error:
        raises = "view size is not compatible" in str(error)
    event(f"{'raises' if raises else 'fits'}, {'reported' if view.joins_strides else 'silent'}")
    assert raises or not view.joins_strides, source
    if used <= set(EXACT) and view.regrouping.verdict is Verdict.REGROUPED:
        assert raises == view.joins_strides, source


def test_end_is_known_where_the_front_is_not() -> None:
    """`[b, t, h*d]` to [w, q, h, d] leaves h*d whole, whatever q is: torch keeps each run of h*d elements together."""
    facts, fresh = Facts(), Fresh()
    features = Factor(dim(["h", "d"]), "features", Origin.LAYER)
    old = [
        Axis((Factor(dim(["b"]), "b", Origin.INPUT),)),
        Axis((Factor(dim(["t"]), "t", Origin.INPUT),)),
        Axis((features,)),
    ]
    unknown = Dim.of(Symbol("q", Kind.UNKNOWN))
    found = regroup(old, [dim(["w"]), unknown, dim(["h"]), dim(["d"])], facts, fresh)
    assert found.verdict is Verdict.UNKNOWN
    heads, width = (axis.factors[0] for axis in found.axes[2:])
    assert (heads.size, heads.origin, heads.part, heads.whole) == (dim(["h"]), Origin.LAYER, (0, 2), "features")
    assert (width.size, width.part) == (dim(["d"]), (1, 2))

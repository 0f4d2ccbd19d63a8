"""Two readers of one annotation agree: what we say of a tensor is what jaxtyping says of it."""

from __future__ import annotations

import itertools
import random
from typing import Any

import jaxtyping
import pytest
import torch
from jaxtyping import Bool, Float, Float32, Int, Integer, Num, Shaped, jaxtyped
from torch import Tensor

from shapecheck.runtime.annotations import Array, wanted
from shapecheck.runtime.gate import pure
from shapecheck.runtime.matching import Binding
from shapecheck.shapes.annotation import BadAnnotation, axes

TRIPLES = 10_000
KINDS: list[Any] = [Float, Float32, Int, Integer, Num, Bool, Shaped]
WORDS = ["b", "t", "d", "h", "_", "_x", "3", "4", "1", "n=3", "#b", "#3", "#t", "b*t", "t+1", "d//2", "min(b,t)", "2*d"]
MANY = ["...", "*b", "*batch", "*#batch", "*_"]
DTYPES = [torch.float32, torch.float16, torch.int64, torch.int32, torch.bool, torch.bfloat16]
SIZES = [1, 1, 2, 3, 3, 4, 5, 6]


def annotation(draw: random.Random) -> Any:
    words = draw.choices(WORDS, k=draw.choice([0, 1, 1, 2, 2, 3, 3, 4]))
    if draw.random() < 0.3:
        words.insert(draw.randint(0, len(words)), draw.choice(MANY))
    return draw.choice(KINDS)[Tensor, " ".join(words)]


def value(draw: random.Random, fits: Any) -> Tensor:
    """A tensor whose rank is mostly the annotation's, so that sizes are what decides."""
    rank = len(fits.dim_str.split()) if draw.random() < 0.8 else draw.randint(0, 4)
    return torch.empty(draw.choices(SIZES, k=rank), dtype=draw.choice(DTYPES), device="meta")


def theirs(calls: list[tuple[Any, Tensor]]) -> list[bool | str]:
    """Verdicts of jaxtyping, one after the other in one context; a name that nothing bound ends it."""
    found: list[bool | str] = []
    with jaxtyped("context"):
        for asked, tensor in calls:
            try:
                found.append(isinstance(tensor, asked))
            except jaxtyping.AnnotationError:
                return [*found, "unbound"]
    return found


def ours(calls: list[tuple[Any, Tensor]]) -> list[bool | str]:
    found: list[bool | str] = []
    binding = Binding()
    for asked, tensor in calls:
        try:
            found.append(binding.match(wanted(asked), tensor, "x") is None)
        except BadAnnotation:
            return [*found, "unbound"]
    return found


def triples(count: int) -> list[list[tuple[Any, Tensor]]]:
    """Annotated tensors, up to four to a context so that names are met again."""
    draw = random.Random(7)
    found: list[list[tuple[Any, Tensor]]] = []
    while count > 0:
        asked = [annotation(draw) for _ in range(draw.randint(1, 4))]
        found.append([(one, value(draw, one)) for one in asked])
        count -= len(asked)
    return found


def test_verdicts_are_jaxtypings() -> None:
    contexts = triples(TRIPLES)
    verdicts = [(calls, theirs(calls), ours(calls)) for calls in contexts]
    different = [
        [(one.dim_str, one.dtypes, tuple(tensor.shape), tensor.dtype) for one, tensor in calls]
        for calls, their, our in verdicts
        if their != our
    ]
    assert not different
    seen = list(itertools.chain.from_iterable(their for _, their, _ in verdicts))
    assert min(seen.count(True), seen.count(False)) > TRIPLES / 10  # neither answer is the easy one


def test_the_generated_comparisons_say_the_same() -> None:
    """What runs under torch.compile: one function for all the annotations of a context."""
    checked = 0
    for calls in triples(TRIPLES):
        asked = {f"x{index}": wanted(one) for index, (one, _) in enumerate(calls)}
        generated = pure("f", list(asked), {name: one for name, one in asked.items() if one is not None}, ())
        if not generated.whole:
            continue
        their = theirs(calls)
        if "unbound" in their:
            continue
        try:
            generated.before(*(tensor for _, tensor in calls))
            our = True
        except ValueError:
            our = False
        assert our == all(their), [(one.dim_str, tuple(tensor.shape)) for one, tensor in calls]
        checked += 1
    assert checked > 1_000


@pytest.mark.parametrize("text", ["b, t", "b t#", "**b", "##b", "#_", "*3", "_3", "...b", "*a *b", "*b+1", "?b"])
def test_what_is_no_annotation(text: str) -> None:
    with pytest.raises(BadAnnotation):
        axes(text)
    if text != "?b":  # of a PyTree, which has no meaning for us
        with pytest.raises(ValueError):
            Float[Tensor, text]


@pytest.mark.parametrize("text", ["b (t d)", "b h*", "b {self.h", "b t+"])
def test_what_can_never_be_worked_out(text: str) -> None:
    """jaxtyping finds it in the first call; here it is told when the class is decorated."""
    with pytest.raises(BadAnnotation, match="is no axis; sums have no spaces in them"):
        axes(text)


def test_unions_tuples_and_lists() -> None:
    def verdict(annotation: Any, given: Any) -> bool:
        return Binding().match(wanted(annotation), given, "x") is None

    x, y = torch.empty(2, 3), torch.empty(3, 2)
    optional = Float[Tensor, "b t"] | None
    assert verdict(optional, None)
    assert verdict(optional, x)
    assert not verdict(optional, torch.empty(2))
    assert verdict(tuple[Float[Tensor, "b t"], Float[Tensor, "t b"]], (x, y))
    assert not verdict(tuple[Float[Tensor, "b t"], Float[Tensor, "t b"]], (x, x))
    assert verdict(list[Float[Tensor, "b t"]], [x, x])
    assert not verdict(list[Float[Tensor, "b t"]], [x, y])
    assert verdict(Float[Tensor, "b t"] | int, 3)
    assert wanted(Tensor) is None
    assert wanted(int | None) is None


def test_sizes_of_an_argument_in_braces() -> None:
    class Module:
        h = 4

    asked = wanted(Float[Tensor, "b {self.h}"])
    assert isinstance(asked, Array)
    assert Binding(arguments={"self": Module()}).match(asked, torch.empty(2, 4), "x") is None
    assert Binding(arguments={"self": Module()}).match(asked, torch.empty(2, 5), "x") is not None

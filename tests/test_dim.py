"""Sizes mean what their arithmetic says: both sides of every law are evaluated at 1, 2, 5, 10 and other numbers."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from itertools import product as combinations
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapecheck.shapes.dim import ONE, ZERO, Atom, Dim, Function, Kind, Symbol, common_factor, product
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.parse import parse_dim, parse_shape
from shapecheck.shapes.substitute import evaluate, rebuild, replace

Sizes = Mapping[Symbol, int]
KINDS = {"b": Kind.INPUT, "t": Kind.INPUT, "d": Kind.CONSTRUCTOR, "h": Kind.CONFIG, "w": Kind.OPAQUE}
SYMBOLS = [Symbol(name, kind) for name, kind in KINDS.items()]
B, T, D, H, W = (Dim.of(symbol) for symbol in SYMBOLS)
EVERY_SIZE = [dict(zip(SYMBOLS, sizes, strict=True)) for sizes in combinations((1, 2, 5, 10), repeat=len(SYMBOLS))]
SOME_SIZES = [
    *EVERY_SIZE[::37],
    dict(zip(SYMBOLS, (2, 3, 12, 4, 7), strict=True)),
    dict(zip(SYMBOLS, (1, 6, 64, 8, 30), strict=True)),
]


def functions(name: str, arguments: list[int]) -> int | None:
    """The one named function of these tests, and none besides."""
    return -(-arguments[0] // arguments[1]) if name == "ceil" and arguments[1] else None


def at(dim: Dim, sizes: Sizes) -> int | None:
    return evaluate(dim, sizes, functions)


@dataclass(frozen=True)
class Both:
    """A size, and the number that Python makes of the same expression; None where that divides by zero."""

    dim: Dim
    number: Callable[[Sizes], int | None]


def _leaf(value: int | Symbol) -> Both:
    return Both(Dim.of(value), lambda sizes: value if isinstance(value, int) else sizes[value])


_PYTHON: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "ceil": lambda a, b: -(-a // b),
}


def _joined(left: Both, name: str, right: Both) -> Both:
    a, b = left.dim, right.dim
    match name:
        case "+":
            dim = a + b
        case "-":
            dim = a - b
        case "*":
            dim = a * b
        case "//":
            dim = a // b if b.terms else a
        case "%":
            dim = a % b if b.terms else a
        case _:
            dim = rebuild(name, (a, b))

    def number(sizes: Sizes) -> int | None:
        x, y = left.number(sizes), right.number(sizes)
        if x is None or y is None or (not y and name in ("//", "%", "ceil")):
            return None
        return _PYTHON[name](x, y)

    return Both(dim, number)


LEAVES = st.one_of(st.sampled_from(SYMBOLS), st.integers(-3, 12)).map(_leaf)
BOTHS = st.recursive(
    LEAVES, lambda inner: st.builds(_joined, inner, st.sampled_from(list(_PYTHON)), inner), max_leaves=6
)
POLYNOMIALS = st.recursive(
    LEAVES, lambda inner: st.builds(_joined, inner, st.sampled_from(["+", "-", "*"]), inner), max_leaves=5
).map(lambda both: both.dim)
MONOMIALS = st.lists(st.sampled_from([B, T, D, H, W, Dim.of(2), Dim.of(3)]), max_size=4).map(product)
DIMS = BOTHS.map(lambda both: both.dim)
SIZES = st.fixed_dictionaries({symbol: st.sampled_from([1, 2, 3, 5, 7, 8, 10, 12, 64]) for symbol in SYMBOLS})


@given(BOTHS)
def test_a_size_is_the_number_that_python_makes_of_it(both: Both) -> None:
    for sizes in SOME_SIZES:
        if (number := both.number(sizes)) is not None:
            assert at(both.dim, sizes) == number


@given(DIMS, DIMS, DIMS)
def test_addition_and_multiplication_are_a_ring(a: Dim, b: Dim, c: Dim) -> None:
    assert a + b == b + a
    assert a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a - a == ZERO
    assert ZERO - a == -a
    assert -a + a == ZERO
    assert a * ONE == a == a + ZERO
    assert a**3 == a * a * a


@given(DIMS, DIMS)
def test_equal_sizes_have_one_hash_however_they_were_made(a: Dim, b: Dim) -> None:
    there_and_back = a + b - b
    assert there_and_back == a
    assert hash(there_and_back) == hash(a)
    assert hash(a * b) == hash(b * a)
    assert (a == b) == (not (a - b).terms)


@given(POLYNOMIALS, POLYNOMIALS)
def test_two_polynomials_are_equal_iff_they_are_at_every_size(a: Dim, b: Dim) -> None:
    """Below degree four in each symbol, four sizes of each tell any two apart."""
    low = all(power < 4 for dim in (a, b) for monomial, _ in dim.terms.values() for _, power in monomial)
    if low and a != b:
        assert any(at(a, sizes) != at(b, sizes) for sizes in EVERY_SIZE)


@given(DIMS)
def test_what_is_printed_parses_back(dim: Dim) -> None:
    assert parse_dim(str(dim)) == dim


@given(st.lists(DIMS, max_size=4))
def test_a_printed_shape_parses_back(dims: list[Dim]) -> None:
    assert parse_shape(f"[{', '.join(map(str, dims))}]") == tuple(dims)


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (Dim.of(3) * D, "3*d"),
        (H * D, "h*d"),
        (D * H, "d*h"),
        (D * H - H * D, "0"),
        (D // H, "d//h"),
        (-(D // H), "-(d//h)"),
        (T - D // H, "t-d//h"),
        (Dim.of(2) * (D // H), "2*(d//h)"),
        ((D // H) * (D // H), "(d//h)**2"),
        ((D + ONE) // (H * B), "(d+1)//(h*b)"),
        (D % H // T, "(d%h)//t"),
        (-D // H, "(-d)//h"),
        (Dim.of(Function("ceil", (T, Dim.of(2)))), "ceil(t, 2)"),
        (Dim.of(Symbol("lost", Kind.UNKNOWN)), "?"),
        (B - ONE, "b-1"),
        (-B + ONE, "-b+1"),
    ],
)
def test_sizes_print_as_the_source_writes_them(dim: Dim, text: str) -> None:
    assert str(dim) == text


@pytest.mark.parametrize("text", ["", "d +", "d / h", "'d'", "d.h", "f(x=1)", "1.5", "d if h else t", "True"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        parse_dim(text)


@pytest.mark.parametrize("text", ["", "b, t", "[b, t", "[b, t]]", "[b", "[b for b in t]", "[b][t]", "[d / h]"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no (shape|size)"):
        parse_shape(text)


@given(DIMS)
def test_sizes_survive_a_pickle(dim: Dim) -> None:
    again = pickle.loads(pickle.dumps(dim))
    assert again == dim
    assert hash(again) == hash(dim)
    assert str(again) == str(dim)


@given(DIMS, DIMS)
def test_an_exact_quotient_times_its_divisor_is_the_dividend(a: Dim, b: Dim) -> None:
    quotient = a.exact_quotient(b)
    if quotient is not None:
        assert quotient * b == a


@given(POLYNOMIALS, POLYNOMIALS)
def test_a_product_divided_by_one_of_its_factors_is_the_other(a: Dim, b: Dim) -> None:
    if b.terms and len(a.terms) < 8:
        assert (a * b).exact_quotient(b) == a
        assert (a * b) // b == a
        assert (a * b) % b == ZERO


@given(BOTHS, BOTHS)
def test_a_division_and_its_remainder_make_the_dividend(a: Both, b: Both) -> None:
    if not b.dim.terms:
        return
    again = (a.dim // b.dim) * b.dim + a.dim % b.dim
    for sizes in SOME_SIZES:
        if a.number(sizes) is not None and b.number(sizes):
            assert at(again, sizes) == a.number(sizes)


@pytest.mark.parametrize("dim", [B, ONE, ZERO, D // H])
def test_nothing_is_divided_by_zero(dim: Dim) -> None:
    with pytest.raises(ZeroDivisionError):
        _ = dim // ZERO
    with pytest.raises(ZeroDivisionError):
        _ = dim % ZERO
    assert dim.exact_quotient(ZERO) is None
    assert at(Dim.of(Function("//", (dim, ZERO))), SOME_SIZES[0]) is None


@given(st.integers(-20, 20))
def test_a_number_is_its_own_value(number: int) -> None:
    dim = Dim.of(number)
    assert dim.value == number
    assert dim.is_one == (number == 1)
    assert dim.symbol is None
    assert dim.function is None


@given(DIMS)
def test_reading_a_size_agrees_with_building_it(dim: Dim) -> None:
    if dim.value is not None:
        assert Dim.of(dim.value) == dim
    if dim.symbol is not None:
        assert Dim.of(dim.symbol) == dim
    if dim.function is not None:
        assert Dim.of(dim.function) == dim
    assert dim.symbols() <= set(SYMBOLS)
    assert dim.known


def test_two_symbols_of_one_name_are_two() -> None:
    one, other = Dim.of(Symbol("t", Kind.INPUT, ("x", 1))), Dim.of(Symbol("t", Kind.INPUT, ("y", 1)))
    assert one != other
    assert str(one) == str(other) == "t"
    assert (one - other).terms
    assert not Dim.of(Symbol("?", Kind.UNKNOWN)).known


@given(DIMS, DIMS)
def test_the_common_factor_divides_both(a: Dim, b: Dim) -> None:
    factor = common_factor(a, b)
    for dim in (a, b):
        assert not factor or dim.exact_quotient(Dim.of(factor)) is not None


@given(st.lists(MONOMIALS, max_size=4), SIZES)
def test_a_product_is_a_product(dims: list[Dim], sizes: Sizes) -> None:
    numbers = [at(dim, sizes) for dim in dims]
    assert at(product(dims), sizes) == prod(number for number in numbers if number is not None)


# -- putting in what is known --------------------------------------------------------------------------------------------
@given(DIMS, st.sampled_from(SYMBOLS), POLYNOMIALS, SIZES)
def test_a_symbol_is_replaced_everywhere(dim: Dim, symbol: Symbol, new: Dim, sizes: Sizes) -> None:
    def change(atom: Atom) -> Dim | None:
        return new if atom == symbol else None

    number = at(new, sizes)
    assert number is not None
    expected = at(dim, {**sizes, symbol: number})
    replaced = replace(dim, change)
    if expected is not None:
        assert at(replaced, sizes) == expected
    if symbol not in new.symbols():
        assert symbol not in replaced.symbols()
    if symbol not in dim.symbols():
        assert replaced is dim


def _bound(facts: Facts, sizes: Sizes) -> Sizes | None:
    """Sizes at which every binding holds, the free symbols as given; None where one of them isn't positive."""
    found = dict(sizes)
    for symbol in facts.bindings:
        number = at(facts.resolve(Dim.of(symbol)), sizes)
        if number is None or number < 1:
            return None
        found[symbol] = number
    return found


BINDINGS = st.lists(st.tuples(st.sampled_from(SYMBOLS), POLYNOMIALS), max_size=6)


@given(BINDINGS, DIMS, SIZES)
def test_resolving_is_sound(bindings: list[tuple[Symbol, Dim]], dim: Dim, sizes: Sizes) -> None:
    facts = Facts()
    for symbol, value in bindings:
        taken = facts.bind(symbol, value)
        if taken:
            assert facts.resolve(Dim.of(symbol)) == facts.resolve(value)
    resolved = facts.resolve(dim)
    assert resolved.symbols().isdisjoint(facts.bindings)
    assert facts.resolve(resolved) == resolved
    holding = _bound(facts, sizes)
    if holding is not None and (number := at(dim, holding)) is not None:
        assert at(resolved, holding) == number


@given(st.lists(st.tuples(POLYNOMIALS, POLYNOMIALS), max_size=4), SIZES)
def test_what_was_equated_is_equal(pairs: list[tuple[Dim, Dim]], sizes: Sizes) -> None:
    facts = Facts()
    learnt = [(a, b) for a, b in pairs if facts.equate(a, b)]
    holding = _bound(facts, sizes)
    for a, b in learnt:
        assert facts.same(a, b)
        if holding is not None:
            assert at(a, holding) == at(b, holding)


def test_a_long_chain_of_bindings_is_followed_to_its_end() -> None:
    facts = Facts()
    chain = [Symbol(f"s{index}") for index in range(12)]
    for one, other in pairwise(chain):
        assert facts.bind(one, Dim.of(other))
    assert facts.resolve(Dim.of(chain[0])) == Dim.of(chain[-1])


def test_no_symbol_is_bound_to_what_holds_it() -> None:
    facts = Facts()
    assert facts.bind(SYMBOLS[0], T * D)
    assert not facts.bind(SYMBOLS[1], B + ONE)
    assert not facts.bind(SYMBOLS[0], H)
    assert facts.resolve(B) == T * D


def test_a_name_of_the_source_is_the_same_symbol() -> None:
    facts = Facts(names={SYMBOLS[1]: "seq_len"})
    assert str(facts.resolve(T * D)) == "seq_len*d"
    assert facts.resolve(T * D) == T * D


# -- divisions that come out even ----------------------------------------------------------------------------------------
def _even(dim: Dim, sizes: Sizes) -> bool:
    """Whether every `//` inside comes out even, and nothing is divided by zero."""
    for atom in dim.atoms():
        if isinstance(atom, Function):
            if not all(_even(argument, sizes) for argument in atom.arguments):
                return False
            if at(Dim.of(atom), sizes) is None or (
                atom.name == "//" and at(Dim.of(Function("%", atom.arguments)), sizes)
            ):
                return False
    return True


QUOTIENTS = st.one_of(
    st.tuples(MONOMIALS, MONOMIALS).map(lambda pair: pair[0] // pair[1]),
    st.tuples(MONOMIALS, MONOMIALS, MONOMIALS).map(lambda three: three[0] * (three[1] // three[2])),
    st.tuples(MONOMIALS, MONOMIALS).map(lambda pair: pair[0] * (pair[1] // pair[0])),
    MONOMIALS,
    DIMS,
)
EVEN_SIZES = st.fixed_dictionaries({symbol: st.sampled_from([1, 2, 4, 8, 24, 48]) for symbol in SYMBOLS})


@given(QUOTIENTS, EVEN_SIZES)
def test_simplified_is_equal_where_divisions_come_out_even(dim: Dim, sizes: Sizes) -> None:
    if _even(dim, sizes):
        assert at(Facts().simplify(dim), sizes) == at(dim, sizes)


def test_heads_times_their_width_is_the_whole() -> None:
    facts = Facts()
    assert facts.simplify(H * (D // H)) == D
    assert H * (D // H) != D
    assert facts.simplify(T * H * (D // H) * (B // H)) == T * D * (B // H)
    assert facts.divide(D, D // H) == H
    assert facts.divide(T * D, H) is None


@given(QUOTIENTS, QUOTIENTS, st.lists(st.tuples(MONOMIALS, MONOMIALS), max_size=2), EVEN_SIZES)
def test_a_known_division_comes_out_so(a: Dim, b: Dim, written: list[tuple[Dim, Dim]], sizes: Sizes) -> None:
    facts = Facts(quotients={(n, d): n // d for n, d in written})
    quotient, ratio = facts.divide(a, b), facts.ratio(a, b)
    if not all(_even(dim, sizes) for dim in (a, b, *facts.quotients.values())):
        return
    x, y = at(a, sizes), at(b, sizes)
    assert x is not None
    assert y is not None
    if quotient is not None and _even(quotient, sizes):
        assert (at(quotient, sizes) or 0) * y == x
    if ratio is not None and _even(ratio, sizes):
        k = at(ratio, sizes)
        assert k is not None
        assert k * y == x or k * x == y


def test_a_ratio_is_more_than_one_for_all_users() -> None:
    facts = Facts()
    assert facts.ratio(Dim.of(3) * D, D) == Dim.of(3)
    assert facts.ratio(D, Dim.of(3) * D) == Dim.of(3)
    assert facts.ratio(H * D, D) == H
    assert facts.ratio(T * D, D) is None  # a sequence may be one long
    assert facts.ratio(D, D) is None
    assert facts.ratio(D, H) is None


@given(MONOMIALS, MONOMIALS, st.lists(st.tuples(MONOMIALS, MONOMIALS), max_size=3), EVEN_SIZES)
def test_a_division_owes_nothing_only_where_it_comes_out_even(
    a: Dim, b: Dim, divisible: list[tuple[Dim, Dim]], sizes: Sizes
) -> None:
    facts = Facts(divisible=set(divisible))
    if not facts.owes(a, b) and all(at(n % d, sizes) == 0 for n, d in divisible):
        assert at(a % b, sizes) == 0


def test_a_guard_discharges_what_follows_from_it() -> None:
    facts = Facts(divisible={(D, H * W)})
    assert not facts.owes(D, H)
    assert not facts.owes(T * D, W)
    assert not facts.owes(H * D, H)
    assert facts.owes(D, T)
    assert facts.owes(D + ONE, H)

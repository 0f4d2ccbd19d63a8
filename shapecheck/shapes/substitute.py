"""Dims with something put for their atoms: numbers (evaluate) or other Dims (replace)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shapecheck.shapes.dim import ZERO, Atom, Dim, Function, Symbol


def evaluate(dim: Dim, values: Mapping[Symbol, int], functions: Callable[[str, list[int]], int | None]) -> int | None:
    """The number of a Dim at these sizes, `//` and `%` as Python has them; None where a symbol has no value."""
    total = 0
    for monomial, coefficient in dim.terms.values():
        product = coefficient
        for atom, power in monomial:
            if isinstance(atom, Symbol):
                number = values.get(atom)
            else:
                arguments = [evaluate(argument, values, functions) for argument in atom.arguments]
                known = [argument for argument in arguments if argument is not None]
                if len(known) < len(arguments):
                    return None
                if atom.name in ("//", "%"):
                    if known[1] == 0:
                        return None
                    number = known[0] // known[1] if atom.name == "//" else known[0] % known[1]
                else:
                    number = functions(atom.name, known)
            if number is None:
                return None
            product *= number**power
        total += product
    return total


def replace(dim: Dim, change: Callable[[Atom], Dim | None]) -> Dim:
    """A Dim with every atom for which `change` gives a Dim replaced by it, arguments of functions first."""
    result = ZERO
    changed = False
    for key, (monomial, coefficient) in dim.terms.items():
        product = Dim.of(coefficient)
        fresh = False
        for atom, power in monomial:
            new = _replaced(atom, change)
            fresh |= new is not None
            base = new if new is not None else Dim.of(atom)
            product = product * (base if power == 1 else base**power)
        changed |= fresh
        result = result + (product if fresh else Dim({key: (monomial, coefficient)}))
    return result if changed else dim


def _replaced(atom: Atom, change: Callable[[Atom], Dim | None]) -> Dim | None:
    if isinstance(atom, Symbol):
        return change(atom)
    arguments = tuple(replace(argument, change) for argument in atom.arguments)
    if all(new is old for new, old in zip(arguments, atom.arguments, strict=True)):
        return change(atom)
    rebuilt = rebuild(atom.name, arguments)
    function = rebuilt.function
    new = change(function) if function is not None else None
    return new if new is not None else rebuilt


def rebuild(name: str, arguments: tuple[Dim, ...]) -> Dim:
    """The value of a function of these arguments, carried out where it comes out even."""
    if name in ("//", "%") and arguments[1].terms:
        return arguments[0] // arguments[1] if name == "//" else arguments[0] % arguments[1]
    return Dim.of(Function(name, arguments))


def substituted(dim: Dim, sizes: Mapping[Symbol, Dim]) -> Dim:
    """The size with some symbols put in."""
    return replace(dim, lambda atom: sizes.get(atom) if isinstance(atom, Symbol) else None)

"""Scale: what something was multiplied by, a number times sizes to powers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from shapecheck.shapes.dim import Dim


@dataclass(frozen=True, slots=True)
class Scale:
    """What something was multiplied by: a number times sizes to powers.

    `known` is False once something unknown went in, `learnt` is True where a parameter, or a float that the caller
    chooses, did: then nothing can be said against it. `normed` is True where all that is learnt are the gains of norms,
    which leave features about as large as a layer does.
    """

    coefficient: float = 1.0
    powers: tuple[tuple[Dim, Fraction], ...] = ()
    known: bool = True
    learnt: bool = False
    normed: bool = False

    def __mul__(self, other: Scale) -> Scale:
        powers = dict(self.powers)
        for dim, power in other.powers:
            powers[dim] = powers.get(dim, Fraction()) + power
        return Scale(
            self.coefficient * other.coefficient,
            tuple((dim, power) for dim, power in powers.items() if power),
            self.known and other.known,
            self.learnt or other.learnt,
            all(one.normed or not one.learnt for one in (self, other)) and (self.learnt or other.learnt),
        )

    def __pow__(self, exponent: Fraction) -> Scale:
        powers = tuple((dim, power * exponent) for dim, power in self.powers if exponent)
        try:
            coefficient = float(abs(self.coefficient) ** float(exponent))
        except (OverflowError, ZeroDivisionError):
            return Scale(known=False)
        return Scale(coefficient, powers, self.known, self.learnt, self.normed)

    def __str__(self) -> str:
        parts = [f"{self.coefficient:g}"] if self.coefficient != 1 or not self.powers else []
        for dim, power in self.powers:
            text = str(dim) if dim.symbol or dim.value else f"({dim})"
            parts.append(text if power == 1 else f"{text}**{float(power):g}")
        return " * ".join(parts)

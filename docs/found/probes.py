"""How far an output moves when something is changed that must not reach it, or must: what the scripts here measure.

    causal   the last token is changed: the outputs before it must not move
    batch    the other samples are changed: sample 0 must not move
    query    one query is changed: the outputs of the others must not move
    again    nothing is changed, in eval(): nothing moves

Numbers are printed as they are; whether one is a bug is said in ../found.md. A difference of some 1e-6 is rounding.
"""

from collections.abc import Callable
from importlib.metadata import version

import torch
from torch import Tensor


def begin(distribution: str) -> None:
    """Print what runs, and make the numbers repeatable."""
    print(f"{distribution} {version(distribution)}, torch {torch.__version__}")
    torch.manual_seed(0)


def moved(before: Tensor, after: Tensor) -> float:
    """The largest difference between two outputs of one shape."""
    return (before - after).abs().max().item()


def changed(x: Tensor, *place: slice | int) -> Tensor:
    """A copy of x with other random values at a place."""
    x = x.clone()
    x[place] = torch.randn_like(x[place])
    return x


def spread_out(module: torch.nn.Module, scale: float = 0.5) -> None:
    """Random weights of some size: the tiny ones of an initialisation hide a difference."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) * scale)


def raised(call: Callable[..., object], *args: object, **named: object) -> str:
    """What a call raises, in one line."""
    try:
        call(*args, **named)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what we came for)
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else '(no message)'}"
    return "nothing"

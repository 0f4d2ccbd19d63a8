"""Paths: each starts from what it shares with another, and leaves no mark on it."""

from pathlib import Path
from textwrap import dedent

from shapecheck.shapes.trace import Trace
from shapecheck.static.paths import Paths, Root
from shapecheck.static.project import File, Project
from shapecheck.static.values import Class

SOURCE = dedent("""\
    import torch
    from torch import nn


    class Joined(nn.Module):
        def __init__(self, dim):
            super().__init__()
            self.proj = nn.Linear(dim, dim)
            self.kept = []

        def forward(self, x, more=None, mask=None):
            b, t, d = x.shape
            parts = [self.proj(x)]
            if more is not None:
                parts.append(self.proj(more.view(b, t, d)))
                self.kept.append(more)
            else:
                parts = [part.transpose(1, 2) for part in parts]
            if mask is not None:
                parts.append(parts[0])
            y = torch.cat(parts, dim=1)
            return y
    """)


def paths() -> Paths:
    path = Path("/paths/joined.py")
    found = File(path, SOURCE, Project(path.parent)).find("Joined", 1 << 30)
    assert isinstance(found, Class)
    return Paths(Root(found))


def shape(trace: Trace) -> str:
    (result,) = trace.returned
    return str(trace.shape(result))


def test_every_path_has_the_lists_of_its_own() -> None:
    """A list that one path appended to is as it was when the next one begins."""
    found = paths().follow(100_000, every=True)
    assert found.left_out == 0
    assert {
        tuple(answer for told, answer in trace.decisions if told.endswith("is None")): shape(trace)
        for trace in found.traces
    } == {
        (True, True): "[b, dim, t]",
        (False, True): "[b, 2*t, dim]",
        (True, False): "[b, 2*dim, t]",
        (False, False): "[b, 3*t, dim]",
    }


def test_new_code_comes_first_and_the_rest_on_demand() -> None:
    """Two paths run every line; the other combinations are followed when they are asked for."""
    one = paths()
    first = one.follow(100_000)
    assert len(first.traces) == 3
    every = one.follow(100_000, every=True)
    assert every.traces[:3] == first.traces
    assert len(every.traces) == 4


def test_a_path_costs_what_it_does_not_share() -> None:
    """The default path is walked from the beginning, the others from where they leave it."""
    alone = paths()
    alone.follow(1, most_paths=1)
    together = paths()
    together.follow(100_000, every=True)
    assert together._work < 4 * alone._work

"""Names across files: what a package brings together from its own files, and what it only asks for."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from shapecheck.shapes.trace import Trace
from shapecheck.static.paths import Paths, Root
from shapecheck.static.project import File, Project
from shapecheck.static.values import Class


def traced(folder: Path, name: str, **files: str) -> tuple[Trace, ...]:
    """The paths of a class of main.py, among other files of its project."""
    for file, text in files.items():
        (folder / f"{file}.py").write_text(dedent(text), "utf-8")
    path = folder / "main.py"
    found = File(path, path.read_text("utf-8"), Project(folder)).find(name, 1 << 30)
    assert isinstance(found, Class)
    return Paths(Root(found)).follow(10_000).traces


def result(trace: Trace) -> str:
    (tensor,) = trace.returned
    return str(trace.shape(tensor))


def test_everything_imported_from_a_file(tmp_path: Path) -> None:
    """`from activations import *` brings in its public names, through another such import too, and none beside."""
    (trace,) = traced(
        tmp_path,
        "Wide",
        doubling="""
            import torch
            from torch import nn

            class Doubling(nn.Module):
                def forward(self, x):
                    return torch.cat([x, -x], dim=-1)

            class _Hidden(Doubling):
                pass
        """,
        activations="from doubling import *",
        main="""
            from torch import nn
            from activations import *

            class Wide(nn.Module):
                def __init__(self, dim):
                    super().__init__()
                    self.layer, self.act = nn.Linear(dim, dim), Doubling()

                def forward(self, x):
                    b, t, _ = x.shape
                    return self.act(self.layer(x))
        """,
    )
    assert result(trace) == "[b, t, 2*dim]"
    file = File(tmp_path / "main.py", (tmp_path / "main.py").read_text("utf-8"), Project(tmp_path))
    assert file.find("_Hidden", 1 << 30) is None


def test_a_package_that_is_asked_for_is_taken_not_to_be_there(tmp_path: Path) -> None:
    """First the path without it, then the one with it."""
    without, with_it = traced(
        tmp_path,
        "Norm",
        found="""
            import importlib.util

            _fast = importlib.util.find_spec("fast_norms") is not None

            def has_fast_norms():
                return _fast
        """,
        main="""
            from torch import nn
            from found import has_fast_norms

            class Norm(nn.Module):
                def __init__(self, dim):
                    super().__init__()
                    self.norm = nn.LayerNorm(dim)

                def forward(self, x):
                    b, t, _ = x.shape
                    if has_fast_norms():
                        import fast_norms
                        return fast_norms.norm(self.norm(x))
                    return self.norm(x)
        """,
    )
    assert result(without) == "[b, t, dim]"
    assert "[*" in result(with_it)


def test_a_table_of_activations_of_another_library(tmp_path: Path) -> None:
    """Whichever is taken, the shape stays."""
    (trace,) = traced(
        tmp_path,
        "Mlp",
        main="""
            from torch import nn
            from transformers.activations import ACT2FN

            class Mlp(nn.Module):
                def __init__(self, config):
                    super().__init__()
                    self.layer, self.act = nn.Linear(config.hidden_size, 7), ACT2FN[config.hidden_act]

                def forward(self, x):
                    b, t, _ = x.shape
                    return self.act(self.layer(x))
        """,
    )
    assert result(trace) == "[b, t, 7]"


def test_no_rank_is_taken_for_what_nothing_is_known_of(tmp_path: Path) -> None:
    """A reshape of what another library made says nothing of how many axes it had."""
    (trace,) = traced(
        tmp_path,
        "Turned",
        main="""
            from torch import nn
            from elsewhere import in_halves

            class Turned(nn.Module):
                def __init__(self, dim):
                    super().__init__()
                    self.layer = nn.Linear(dim, dim)

                def forward(self, x):
                    half = in_halves(self.layer(x))
                    turned = half.reshape(half.size(0), -1, half.size(2), 4, 2)
                    return half, turned[..., 0]
        """,
    )
    half, turned = (trace.shape(tensor) for tensor in trace.returned)
    assert half is not None and half.rank is None
    assert turned is not None and turned.rank == 4

"""Thirteen bugs in a correct attention, one by one, run for real: `python tests/bug_table.py` writes README's table.

Each is run with d_in ≠ d_out and with d_in = d_out: plain, under jaxtyping with beartype, and checked. What caught it in
ours is the annotation, the prediction that isn't met, torch's own error with our trace, or a rule of `verify`.
"""

from __future__ import annotations

import sys
import tempfile
import types
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from readme import replace_between
from shapecheck.runtime.errors import ShapeError
from shapecheck.runtime.predict import findings_in

CORRECT = """\
from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, d_in, d_out, num_heads):
        super().__init__()
        if d_out % num_heads:
            raise ValueError(f"d_out {d_out} is not divisible by num_heads {num_heads}")
        self.d_in, self.d_out, self.num_heads = d_in, d_out, num_heads
        self.head_dim = d_out // num_heads
        self.q_proj = nn.Linear(d_in, d_out)
        self.k_proj = nn.Linear(d_in, d_out)
        self.v_proj = nn.Linear(d_in, d_out)
        self.out_proj = nn.Linear(d_out, d_out)

    def forward(self, x: Float[Tensor, "b t d_in"]) -> Float[Tensor, "b t d_out"]:
        b, t, _ = x.shape
        q: Float[Tensor, "b num_heads t head_dim"] = self.q_proj(x).view(b, t, self.num_heads, self.head_dim).transpose(1, 2)
        k: Float[Tensor, "b num_heads t head_dim"] = self.k_proj(x).view(b, t, self.num_heads, self.head_dim).transpose(1, 2)
        v: Float[Tensor, "b num_heads t head_dim"] = self.v_proj(x).view(b, t, self.num_heads, self.head_dim).transpose(1, 2)
        scores: Float[Tensor, "b num_heads t t"] = q @ k.transpose(-2, -1) / self.head_dim**0.5
        weights: Float[Tensor, "b num_heads t t"] = scores.softmax(dim=-1)
        context: Float[Tensor, "b t d_out"] = (weights @ v).transpose(1, 2).reshape(b, t, self.d_out)
        return self.out_proj(context)
"""
GUARD = """        if d_out % num_heads:
            raise ValueError(f"d_out {d_out} is not divisible by num_heads {num_heads}")
"""
HEADS = ".view(b, t, self.num_heads, self.head_dim).transpose(1, 2)"
STRAIGHT = ".view(b, self.num_heads, t, self.head_dim)"


@dataclass(frozen=True)
class Bug:
    """One change of the correct module; `sizes` where the bug is in how it is built."""

    what: str
    changes: tuple[tuple[str, str], ...]
    sizes: tuple[int, int, int] | None = None

    def text(self) -> str:
        text = CORRECT
        for old, new in self.changes:
            assert old in text, old
            text = text.replace(old, new)
        return text


BUGS = (
    Bug("the width of a head isn't divided", (("d_out // num_heads", "d_out"),)),
    Bug("queries and keys exchanged in the product", (("q @ k.transpose(-2, -1)", "k @ q.transpose(-2, -1)"),)),
    Bug("the queries' heads aren't transposed", ((f"q_proj(x){HEADS}", f"q_proj(x){HEADS[:-16]}"),)),
    Bug("the keys aren't transposed in the product", (("k.transpose(-2, -1)", "k"),)),
    Bug("the values' heads aren't transposed", ((f"v_proj(x){HEADS}", f"v_proj(x){HEADS[:-16]}"),)),
    Bug("heads merged without transposing back", (("(weights @ v).transpose(1, 2)", "(weights @ v)"),)),
    Bug("heads split before the tokens", ((HEADS, STRAIGHT),)),
    Bug("scaled by the model's width", (("/ self.head_dim**0.5", "/ self.d_out**0.5"),)),
    Bug("softmax over the queries", (("softmax(dim=-1)", "softmax(dim=-2)"),)),
    Bug("no output projection", (("return self.out_proj(context)", "return context"),
                                 ("        self.out_proj = nn.Linear(d_out, d_out)\n", ""))),
    Bug("an output projection of another width", (("self.out_proj = nn.Linear(d_out, d_out)",
                                                   "self.out_proj = nn.Linear(d_out, 2 * d_out)"),)),
    Bug("sizes that don't divide, and no guard", ((GUARD, ""), (HEADS, ".view(b, -1, self.num_heads, self.head_dim).transpose(1, 2)"),
                                                  (".reshape(b, t, self.d_out)", ".reshape(b, t, -1)")), (22, 22, 4)),
    Bug("`.T` for a transpose of two axes", (("k.transpose(-2, -1)", "k.T"),)),
)  # fmt: skip
TABLE = "| bug | d_in, d_out, heads | plain torch | jaxtyping + beartype | `checked` | caught by |"
HARMLESS = "nothing: with one input it is the same module under other names"
TOKENS = 10  # 10 × 22 is 11 × 20: heads of 5 leave 2 of 22 over, and the view makes an eleventh token of them
WIDTHS = ((16, 24, 4), (24, 24, 4))


@dataclass(frozen=True)
class Row:
    bug: Bug
    sizes: tuple[int, int, int]
    plain: str
    jaxtyped: str
    ours: str
    caught: tuple[str, ...]


def rows() -> list[Row]:
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index, bug in enumerate(BUGS):
            text = bug.text()
            for sizes in (bug.sizes,) if bug.sizes is not None else WIDTHS:
                found.append(_row(bug, sizes, text, Path(folder, f"bug_{index}_{sizes[0]}.py")))
    return found


def _row(bug: Bug, sizes: tuple[int, int, int], text: str, path: Path) -> Row:
    plain = _outcome(_class(text, path), sizes)
    hooked = text.replace("    def forward", "    @jaxtyped(typechecker=beartype)\n    def forward").replace(
        "from jaxtyping import Float", "from beartype import beartype\nfrom jaxtyping import Float, jaxtyped"
    )
    jaxtyped = _outcome(_class(hooked, path.with_stem(f"{path.stem}_jaxtyped")), sizes)
    decorated = text.replace("class Attention", "@checked(strict=True)\nclass Attention").replace(
        "from torch import Tensor, nn", "from shapecheck import checked\nfrom torch import Tensor, nn"
    )
    of = _class(decorated, path.with_stem(f"{path.stem}_checked"))
    error = _error(of, sizes)
    caught = []
    if isinstance(error, ShapeError):
        caught.append("prediction" if "was inferred from the source" in str(error) else f"annotation of `{error.name}`")
    caught += sorted({finding.code for finding in findings_in(of)})
    ours = "silent" if error is None else f"raises {type(error).__name__}"
    return Row(bug, sizes, plain, jaxtyped, ours, tuple(caught))


def _class(text: str, path: Path) -> Any:
    path.write_text(text, "utf-8")
    module = types.ModuleType(path.stem)
    sys.modules[path.stem] = module
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module.Attention


def _outcome(of: Any, sizes: tuple[int, int, int]) -> str:
    error = _error(of, sizes)
    return "silent" if error is None else f"raises {type(error).__name__}"


def _error(of: Any, sizes: tuple[int, int, int]) -> Exception | None:
    torch.manual_seed(0)
    try:
        of(*sizes)(torch.randn(2, TOKENS, sizes[0]))
    except Exception as error:  # noqa: BLE001 (whatever it raises is the answer)
        return error
    return None


def table() -> str:
    """A line for each bug, or two where the widths make a difference."""
    lines: dict[str, list[str]] = {}
    for row in rows():
        cells = f"{row.plain} | {row.jaxtyped} | {row.ours} | {', '.join(row.caught) or HARMLESS}"
        lines.setdefault(f"{row.bug.what} | {{sizes}} | {cells}", []).append(", ".join(map(str, row.sizes)))
    body = [f"| {line.format(sizes=' and '.join(sizes))} |" for line, sizes in lines.items()]
    return "\n".join([TABLE, "|--|--|--|--|--|--|", *body])


if __name__ == "__main__":
    replace_between("bugs", table())

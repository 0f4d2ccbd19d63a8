"""Six bugs, one at a time, in a correct multi-head attention written in five styles: each is found, where it is.

An edit carries its own expectation, as a fixture does. All thirty exist: only `merge without transpose` needs another
spelling where there is no transpose to forget (einops names its axes, a ModuleList joins by cat).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixture_harness import FIXTURES, differences, lint, read

STYLES = ("fused", "separate", "einops", "helpers", "heads")


@dataclass(frozen=True)
class Bug:
    """A bug put into a style: (old, new) texts, the error torch raises (None: silent), how to run it if not as before."""

    name: str
    style: str
    edits: tuple[tuple[str, str], ...]
    raises: str | None = None
    call: str | None = None

    def applied_to(self, text: str) -> str:
        for old, new in self.edits:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {self.style}.py"
            text = text.replace(old, new)
        return text

    def __str__(self) -> str:
        return f"{self.style}: {self.name}"


BUGS = (
    Bug(
        "no projection",
        "fused",
        (
            ("        self.proj = nn.Linear(dim, dim)\n", ""),
            ("reshape(b, n, c)\n        y = self.proj(y)\n", "reshape(b, n, c)  # expect: ATN001\n"),
        ),
    ),
    Bug(
        "no projection",
        "separate",
        (
            ("        self.out_proj = nn.Linear(d_out, d_out)\n", ""),
            ("self.d_out)\n        context = self.out_proj(context)\n", "self.d_out)  # expect: ATN001\n"),
        ),
    ),
    Bug(
        "no projection",
        "einops",
        (
            ("        self.to_out = nn.Linear(dim, dim)\n", ""),
            ('-> b n (h d)")\n        out = self.to_out(out)\n', '-> b n (h d)")  # expect: ATN001\n'),
        ),
    ),
    Bug(
        "no projection",
        "helpers",
        (
            ("        self.out_proj = nn.Linear(embed_dim, embed_dim)\n", ""),
            ("self.embed_dim)\n\n    def attend", "self.embed_dim)  # expect: ATN001\n\n    def attend"),
            ("return self.out_proj(merged)", "return merged"),
        ),
    ),
    Bug(
        "no projection",
        "heads",
        (
            ("        self.mix = nn.Linear(d_out, d_out)\n", ""),
            ("dim=-1)\n        out = self.mix(out)\n", "dim=-1)  # expect: ATN001\n"),
        ),
    ),
    Bug(
        "undivided d_out",
        "fused",
        (("self.head_dim = dim // num_heads\n", "self.head_dim = dim  # expect: ATN002\n"),),
        raises="is invalid for input of size",
    ),
    Bug(
        "undivided d_out",
        "separate",
        (("self.head_dim = d_out // num_heads\n", "self.head_dim = d_out  # expect: ATN002\n"),),
        raises="is invalid for input of size",
    ),
    Bug(
        "undivided d_out",
        "einops",
        (("self.dim_head = dim // heads\n", "self.dim_head = dim  # expect: ATN002\n"),),
        raises="Error while processing rearrange-reduction pattern",
    ),
    Bug(
        "undivided d_out",
        "helpers",
        (("self.head_dim = embed_dim // num_heads\n", "self.head_dim = embed_dim  # expect: ATN002\n"),),
        raises="is invalid for input of size",
    ),
    Bug(
        "undivided d_out",
        "heads",
        (
            ("        d_head = d_out // num_heads\n", ""),
            (
                "[Head(d_in, d_head, dropout) for _ in range(num_heads)])\n",
                "[Head(d_in, d_out, dropout) for _ in range(num_heads)])  # expect: ATN002\n",
            ),
        ),
        raises="mat1 and mat2 shapes cannot be multiplied",
    ),
    Bug(
        "no check",
        "fused",
        (
            (
                (
                    "        if dim % num_heads != 0:\n"
                    '            raise ValueError(f"dim {dim} is not a multiple of num_heads {num_heads}")\n'
                ),
                "",
            ),
            ("dim // num_heads\n", "dim // num_heads  # expect: ATN003 warning\n"),
        ),
        raises="is invalid for input of size",
        call="FusedAttention(dim=13, num_heads=3)(x=[2, 5, 13])",
    ),
    Bug(
        "no check",
        "separate",
        (
            ('        assert d_out % num_heads == 0, "num_heads does not divide d_out"\n', ""),
            ("d_out // num_heads\n", "d_out // num_heads  # expect: ATN003 warning\n"),
        ),
        raises="is invalid for input of size",
        call="SeparateAttention(d_in=10, d_out=13, context_length=6, dropout=0.1, num_heads=3)(x=[2, 5, 10])",
    ),
    Bug(
        "no check",
        "einops",
        (
            ('        assert dim % heads == 0, "heads must share dim evenly"\n', ""),
            ("dim // heads\n", "dim // heads  # expect: ATN003 warning\n"),
        ),
        raises="Error while processing rearrange-reduction pattern",
        call="EinopsAttention(dim=13, heads=3)(x=[2, 5, 13])",
    ),
    Bug(
        "no check",
        "helpers",
        (
            (
                (
                    "        if embed_dim % num_heads:\n"
                    '            raise ValueError(f"embed_dim={embed_dim} does not split into num_heads={num_heads}")\n'
                ),
                "",
            ),
            ("embed_dim // num_heads\n", "embed_dim // num_heads  # expect: ATN003 warning\n"),
        ),
        raises="is invalid for input of size",
        call="HelperAttention(embed_dim=13, num_heads=3)(hidden=[2, 5, 13])",
    ),
    Bug(
        "no check",
        "heads",
        (
            ("        assert d_out % num_heads == 0\n", ""),
            ("d_out // num_heads\n", "d_out // num_heads  # expect: ATN003 warning\n"),
        ),
        raises="mat1 and mat2 shapes cannot be multiplied",
        call="HeadsAttention(d_in=10, d_out=13, num_heads=3)(x=[2, 5, 10])",
    ),
    Bug(
        "wrong in_features",
        "fused",
        (
            ("self.proj = nn.Linear(dim, dim)", "self.proj = nn.Linear(self.head_dim, dim)"),
            ("y = self.proj(y)\n", "y = self.proj(y)  # expect: SHP001\n"),
        ),
        raises="mat1 and mat2 shapes cannot be multiplied",
    ),
    Bug(
        "wrong in_features",
        "separate",
        (
            ("self.out_proj = nn.Linear(d_out, d_out)", "self.out_proj = nn.Linear(self.head_dim, d_out)"),
            ("context = self.out_proj(context)\n", "context = self.out_proj(context)  # expect: SHP001\n"),
        ),
        raises="mat1 and mat2 shapes cannot be multiplied",
    ),
    Bug(
        "wrong in_features",
        "einops",
        (
            ("self.to_out = nn.Linear(dim, dim)", "self.to_out = nn.Linear(self.dim_head, dim)"),
            ("out = self.to_out(out)\n", "out = self.to_out(out)  # expect: SHP001\n"),
        ),
        raises="mat1 and mat2 shapes cannot be multiplied",
    ),
    Bug(
        "wrong in_features",
        "helpers",
        (
            ("self.out_proj = nn.Linear(embed_dim, embed_dim)", "self.out_proj = nn.Linear(self.head_dim, embed_dim)"),
            ("return self.out_proj(merged)\n", "return self.out_proj(merged)  # expect: SHP001\n"),
        ),
        raises="mat1 and mat2 shapes cannot be multiplied",
    ),
    Bug(
        "wrong in_features",
        "heads",
        (
            ("self.mix = nn.Linear(d_out, d_out)", "self.mix = nn.Linear(d_head, d_out)"),
            ("out = self.mix(out)\n", "out = self.mix(out)  # expect: SHP001\n"),
        ),
        raises="mat1 and mat2 shapes cannot be multiplied",
    ),
    Bug(
        "merge without transpose",
        "fused",
        (("y = y.transpose(1, 2).reshape(b, n, c)\n", "y = y.reshape(b, n, c)  # expect: SHP003\n"),),
    ),
    Bug(
        "merge without transpose",
        "separate",
        (
            (
                "context.transpose(1, 2).contiguous().view(b, t, self.d_out)\n",
                "context.view(b, t, self.d_out)  # expect: SHP003\n",
            ),
        ),
    ),
    Bug(
        "merge without transpose",
        "einops",
        (('rearrange(out, "b h n d -> b n (h d)")\n', "out.reshape(b, n, -1)  # expect: SHP003\n"),),
    ),
    Bug(
        "merge without transpose",
        "helpers",
        (
            (
                "x.transpose(1, 2).reshape(batch, length, self.embed_dim)\n",
                "x.reshape(batch, length, self.embed_dim)  # expect: SHP003\n",
            ),
        ),
    ),
    Bug(
        "merge without transpose",
        "heads",
        (
            (
                "torch.cat([head(x) for head in self.heads], dim=-1)\n",
                "torch.stack([head(x) for head in self.heads], dim=1)\n        out = out.reshape(b, t, -1)  # expect: SHP003\n",
            ),
        ),
    ),
    Bug(
        "q @ k without transpose",
        "fused",
        (("(q @ k.transpose(-2, -1)) * self.scale\n", "(q @ k) * self.scale  # expect: SHP001\n"),),
        raises="Expected size for first two dimensions of batch2 tensor to be",
    ),
    Bug(
        "q @ k without transpose",
        "separate",
        (("queries @ keys.transpose(2, 3)\n", "queries @ keys  # expect: SHP001\n"),),
        raises="Expected size for first two dimensions of batch2 tensor to be",
    ),
    Bug(
        "q @ k without transpose",
        "einops",
        (('(q @ rearrange(k, "b h n d -> b h d n")) * self.scale\n', "(q @ k) * self.scale  # expect: SHP001\n"),),
        raises="Expected size for first two dimensions of batch2 tensor to be",
    ),
    Bug(
        "q @ k without transpose",
        "helpers",
        (
            (
                "torch.matmul(q, k.transpose(-1, -2)) / self.head_dim**0.5\n",
                "torch.matmul(q, k) / self.head_dim**0.5  # expect: SHP001\n",
            ),
        ),
        raises="Expected size for first two dimensions of batch2 tensor to be",
    ),
    Bug(
        "q @ k without transpose",
        "heads",
        (("q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5\n", "q @ k * k.shape[-1] ** -0.5  # expect: SHP001\n"),),
        raises="Expected size for first two dimensions of batch2 tensor to be",
    ),
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[Bug, Path]:
    folder = tmp_path_factory.mktemp("six_bugs")
    paths = {}
    for number, bug in enumerate(BUGS):
        paths[bug] = folder / f"{bug.style}_{number}.py"
        paths[bug].write_text(bug.applied_to(read(FIXTURES / "styles" / f"{bug.style}.py").text), "utf-8")
    return paths


@pytest.fixture(scope="module")
def findings(planted: dict[Bug, Path]) -> dict[Path, list[dict[str, Any]]]:
    return lint(list(planted.values()))


def test_each_bug_is_put_into_each_style() -> None:
    names = {bug.name for bug in BUGS}
    assert len(names) == 6
    assert sorted((bug.name, bug.style) for bug in BUGS) == sorted((name, style) for name in names for style in STYLES)


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_bug_is_found(bug: Bug, planted: dict[Bug, Path], findings: dict[Path, list[dict[str, Any]]]) -> None:
    fixture = read(planted[bug])
    assert len(fixture.expectations) == 1
    assert differences(fixture.expectations, findings[planted[bug]]) == []


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_bug_does_what_it_is_said_to(bug: Bug, planted: dict[Bug, Path]) -> None:
    pytest.importorskip("torch", reason="it is run")
    from fixture_runs import outcome

    fixture = read(planted[bug])
    error = outcome(fixture.text, bug.call or fixture.runs[0].call)
    assert (error is None) == (bug.raises is None), error
    assert bug.raises is None or bug.raises in str(error)

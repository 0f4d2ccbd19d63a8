"""Every op and every layer of the tables gives the shape that torch gives, at any rank and size."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="shapes are compared with torch's own")

import torch
from torch import nn

from layer_cases import LAYER_CASES
from op_cases import CASES
from shapecheck.static.ops import TABLE
from shapecheck.static.ops.layers import LAYERS
from snippets import Snippet, compare, layer, snippet, trace_of

# What isn't compared, and why.
EXCUSED = {
    "flash_attn_func": "of flash_attn, which needs a GPU", "memory_efficient_attention": "of xformers",
    "sparsemax": "of entmax", "entmax15": "of entmax", "compare": "what every comparison of Python's is, see eq and lt",
    "from_numpy": "takes no tensor", "FloatTensor": "no meta tensors", "LongTensor": "no meta tensors", "cuda": "needs a GPU",
    **dict.fromkeys(
        ("size", "dim", "ndimension", "numel", "nelement", "item", "tolist", "numpy", "stride", "is_contiguous", "is_floating_point",
         "data_ptr", "element_size", "is_complex", "get_device", "storage_offset", "untyped_storage", "backward", "register_hook",
         "is_sparse"), "gives no tensor"),
}  # fmt: skip


NO_LAYERS = {
    **dict.fromkeys(("Linear4bit", "Linear8bitLt"), "of bitsandbytes"), "ColumnParallelLinear": "of fairscale", "RowParallelLinear": "of fairscale",
    **dict.fromkeys(("Conv1D", "LlamaRMSNorm", "T5LayerNorm", "QuickGELU"), "of transformers"), "FusedRMSNorm": "of apex",
    "DropPath": "of timm", "StochasticDepth": "of torchvision", "SyncBatchNorm": "runs on a GPU only",
}  # fmt: skip


def plain(name: str) -> Snippet:
    """An op that takes one tensor, or two, and nothing besides."""
    binary = name in _BINARY
    given = "x, y" if binary else "x"
    more: dict[str, Any] = {"x": "* t d", "y": "* t d"} if binary else {"x": "* t d"}
    if hasattr(torch.Tensor, name):
        return snippet(f"x.{name}({'y' if binary else ''})", **more)
    if hasattr(torch.Tensor, f"{name}_"):
        return snippet(f"x.{name}_({'y' if binary else ''})", **more)
    for place, owner in (
        ("F.", nn.functional),
        ("torch.", torch),
        ("torch.special.", torch.special),
        ("torch.linalg.", torch.linalg),
    ):
        if hasattr(owner, name):
            return snippet(f"{place}{name}({given})", **more)
    return snippet(f"torch.{name}(x)", x="t")


_BINARY = frozenset({
    "sub", "mul", "multiply", "divide", "true_divide", "subtract", "floor_divide", "remainder", "logical_and", "logical_or",
    "logical_xor", "maximum", "minimum", "ne", "le", "gt", "ge", "atan2", "fmod", "less", "greater", "not_equal", "xlogy",
})  # fmt: skip
_SIZES = ("ones", "empty", "randn", "rand")


def cases() -> dict[str, list[Snippet]]:
    """Every name of the table with its snippets, those without one of their own included."""
    found = {}
    for name in TABLE:
        if name in CASES:
            found[name] = CASES[name]
        elif name in _SIZES:
            found[name] = [snippet(f"torch.{name}(t, d)", x="t d"), snippet(f"torch.{name}((t, 1))", x="t")]
        elif name not in EXCUSED:
            found[name] = [plain(name)]
    return found


ALL = [pytest.param(case, id=f"{name}: {case}") for name, listed in cases().items() for case in listed]


@pytest.mark.parametrize("case", ALL)
def test_an_op_gives_the_shape_that_torch_gives(case: Snippet) -> None:
    compare(case, unpacked=True)


@pytest.mark.parametrize("case", ALL)
def test_an_op_gives_it_where_the_rank_is_not_known(case: Snippet) -> None:
    compare(case, unpacked=False)


LAYER_PARAMS = [
    pytest.param(case, id=f"{name}: {case} {case.expression}")
    for name in LAYERS
    if name not in NO_LAYERS
    for case in LAYER_CASES.get(name, [layer(f"nn.{name}()", x="b t *")])
]


@pytest.mark.parametrize("unpacked", [True, False], ids=["ranks", "rows"])
@pytest.mark.parametrize("case", LAYER_PARAMS)
def test_a_layer_gives_the_shape_that_torch_gives(case: Snippet, unpacked: bool) -> None:
    compare(case, unpacked=unpacked)


def test_every_layer_is_compared_or_excused() -> None:
    assert set(LAYER_CASES) <= set(LAYERS)
    assert set(NO_LAYERS) <= set(LAYERS)
    assert set(LAYER_CASES).isdisjoint(NO_LAYERS)


def test_every_op_is_compared_or_excused() -> None:
    assert set(CASES) <= set(TABLE)
    assert set(EXCUSED) <= set(TABLE)
    assert {name for name, listed in cases().items() if not listed} <= set(EXCUSED)


def test_the_table_holds_no_made_up_names() -> None:
    homes = (torch, nn.functional, torch.Tensor, torch.linalg, torch.special, torch.nn)
    foreign = {
        "rearrange",
        "reduce",
        "repeat",
        "pack",
        "unpack",
        "index",
        "nn.Parameter",
        "nn.parameter.Parameter",
        "nn.Buffer",
        "nn.Transformer.generate_square_subsequent_mask",
    }
    made_up = {
        name for name in TABLE if not any(hasattr(home, name) or hasattr(home, f"{name}_") for home in homes)
    } - foreign
    assert made_up <= {"flash_attn_func", "memory_efficient_attention", "sparsemax", "entmax15", "compare"}


@pytest.mark.parametrize("sizes", ["-1, 3, -1, -1", "-1"])
def test_an_expand_that_torch_refuses_tells_of_another_rank(sizes: str) -> None:
    """A new axis can't be -1, and none goes away."""
    source = f"def snippet(x):\n    b, t = x.shape\n    return x.expand({sizes}).softmax(dim=-1)\n"
    assert trace_of(source).contradictory
    with pytest.raises(RuntimeError):
        torch.ones(2, 5).expand(*map(int, sizes.split(",")))

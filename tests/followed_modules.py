"""Wrong modules, and right ones, of which the source alone doesn't show enough: layers, head counts and code made at run time."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

SIZES: dict[int, dict[str, Any]] = {384: {"heads": 6}, 768: {"heads": 12}}


class Tabled(nn.Module):
    """Layers and head counts that a table and a loop give it; `merged` puts the heads together."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        for name, value in SIZES[d_model].items():
            setattr(self, name, value)
        if d_model % getattr(self, "heads"):  # noqa: B009 (so that no reader of the source knows it)
            raise ValueError(f"{d_model} is not divisible by the heads")
        for name in ("q", "k", "v", "out"):
            setattr(self, f"to_{name}", nn.Linear(d_model, d_model))

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        heads = getattr(self, "heads")  # noqa: B009
        parts = {}
        for name in ("q", "k", "v"):
            parts[name] = getattr(self, f"to_{name}")(x).view(b, t, heads, d // heads).transpose(1, 2)
        weights = self.weights(parts["q"] @ parts["k"].mT / math.sqrt(d // heads))
        return self.finished(self.merged(weights @ parts["v"], b, t, d))

    def weights(self, scores: Tensor) -> Tensor:
        return scores.softmax(dim=-1)

    def merged(self, context: Tensor, b: int, t: int, d: int) -> Tensor:
        return context.transpose(1, 2).reshape(b, t, d)

    def finished(self, context: Tensor) -> Tensor:
        projection: nn.Module = getattr(self, "to_out")  # noqa: B009
        out: Tensor = projection(context)
        return out


class TabledMergedAsTheyAre(Tabled):
    def merged(self, context: Tensor, b: int, t: int, d: int) -> Tensor:
        return context.reshape(b, t, d)


class TabledSoftmaxOverQueries(Tabled):
    def weights(self, scores: Tensor) -> Tensor:
        return scores.softmax(dim=-2)


class TabledUnprojected(Tabled):
    def finished(self, context: Tensor) -> Tensor:
        return context


def composed(*steps: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return functools.reduce(lambda first, second: lambda value: second(first(value)), steps)


class Composed(nn.Module):
    """Heads split and joined by functions that are put together at run time."""

    right = True

    def __init__(self, d_model: int, num_heads: int) -> None:
        super().__init__()
        if d_model % num_heads:
            raise ValueError(f"d_model {d_model} is not divisible by num_heads {num_heads}")
        self.layers = nn.ModuleList(map(functools.partial(nn.Linear, d_model), [d_model] * 4))
        self.num_heads, self.width = num_heads, d_model // num_heads

    def forward(self, x: Tensor) -> Tensor:
        split = composed(
            operator.methodcaller("unflatten", -1, (self.num_heads, self.width)),
            operator.methodcaller("transpose", 1, 2),
        )
        back = [operator.methodcaller("transpose", 1, 2)] if self.right else []
        q, k, v = (split(layer(x)) for layer in list(self.layers)[:3])
        weights = composed(operator.methodcaller("mul", self.width**-0.5), operator.methodcaller("softmax", -1))(
            q @ k.mT
        )
        merge = composed(*back, operator.methodcaller("reshape", *x.shape))
        out: Tensor = self.layers[3](merge(weights @ v))
        return out


class ComposedMergedAsTheyAre(Composed):
    right = False


WRITTEN = """
def forward(self, x):
    b, t, d_model = x.shape
    q, k, v = (part.view(b, t, self.num_heads, -1).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
    scores = q @ k.transpose(-2, -1) * {scale}
    y = scores.softmax(-1) @ v
    return self.out(y{back}.reshape(b, t, d_model))
"""


def written(name: str, scale: str = "(d_model // self.num_heads) ** -0.5", back: str = ".transpose(1, 2)") -> Any:
    """A class whose forward has no file: it is made of a string."""
    space: dict[str, Any] = {}
    exec(WRITTEN.format(scale=scale, back=back), space)

    def build(self: Any, d_model: int, num_heads: int) -> None:
        nn.Module.__init__(self)
        if d_model % num_heads:
            raise ValueError(f"d_model {d_model} is not divisible by num_heads {num_heads}")
        self.num_heads = num_heads
        self.qkv, self.out = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)

    return type(name, (nn.Module,), {"__init__": build, "forward": space["forward"], "__module__": __name__})


Written = written("Written")
WrittenMergedAsTheyAre = written("WrittenMergedAsTheyAre", back="")
WrittenScaledByModel = written("WrittenScaledByModel", scale="d_model ** -0.5")


class ProductKeys(nn.Module):
    """Routing by two halves of a key, as mixtures of a million experts have it.

    A model of transformers (doge) takes the halves by `.view(2, b * t, -1)`, which mixes the scores of neighbouring tokens;
    the note beside it says so, and that it stays for the sake of its checkpoints.
    """

    def __init__(self, hidden_size: int, num_experts: int) -> None:
        super().__init__()
        self.num_keys = math.floor(math.sqrt(num_experts))
        self.gate = nn.Linear(hidden_size, 2 * self.num_keys, bias=False)
        self.experts = nn.Embedding(num_experts, hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        (rows, columns), (row_ids, column_ids) = self.halves(self.gate(x), b, t).topk(2, dim=-1)
        scores = (rows[..., None] + columns[..., None, :]).flatten(-2)
        ids = (row_ids[..., None] * self.num_keys + column_ids[..., None, :]).flatten(-2)
        mixed: Tensor = (scores.softmax(dim=-1)[..., None] * self.experts(ids)).sum(-2)
        return x + mixed.view(b, t, d)

    def halves(self, scores: Tensor, b: int, t: int) -> Tensor:
        return scores.view(b * t, 2, -1).transpose(0, 1)


class ProductKeysOfNeighbours(ProductKeys):
    def halves(self, scores: Tensor, b: int, t: int) -> Tensor:
        return scores.view(2, b * t, -1)


class Config:
    """What configs are in many projects: names without a class."""

    def __init__(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name, value)


class Configured(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        cut = vars(self.config)["heads"], vars(self.config)["width"] // vars(self.config)["heads"]
        q, k, v = (part.unflatten(-1, cut).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(self.merged(y, x))  # type: ignore[no-any-return]

    def merged(self, y: Tensor, x: Tensor) -> Tensor:
        return torch.cat(list(y.unbind(1)), -1)


class ConfiguredMergedAsTheyAre(Configured):
    def merged(self, y: Tensor, x: Tensor) -> Tensor:
        return y.reshape(x.shape)

"""Modules decorated with `checked`, as users write them; no test stands in here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from shapecheck import checked


class Plain(nn.Module):
    """What is decorated below, undecorated."""

    def __init__(self, d_in: int, d_out: int, num_heads: int) -> None:
        super().__init__()
        if d_out % num_heads:
            raise ValueError(f"d_out {d_out} is not divisible by num_heads {num_heads}")
        self.d_in, self.d_out, self.num_heads, self.head_dim = d_in, d_out, num_heads, d_out // num_heads
        self.qkv = nn.Linear(d_in, 3 * d_out)
        self.out_proj = nn.Linear(d_out, d_out)

    def forward(self, x: Float[Tensor, "b t d_in"]) -> Float[Tensor, "b t d_out"]:
        b, t, _ = x.shape
        qkv = self.qkv(x).view(b, t, 3, self.num_heads, self.head_dim)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        scores: Float[Tensor, "b num_heads t t"] = q @ k.transpose(-2, -1) / self.head_dim**0.5
        context = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(b, t, self.d_out)
        out: Tensor = self.out_proj(context)
        return out


@checked(strict=True)
class Attention(Plain):
    """The same forward, inherited and checked."""


@checked(strict=True, q="b num_heads t head_dim", context="b t d_out")
class Keywords(Plain):
    """Expectations as keywords, of names that have no annotation."""


@checked(strict=True)
class Flipped(nn.Module):
    """A local that isn't as its annotation says, once `flip` is set."""

    def __init__(self, width: int, num_heads: int, *, flip: bool) -> None:
        super().__init__()
        self.width, self.num_heads, self.flip = width, num_heads, flip
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b t width"]) -> Float[Tensor, "b num_heads t head_dim"]:
        heads: Tensor = self.proj(x).unflatten(-1, (self.num_heads, -1))
        if not self.flip:
            heads = heads.transpose(1, 2)
        q: Float[Tensor, "b num_heads t head_dim"] = heads
        return q


@checked(strict=True)
class Short(nn.Module):
    """Axes whose names are those of attributes by accident: `h` is a height here, and self.h the heads."""

    def __init__(self) -> None:
        super().__init__()
        self.h, self.t = 4, 100

    def forward(self, x: Float[Tensor, "b c h w"], y: Float[Tensor, "b t d"]) -> Float[Tensor, "b c h w"]:
        return x + y.mean()


@checked(strict=True, bind=["h"])
class Listed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.h = 4

    def forward(self, x: Float[Tensor, "b h"]) -> Float[Tensor, "b {self.h}"]:
        return x * 2


@checked(strict=True, bind=False)
class Free(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.width = 4

    def forward(self, x: Float[Tensor, "b width"]) -> Float[Tensor, "b width"]:
        return x * 2


@checked(strict=True)
def scores(q: Float[Tensor, "b h t d"], k: Float[Tensor, "b h s d"]) -> Float[Tensor, "b h t s"]:
    product = q @ k.transpose(-2, -1)
    scaled: Tensor = product / q.shape[-1] ** 0.5
    return scaled


def logged(forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return forward(*args, **kwargs)

    return wrapper


@checked(strict=True)
class Decorated(nn.Module):
    @logged
    def forward(self, x: Float[Tensor, "b t"], *rest: Tensor, scale: float = 2.0, **more: Any) -> Float[Tensor, "t b"]:
        doubled = x * scale
        for one in rest:
            doubled = doubled + one
        return doubled.mT


class Super(Plain):
    def forward(self, x: Float[Tensor, "b t d_in"]) -> Float[Tensor, "b t d_out"]:
        __twice = super().forward(x) * 2
        self.__kept = __twice

        def inner(value: Tensor) -> Tensor:
            nonlocal x
            x = value
            return x

        return inner(self.__kept)


CheckedSuper = checked(strict=True)(Super)


@checked
class Fails(nn.Module):
    def forward(self, x: Float[Tensor, "b t"]) -> Tensor:
        wide = torch.cat([x, x], dim=-1)
        return wide @ x


@checked(strict=True)
class Base(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b t width"]) -> Float[Tensor, "b t width"]:
        b, t, width = x.shape
        y: Tensor = self.proj(x)
        return y.view(b, t, width)


@checked(strict=True)
class Padded(Base):
    """A forward that calls the checked one of its base class with other tensors than it is given."""

    def forward(self, x: Float[Tensor, "b t narrow"]) -> Float[Tensor, "b t width"]:
        padded = torch.cat([x, x], dim=-1)
        return super().forward(padded)

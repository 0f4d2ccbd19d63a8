"""Modules that the tests of the runtime half record, check and confirm; no test stands in here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def split(x: Tensor, heads: int) -> Tensor:
    parts = x.view(*x.shape[:-1], heads, -1)
    return parts.transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, d_in: int, d_out: int, num_heads: int) -> None:
        super().__init__()
        if d_out % num_heads:
            raise ValueError(f"d_out {d_out} is not divisible by num_heads {num_heads}")
        self.d_out, self.num_heads, self.head_dim = d_out, num_heads, d_out // num_heads
        self.qkv = nn.Linear(d_in, 3 * d_out)
        self.out_proj = nn.Linear(d_out, d_out)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        b, t, _ = x.shape
        q, k, v = (split(part, self.num_heads) for part in self.qkv(x).chunk(3, dim=-1))
        scores = q @ k.transpose(-2, -1) / self.head_dim**0.5
        if mask is not None:
            scores = scores.masked_fill(mask, float("-inf"))
        weights = scores.softmax(dim=-1)
        context = (weights @ v).transpose(1, 2).reshape(b, t, self.d_out)
        out: Tensor = self.out_proj(context)
        return out


class Base(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        doubled = x * 2
        return doubled


class Inherited(Base):
    """No forward of its own."""


class Super(Base):
    """What rewriting may break: zero-argument super(), names with two underscores, a walrus, a nested function."""

    def forward(self, x: Tensor) -> Tensor:
        """A docstring."""
        x = super().forward(x)
        __hidden = x + 1
        self.__kept = __hidden
        total = 0.0

        def inner(value: Tensor) -> Tensor:
            nonlocal total
            scaled = value * 3
            total += 1
            return scaled

        if (tripled := inner(self.__kept)) is not None:
            return tripled * total
        return x


def closed_over(width: int) -> type[nn.Module]:
    """A class whose forward closes over a local name, and changes one."""
    calls = 0

    class Closed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            y = x.reshape(-1, width)
            return y * calls

    return Closed


def logged(forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return forward(*args, **kwargs)

    return wrapper


class Decorated(nn.Module):
    @logged
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        halved = x / 2
        return halved


class Branches(nn.Module):
    def forward(self, x: Tensor, *, long: bool = False) -> Tensor:
        y = x * 2 if long else x
        for part in y.chunk(2, dim=0):
            z = part + 1
        match x.dim():
            case 2:
                w = z.unsqueeze(0)
            case _:
                w = z
        try:
            r = w.view(-1)
        finally:
            done = w
        with torch.no_grad() as nothing:
            r += 1
        assert nothing is None
        return r if long else done


class Fails(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        wide = x.repeat(1, 2)
        return wide @ x

"""Modules whose mistakes are told in tests/messages/; their lines are part of what is told."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from shapecheck import checked


class Heads(nn.Module):
    def __init__(self, d_in: int, d_out: int, num_heads: int) -> None:
        super().__init__()
        if d_out % num_heads:
            raise ValueError(f"d_out {d_out} is not divisible by num_heads {num_heads}")
        self.d_in, self.d_out, self.num_heads, self.head_dim = d_in, d_out, num_heads, d_out // num_heads
        self.q_proj = nn.Linear(d_in, d_out)
        self.k_proj = nn.Linear(d_in, d_out)
        self.v_proj = nn.Linear(d_in, d_out)
        self.out_proj = nn.Linear(d_out, d_out)

    def split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.num_heads, self.head_dim)


@checked
class UntransposedKeys(Heads):
    def forward(self, x: Float[Tensor, "b t d_in"]) -> Float[Tensor, "b t d_out"]:
        b, t, _ = x.shape
        q: Float[Tensor, "b num_heads t head_dim"] = self.split(self.q_proj(x)).transpose(1, 2)
        k: Float[Tensor, "b num_heads t head_dim"] = self.split(self.k_proj(x))
        v: Float[Tensor, "b num_heads t head_dim"] = self.split(self.v_proj(x)).transpose(1, 2)
        weights = (q @ k.transpose(-2, -1) / self.head_dim**0.5).softmax(dim=-1)
        context = (weights @ v).transpose(1, 2).reshape(b, t, self.d_out)
        out: Tensor = self.out_proj(context)
        return out


@checked(context="b t d_out")
class HeadsNotMerged(Heads):
    def forward(self, x: Float[Tensor, "b t d_in"]) -> Float[Tensor, "b t d_out"]:
        q, k, v = (self.split(proj(x)).transpose(1, 2) for proj in (self.q_proj, self.k_proj, self.v_proj))
        weights = (q @ k.transpose(-2, -1) / self.head_dim**0.5).softmax(dim=-1)
        context = weights @ v
        out: Tensor = self.out_proj(context)
        return out


@checked
class WiderResult(Heads):
    def __init__(self, d_in: int, d_out: int, num_heads: int) -> None:
        super().__init__(d_in, d_out, num_heads)
        self.out_proj = nn.Linear(d_out, num_heads * d_out)

    def forward(self, x: Float[Tensor, "b t d_in"]) -> Float[Tensor, "b t d_out"]:
        b, t, _ = x.shape
        q, k, v = (self.split(proj(x)).transpose(1, 2) for proj in (self.q_proj, self.k_proj, self.v_proj))
        weights = (q @ k.transpose(-2, -1) / self.head_dim**0.5).softmax(dim=-1)
        context = (weights @ v).transpose(1, 2).reshape(b, t, self.d_out)
        out: Tensor = self.out_proj(context)
        return out

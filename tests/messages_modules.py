"""Bugs that people reported, re-created in our own words; their lines are part of what tests/messages/ tells of them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from shapecheck import checked


# https://github.com/rasbt/LLMs-from-scratch/issues/67: [8, 1024, 9216] comes out for [8, 1024, 768]
class CausalHead(nn.Module):
    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.scale = d_out**-0.5
        self.q, self.k, self.v = (nn.Linear(d_in, d_out, bias=False) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.q(x), self.k(x), self.v(x)
        hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
        scores = (q @ k.mT * self.scale).masked_fill(hidden, float("-inf"))
        context: Tensor = scores.softmax(dim=-1) @ v
        return context


@checked
class HeadsSideBySide(nn.Module):
    """Twelve heads, each as wide as the model."""

    def __init__(self, d_in: int, d_out: int, num_heads: int) -> None:
        super().__init__()
        self.d_in, self.d_out, self.num_heads = d_in, d_out, num_heads
        self.heads = nn.ModuleList(CausalHead(d_in, d_out) for _ in range(num_heads))

    def forward(self, x: Float[Tensor, "b t d_in"]) -> Float[Tensor, "b t d_out"]:
        together = torch.cat([head(x) for head in self.heads], dim=-1)
        return together


# https://github.com/rasbt/LLMs-from-scratch/issues/444: GPT-2 XL built with its 48 layers for its 25 heads
@checked
class NoGuard(nn.Module):
    def __init__(self, emb_dim: int, n_heads: int) -> None:
        super().__init__()
        self.emb_dim, self.n_heads, self.head_dim = emb_dim, n_heads, emb_dim // n_heads
        self.qkv = nn.Linear(emb_dim, 3 * n_heads * self.head_dim, bias=False)

    def forward(self, x: Float[Tensor, "b t emb_dim"]) -> Float[Tensor, "b t emb_dim"]:
        b, t, _ = x.shape
        qkv = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        context = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        merged = context.transpose(1, 2).reshape(b, t, -1)
        return merged


# https://github.com/jsbaan/transformer-from-scratch/issues/4: values are reshaped with the heads before the tokens
@checked(values="b t num_heads qkv_dim")
class ReshapedTooSoon(nn.Module):
    def __init__(self, hidden_dim: int, num_heads: int) -> None:
        super().__init__()
        self.hidden_dim, self.num_heads, self.qkv_dim = hidden_dim, num_heads, hidden_dim // num_heads
        self.qkv_proj = nn.Linear(hidden_dim, 3 * hidden_dim)
        self.o_proj = nn.Linear(hidden_dim, hidden_dim)

    def forward(self, x: Float[Tensor, "b t hidden_dim"]) -> Float[Tensor, "b t hidden_dim"]:
        b, t, _ = x.shape
        q, k, v = self.qkv_proj(x).view(b, t, self.num_heads, -1).transpose(1, 2).chunk(3, dim=-1)
        weights = (q @ k.mT / self.qkv_dim**0.5).softmax(dim=-1)
        values = weights @ v
        merged = values.reshape(b, t, self.hidden_dim)
        out: Tensor = self.o_proj(merged)
        return out


# https://github.com/reczoo/FuxiCTR/issues/30: the batch and the heads are one axis, of other fields' values
@checked(query="b num_heads t attention_dim")
class FoldedIntoBatch(nn.Module):
    def __init__(self, input_dim: int, attention_dim: int, num_heads: int) -> None:
        super().__init__()
        self.input_dim, self.attention_dim, self.num_heads = input_dim, attention_dim, num_heads
        self.q, self.k, self.v = (nn.Linear(input_dim, attention_dim * num_heads) for _ in range(3))

    def forward(self, x: Float[Tensor, "b t input_dim"]) -> Tensor:
        query = self.q(x).view(x.size(0) * self.num_heads, -1, self.attention_dim)
        key = self.k(x).view(x.size(0) * self.num_heads, -1, self.attention_dim)
        value = self.v(x).view(x.size(0) * self.num_heads, -1, self.attention_dim)
        weights = (query @ key.mT / self.attention_dim**0.5).softmax(dim=-1)
        out: Tensor = (weights @ value).view(x.size(0), -1, self.num_heads * self.attention_dim)
        return out


# https://github.com/IBM/TabFormer/pull/14: batches of rows, given to attention that takes the batch second
@checked(weights="b t t")
class AttendsOverBatch(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.attention = nn.MultiheadAttention(embed_dim, num_heads)

    def forward(self, rows: Float[Tensor, "b t embed_dim"]) -> Float[Tensor, "b t embed_dim"]:
        mixed, weights = self.attention(rows, rows, rows)
        out: Tensor = rows + mixed
        return out


# https://github.com/gazelle93/Transformer-Various-Positional-Encoding/issues/1: heads come before the batch
@checked(output="b num_heads t head_dim")
class HeadsBeforeBatch(nn.Module):
    def __init__(self, emb_dim: int, num_heads: int) -> None:
        super().__init__()
        self.emb_dim, self.num_heads, self.head_dim = emb_dim, num_heads, emb_dim // num_heads
        self.qkv = nn.Linear(emb_dim, 3 * emb_dim)

    def forward(self, x: Float[Tensor, "b t emb_dim"]) -> Float[Tensor, "b t emb_dim"]:
        b, t, _ = x.shape
        parts = torch.cat(self.qkv(x).split(self.head_dim, dim=-1))
        query, key, value = parts.view(3, self.num_heads * b, t, self.head_dim)
        attended = (query @ key.mT / self.head_dim**0.5).softmax(dim=-1) @ value
        output = attended.view(self.num_heads, b, t, self.head_dim)
        merged: Tensor = output.permute(0, 2, 1, 3).reshape(b, t, self.emb_dim)
        return merged

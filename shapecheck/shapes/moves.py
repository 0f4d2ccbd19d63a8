"""Moves: the ops that leave scores scores, weights weights and a context a context."""

from __future__ import annotations

MOVES = frozenset({
    "reshape", "permute", "rearrange", "cast", "contiguous", "index", "split", "unbind", "unsqueeze", "squeeze", "expand",
    "repeat", "repeat_interleave", "reverse",
})  # fmt: skip
MASKS = frozenset(
    {"masked_fill", "where", "add", "sub", "mul", "div", "dropout", "clamp", "nan_to_num", "pad", "tril", "triu", "put"}
)
UNARY = frozenset(
    {"relu", "gelu", "silu", "sigmoid", "tanh", "dropout", "norm", "normalize", "square", "sqrt", "abs", "neg"}
)

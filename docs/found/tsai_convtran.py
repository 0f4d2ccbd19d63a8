"""tsai, ConvTranPlus: scores divided by sqrt(d_model), no layer mixes the heads, and a head count of 8 written out."""

import torch
from tsai.models.ConvTranPlus import Attention, Attention_Rel_Scl

from probes import begin, raised

WIDTH, LENGTH = 64, 10

begin("tsai")
x = torch.randn(2, LENGTH, WIDTH)
for heads in 1, 8:
    attention = Attention(WIDTH, heads)
    print(f"Attention, {heads} heads of {WIDTH // heads}: scale 1 / {1 / attention.scale:.3g}", end=", ")
    print(f"1 / sqrt(head_dim) is 1 / {(WIDTH // heads) ** 0.5:.3g}; layers: ", end="")
    print(", ".join(f"{name} {type(layer).__name__}" for name, layer in attention.named_children()))
for heads in 4, 8, 16:
    attention = Attention_Rel_Scl(WIDTH, LENGTH, heads)
    print(f"Attention_Rel_Scl, {heads} heads: raises {raised(attention, x)}")

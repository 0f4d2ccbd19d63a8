"""vit-pytorch, ViViT: scaled_dot_product_attention is given the dropout whatever the mode, and eval() is random."""

from collections.abc import Callable

import torch
from vit_pytorch import vivit, vivit_with_moss

from probes import begin, moved

begin("vit-pytorch")
x = torch.randn(2, 16, 64)
makers: dict[str, Callable[..., torch.nn.Module]] = {
    "vivit": vivit.Attention,
    "vivit_with_moss": vivit_with_moss.Attention,
}
for name, make in makers.items():
    for fused in True, False:
        attention = make(64, heads=4, dim_head=16, dropout=0.1, use_flash_attn=fused).eval()
        with torch.no_grad():
            first, second = attention(x), attention(x)
        if isinstance(first, tuple):
            first, second = first[0], second[0]
        print(f"{name}, use_flash_attn={fused}, eval(): two calls with one input differ by {moved(first, second):.3g}")

"""monai, SABlock and CrossAttentionBlock with use_flash_attention: dropout in eval(), and a mask read as another one."""

import torch
from monai.networks.blocks.crossattention import CrossAttentionBlock
from monai.networks.blocks.selfattention import SABlock

from probes import begin, moved, raised

WIDTH, HEADS, TOKENS = 32, 4, 5

begin("monai")
x = torch.randn(2, TOKENS, WIDTH)
for make in SABlock, CrossAttentionBlock:
    for fused in True, False:
        block = make(WIDTH, HEADS, dropout_rate=0.1, use_flash_attention=fused).eval()
        with torch.no_grad():
            difference = moved(block(x), block(x))
        print(
            f"{make.__name__}, use_flash_attention={fused}, eval(): two calls with one input differ by {difference:.3g}"
        )

eager = SABlock(WIDTH, HEADS).eval()
fused = SABlock(WIDTH, HEADS, use_flash_attention=True).eval()
fused.load_state_dict(eager.state_dict())
for batch in 2, TOKENS:
    x = torch.randn(batch, TOKENS, WIDTH)
    mask = torch.ones(batch, TOKENS, dtype=torch.bool)
    mask[0, -2:] = False  # the last two tokens of sample 0 are padding
    happened = raised(fused, x, mask)
    print(f"attn_mask [b={batch}, t={TOKENS}], use_flash_attention=True: raises {happened}", end="")
    if happened == "nothing":
        with torch.no_grad():
            print(f"; differs from use_flash_attention=False by {moved(fused(x, mask), eager(x, mask)):.3g}", end="")
            print(f", without a mask by {moved(fused(x), eager(x)):.3g}", end="")
    print()

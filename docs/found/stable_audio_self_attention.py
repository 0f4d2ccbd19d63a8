"""stable-audio-tools, SelfAttention1d: its path for CUDA views [n, heads, s, c / heads] as [n, c, s] without transposing."""

import torch
from stable_audio_tools.models.blocks import SelfAttention1d

from probes import begin, moved

CHANNELS, LENGTH = 16, 10

begin("stable-audio-tools")
x = torch.randn(2, CHANNELS, LENGTH)
for heads in 1, 4:
    attention = SelfAttention1d(CHANNELS, heads).eval()
    outputs, mixed = [], []
    for fused in False, True:
        attention.use_flash = fused  # what the constructor decides by torch.cuda.is_available()
        attention.sdp_kernel_config = (False, True, True)
        with torch.no_grad():
            outputs.append(attention(x) - x)
    scale = outputs[0].abs().max()
    print(f"{heads} heads: the two paths of one module differ by {moved(*outputs):.3g}, in outputs up to {scale:.3g}")

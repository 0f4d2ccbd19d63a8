"""transformers, EdgeTamVideoPerceiverAttention: heads are transposed back twice, so queries read one another's rows."""

import torch
from transformers import EdgeTamVideoConfig
from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoPerceiverAttention

from probes import begin, changed, moved, spread_out

WIDTH, QUERIES, KEYS = 64, 6, 9


def attention(heads: int, kernel: str) -> EdgeTamVideoPerceiverAttention:
    config = EdgeTamVideoConfig(
        perceiver_resampler_num_attention_heads=heads,
        perceiver_resampler_hidden_size=WIDTH,
        perceiver_resampler_attention_head_dim=WIDTH // heads,
        attn_implementation=kernel,
    )
    config._attn_implementation = kernel  # noqa: SLF001 (there is no other way to choose it for a part)
    return EdgeTamVideoPerceiverAttention(config).eval()


begin("transformers")
queries, keys = torch.randn(1, QUERIES, WIDTH), torch.randn(1, KEYS, WIDTH)
for kernel in "eager", "sdpa":
    for heads in 1, 4:
        module = attention(heads, kernel)
        spread_out(module)
        with torch.no_grad():
            before = module(queries, keys, keys)
            after = module(changed(queries, 0, -1), keys, keys)
        print(
            f"{kernel}, {heads} heads: the last query is changed; it moves by {moved(before[:, -1], after[:, -1]):.3g}, "
            f"the {QUERIES - 1} others by {moved(before[:, :-1], after[:, :-1]):.3g}"
        )

"""transformers, GPTBigCode: cross-attention can't run: keys and values are cut at head_dim, a mask isn't unsqueezed."""

import torch
from transformers import GPTBigCodeConfig, GPTBigCodeModel

from probes import begin, raised

begin("transformers")
config = GPTBigCodeConfig(
    vocab_size=50,
    n_embd=32,
    n_layer=1,
    n_head=4,
    multi_query=False,  # with True, cross-attention is refused
    add_cross_attention=True,
    attn_implementation="eager",
    bos_token_id=0,
    eos_token_id=0,
)
model = GPTBigCodeModel(config).eval()
tokens, encoded = torch.randint(0, 50, (2, 5)), torch.randn(2, 7, 32)
for name, mask in ("no mask", None), ("a mask [b, s]", torch.ones(2, 7)), ("a mask [b, 1, s]", torch.ones(2, 1, 7)):
    call = raised(model, tokens, encoder_hidden_states=encoded, encoder_attention_mask=mask)
    print(f"{name}: raises {call}")

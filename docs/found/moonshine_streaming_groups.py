"""transformers, MoonshineStreaming: queries are split by the number of the keys' heads, so grouped queries raise."""

import torch
from transformers import MoonshineStreamingConfig
from transformers.models.moonshine_streaming.modeling_moonshine_streaming import MoonshineStreamingDecoder

from probes import begin, raised

begin("transformers")
for groups in 8, 4:
    config = MoonshineStreamingConfig(
        vocab_size=50,
        hidden_size=64,
        encoder_config={"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 8},
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=8,
        num_key_value_heads=groups,
        pad_token_id=0,
    )
    decoder = MoonshineStreamingDecoder(config).eval()
    happened = raised(decoder, torch.randint(0, 50, (1, 5)), encoder_hidden_states=torch.randn(1, 7, 64))
    print(f"8 heads, {groups} for keys and values: {happened}")

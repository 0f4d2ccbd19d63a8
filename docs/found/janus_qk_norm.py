"""transformers, Janus' vision tower: use_qk_norm=True raises, the norms are as wide as the model and meet single heads."""

import torch
from transformers import JanusVisionConfig, JanusVisionModel

from probes import begin, raised

begin("transformers")
for norm in False, True:
    config = JanusVisionConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=4, image_size=32, patch_size=16, use_qk_norm=norm
    )
    model = JanusVisionModel(config).eval()
    print(f"use_qk_norm={norm}: {raised(model, torch.randn(1, 3, 32, 32))}")

"""segmentation-models-pytorch, MAnet's PABBlock: [b, h*w, c] is reshaped to [b, c, h, w], pixels are put for channels."""

import torch
from segmentation_models_pytorch.decoders.manet.decoder import PABBlock

from probes import begin, moved

CHANNELS, HEIGHT, WIDTH = 4, 6, 5

begin("segmentation-models-pytorch")
block = PABBlock(CHANNELS, pab_channels=4).eval()
attended = []
block.out_conv.register_forward_pre_hook(lambda module, args: attended.append(args[0]))
with torch.no_grad():
    block.top_conv.weight.zero_()  # all scores alike: every pixel attends to every pixel
    block.top_conv.bias.zero_()
    image = torch.randn(1, CHANNELS, HEIGHT, WIDTH)
    block(image)
    values = block.bottom_conv(image)
given = attended[0] - image
means = values.sum((2, 3)) / (HEIGHT * WIDTH) ** 2
print("attention is uniform: each channel of its output has to be one number, the mean of that channel's values")
for channel in range(CHANNELS):
    low, high = given[0, channel].min().item(), given[0, channel].max().item()
    print(f"channel {channel}: {means[0, channel]:+.5f} is expected, it goes from {low:+.5f} to {high:+.5f}")
rows = given.reshape(1, HEIGHT * WIDTH, CHANNELS).transpose(1, 2).reshape(given.shape)
print(f"read as [b, h*w, c] and transposed, it is off by {moved(rows, means[:, :, None, None].expand_as(rows)):.3g}")

"""transformers, EfficientLoFTR: with two pairs of images in a batch, one pair is given the other's matches."""

import torch
from transformers import EfficientLoFTRConfig, EfficientLoFTRForKeypointMatching

from probes import begin

HEIGHT, WIDTH = 12, 10

begin("transformers")
config = EfficientLoFTRConfig(coarse_matching_threshold=0.0)  # untrained features match weakly
model = EfficientLoFTRForKeypointMatching(config).eval()
features = torch.randn(2, 2, config.hidden_size, HEIGHT, WIDTH)  # of two pairs of images, as the backbone gives them


@torch.no_grad()
def matches(features: torch.Tensor) -> torch.Tensor:
    """What the model gives out as `matches`: for each place of an image one of the other's, [pairs, 2, places], -1 for none."""
    *_, indices = model._coarse_matching(features, 8.0)  # noqa: SLF001 (untrained backbones make all images alike)
    return indices


together = matches(features)
for pair in 0, 1:
    alone = matches(features[pair : pair + 1])[0]
    for image in 0, 1:
        found = alone[image] >= 0
        otherwise = (alone[image] != together[pair, image]).sum()
        print(
            f"pair {pair}, image {image}: {found.sum()} of {HEIGHT * WIDTH} places are matched; "
            f"with the other pair beside it {otherwise} of these are matched otherwise"
        )

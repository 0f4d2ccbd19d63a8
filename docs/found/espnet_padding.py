"""espnet: utterance_mvn and MaskEstimator call masked_fill and drop its result, so padding isn't zero and counts."""

import torch
from espnet.nets.pytorch_backend.frontends.feature_transform import utterance_mvn
from espnet2.enh.layers.mask_estimator import MaskEstimator

from probes import begin, moved

LENGTH, PADDED = 6, 10

begin("espnet")
features = torch.randn(1, LENGTH, 3) + 5
padded = torch.cat([features, torch.zeros(1, PADDED - LENGTH, 3)], dim=1)
long = torch.randn(1, PADDED, 3) + 5
for variances in False, True:
    alone, _ = utterance_mvn(features.clone(), torch.tensor([LENGTH]), norm_vars=variances)
    both = torch.cat([long, padded])
    beside, _ = utterance_mvn(both.clone(), torch.tensor([PADDED, LENGTH]), norm_vars=variances)
    print(f"utterance_mvn, norm_vars={variances}: padding of zeros becomes", end=" ")
    print(
        f"{beside[1, LENGTH:].abs().max():.3g}; beside a longer one an utterance differs from itself alone by", end=" "
    )
    print(f"{moved(alone[0], beside[1, :LENGTH]):.3g}, in values up to {alone.abs().max():.3g}")

estimator = MaskEstimator("blstm", idim=3, layers=1, units=4, projs=4, dropout=0.0).eval()
with torch.no_grad():
    (masks,), _ = estimator(both.transpose(1, 2)[:, :, None].contiguous(), torch.tensor([PADDED, LENGTH]))
print(f"MaskEstimator: masks of padding, to be 0, go up to {masks[1, :, :, LENGTH:].max():.3g}")

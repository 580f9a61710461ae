"""A perceptual distance of faces: how far features of a face network lie apart, in the manner of LPIPS.

After Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric" (CVPR 2018), without their learned
weights: features of three layers, each pixel's scaled to length 1, squared differences summed over channels. The layers are
those of MobileFace (weights/identity), which no training of ours looks at.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from emotalker.face.graph import Graph

LAYERS = (2, 10, 18)
"""Values of the network's graph: 1/2, 1/4 and 1/8 of the picture's side, 32 channels each."""


def load_features() -> Graph:
    """The network with these layers as outputs."""
    return Graph.load("identity", outputs={str(layer): layer for layer in LAYERS})


@torch.inference_mode()
def distance(network: Graph, one: Tensor, other: Tensor, region: Tensor) -> tuple[float, float]:
    """Distance of faces in a region.

    Args:
        network: of load_features.
        one, other: [n,3,s,s] 0..1.
        region: [n,1,s,s] 0..1.

    Returns:
        Sum of the distances, each layer's over its own pixels of the region, and what to divide it by for a mean.
    """
    total = weight = 0.0
    features = [network((picture * 255 - 127.5) / 128) for picture in (one, other)]
    for name in features[0]:
        a, b = (F.normalize(value[name], dim=1, eps=1e-6) for value in features)
        share = F.interpolate(region, size=a.shape[-2:], mode="area")
        total += float(((a - b).square().sum(1, keepdim=True) * share).sum() / share.sum().clamp(min=1e-6)) * len(one)
        weight += len(one)
    return total, weight

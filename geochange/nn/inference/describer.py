"""What the encoder of a trained network sees of one image: a descriptor every few pixels."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate, normalize

from geochange.nn.checkpoints.checkpoint import load_checkpoint
from geochange.nn.checkpoints.shipped import find_model, list_models
from geochange.nn.parts.encoders import Encoder

NETWORK = "building"
STRIDE_PX = 4
COARSEST_PX = 8
"""Levels of larger pixels tell too little of where something lies."""


class Describer:
    """Describes the places of an image by the features that a network has of them.

    Parameters
    ----------
    encoder : Encoder

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> describe = Describer(build_model("tinysiam", 3).get_submodule("encoder"))
    >>> describe(np.zeros((64, 48), np.float32)).shape[:2]
    (16, 12)
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder.eval()

    @torch.no_grad()
    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return unit descriptors of the places every 4 px.

        Parameters
        ----------
        image : float32 (H, W)
            In 0 to 1; every band of the network gets it.

        Returns
        -------
        float32 (H // 4, W // 4, features)
        """
        bands = next(self.encoder.parameters()).shape[1]
        pixels = torch.from_numpy(4 * image - 2).float().expand(1, bands, *image.shape)
        size = image.shape[0] // STRIDE_PX, image.shape[1] // STRIDE_PX
        levels = []
        for level, stride in zip(self.encoder(pixels), self.encoder.strides, strict=True):
            if stride <= COARSEST_PX:
                part = interpolate(level, size, mode="bilinear")
                part = part - part.mean((2, 3), keepdim=True)
                spread = part.std((2, 3), keepdim=True) + 1e-6
                levels.append(part / spread / part.shape[1] ** 0.5)
        described = normalize(torch.cat(levels, 1)[0], dim=0).permute(1, 2, 0)
        found: NDArray[np.float32] = described.numpy()
        return found


def load_describer(name: str = NETWORK) -> Describer | None:
    """Return the describer of a network that comes with geochange; None if it does not come."""
    if name not in [model.name for model in list_models()]:
        return None
    model, _ = load_checkpoint(find_model(name))
    return Describer(cast(Encoder, model.get_submodule("encoder")))

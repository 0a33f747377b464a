"""Backbones of timm and segmentation-models-pytorch as encoders, when those are installed."""

from __future__ import annotations

import importlib
import re
from typing import Any

from torch import Tensor, nn

from geochange.errors import UsageError
from geochange.nn.parts.encoders import Encoder

LIBRARIES = {
    "timm": ("timm", "timm"),
    "smp": ("segmentation_models_pytorch", "segmentation-models-pytorch"),
}
"""Prefix to the module's name and to what pip calls it."""


class ForeignEncoder(Encoder):
    """A backbone of another library; of its features those at stride 2 and more are used.

    Parameters
    ----------
    backbone : torch.nn.Module
        Returns features, finest first, the image itself perhaps among them.
    widths, strides : list of int
        Of all the features it returns; of several of one stride the last is used.
    """

    def __init__(self, backbone: nn.Module, widths: list[int], strides: list[int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.keep = [
            i for i, stride in enumerate(strides) if stride > 1 and stride not in strides[i + 1 :]
        ]
        self.widths = tuple(widths[i] for i in self.keep)
        self.strides = tuple(strides[i] for i in self.keep)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return features, finest first."""
        features = self.backbone(x)
        return [features[i] for i in self.keep]


def build_foreign_encoder(name: str, bands: int) -> Encoder:
    """Build a backbone of another library, with random weights.

    Parameters
    ----------
    name : str
        ``timm:NAME`` or ``smp:NAME``.
    bands : int

    Raises
    ------
    UsageError
        Unknown library or backbone, or the library is not installed.

    Examples
    --------
    >>> build_foreign_encoder("keras:vgg", 3)
    Traceback (most recent call last):
    ...
    geochange.errors.UsageError: unknown backbone 'keras:vgg'; write timm:NAME or smp:NAME
    """
    prefix, _, model = name.partition(":")
    if prefix not in LIBRARIES or not re.fullmatch(r"[\w.-]+", model):
        msg = f"unknown backbone '{name}'; write timm:NAME or smp:NAME"
        raise UsageError(msg)
    library = _import_library(prefix, name)
    try:
        return (
            _build_timm(library, model, bands)
            if prefix == "timm"
            else _build_smp(library, model, bands)
        )
    except (RuntimeError, KeyError, AttributeError, NotImplementedError) as error:
        msg = f"{prefix} cannot build a backbone '{model}' of {bands} bands ({error})"
        raise UsageError(msg) from error


def _import_library(prefix: str, name: str) -> Any:
    module, package = LIBRARIES[prefix]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        msg = (
            f"encoder '{name}' needs {package}, which is not installed; run: pip install {package}"
        )
        raise UsageError(msg) from error


def _build_timm(timm: Any, model: str, bands: int) -> Encoder:
    backbone = timm.create_model(model, features_only=True, in_chans=bands, pretrained=False)
    info = backbone.feature_info
    return ForeignEncoder(backbone, list(info.channels()), list(info.reduction()))


def _build_smp(smp: Any, model: str, bands: int) -> Encoder:
    backbone = smp.encoders.get_encoder(model, in_channels=bands, depth=5, weights=None)
    widths = list(backbone.out_channels)
    return ForeignEncoder(backbone, widths, [2**level for level in range(len(widths))])

"""Networks composed of an encoder, fusions and a decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from geochange.nn.networks.network import ChangeNet, Trace
from geochange.nn.parts.decoders import Decoder
from geochange.nn.parts.encoders import Encoder, adapt_bands, encode_pair
from geochange.nn.parts.fusion import Fusion
from geochange.nn.parts.layers import Head


class SiameseNet(ChangeNet):
    """One encoder sees both dates, fusions compare them level by level, a decoder refines.

    Parameters
    ----------
    bands : tuple of int
        Bands of the two dates; with different ones each date gets a 1x1 convolution of its own
        and all further weights are shared.
    encoder : Encoder
        Takes ``max(bands)`` channels.
    fusions : sequence of Fusion
        One for each level of the encoder.
    decoder : Decoder
    kernel : int
        Size of the last convolution.
    auxiliary : bool
        Logits at the coarser levels too, for deep supervision.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> model = build_model("fc-siam-diff", bands=3)
    >>> model(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 1, 32, 32])
    """

    def __init__(
        self,
        bands: tuple[int, int],
        encoder: Encoder,
        fusions: Sequence[Fusion],
        decoder: Decoder,
        *,
        kernel: int = 1,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        self.adapters = adapt_bands(bands)
        self.encoder = encoder
        self.fusions = nn.ModuleList(fusions)
        self.decoder = decoder
        self.head = Head(decoder.widths[0], scale=encoder.strides[0], kernel=kernel)
        self.auxiliary = nn.ModuleList(Head(w) for w in decoder.widths[1:] if auxiliary)
        self.stride = encoder.strides[-1]
        self.symmetric = all(fusion.symmetric for fusion in fusions) and bands[0] == bands[1]

    def trace(self, before: Tensor, after: Tensor) -> Trace:
        """Compute logits and the deepest features of each date."""
        pairs = encode_pair(self.encoder, self.adapters, before, after)
        fused = [fuse(*pair) for fuse, pair in zip(self.fusions, pairs, strict=True)]
        return Trace(decode(self, fused), pairs[-1])


class EarlyFusionNet(ChangeNet):
    """The dates are concatenated before the first convolution: one image of C1 + C2 bands.

    Parameters
    ----------
    encoder : Encoder
        Takes the sum of the bands.
    decoder : Decoder
    kernel, auxiliary
        See :class:`SiameseNet`.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> build_model("fc-ef", bands=(3, 1)).symmetric
    False
    """

    symmetric = False

    def __init__(
        self, encoder: Encoder, decoder: Decoder, *, kernel: int = 1, auxiliary: bool = False
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = Head(decoder.widths[0], scale=encoder.strides[0], kernel=kernel)
        self.auxiliary = nn.ModuleList(Head(w) for w in decoder.widths[1:] if auxiliary)
        self.stride = encoder.strides[-1]

    def trace(self, before: Tensor, after: Tensor) -> Trace:
        """Compute logits; the dates have no features of their own."""
        return Trace(decode(self, self.encoder(torch.cat([before, after], dim=1))))


def decode(model: SiameseNet | EarlyFusionNet, features: Sequence[Tensor]) -> list[Tensor]:
    """Decode fused features and return the logits of all heads, finest first."""
    levels = model.decoder(features)
    logits = [model.head(levels[0])]
    return logits + [head(x) for head, x in zip(model.auxiliary, levels[1:], strict=False)]

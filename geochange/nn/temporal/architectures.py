"""The named networks for series: one encoder of dates, one way along time, one decoder each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from geochange.nn.temporal.attention import DateAttention
from geochange.nn.temporal.decoder import IntervalDecoder
from geochange.nn.temporal.encoder import DateEncoder
from geochange.nn.temporal.inputs import DateInputs
from geochange.nn.temporal.network import NEVER, SeriesNet
from geochange.nn.temporal.recurrent import ConvLSTM, PixelLSTM


class RecurrentNet(SeriesNet):
    """Dates are encoded, remembered forwards and backwards, and decoded.

    Parameters
    ----------
    bands : int
    widths : sequence of int
        Of the encoder.
    memory : Module
        Takes and gives (N, T, channels, H, W).
    decoder : int
        Channels of the decoder.
    """

    def __init__(
        self, bands: int, widths: Sequence[int], memory: PixelLSTM | ConvLSTM, decoder: int
    ) -> None:
        super().__init__()
        self.inputs = DateInputs(bands)
        self.encoder = DateEncoder(self.inputs.width, widths)
        self.memory = memory
        self.decoder = IntervalDecoder(memory.width + self.encoder.width, decoder)

    def decide(self, images: Tensor, valid: Tensor, days: Tensor) -> Tensor:
        """Return logits (N, T, H, W)."""
        features = self.encoder(self.inputs(images, valid, days))
        logits: Tensor = self.decoder(torch.cat([features, self.memory(features)], dim=2))
        return logits


class AttentionNet(SeriesNet):
    """Dates are encoded, look at each other layer by layer, and are decoded."""

    def __init__(
        self, bands: int, widths: Sequence[int], layers: int, heads: int, decoder: int
    ) -> None:
        super().__init__()
        self.inputs = DateInputs(bands)
        self.encoder = DateEncoder(self.inputs.width, widths)
        width = self.encoder.width
        self.layers = nn.ModuleList(DateAttention(width, heads) for _ in range(layers))
        self.decoder = IntervalDecoder(2 * width, decoder)

    def decide(self, images: Tensor, valid: Tensor, days: Tensor) -> Tensor:
        """Return logits (N, T, H, W)."""
        features = self.encoder(self.inputs(images, valid, days))
        seen = features
        for layer in self.layers:
            seen = seen + layer(seen, valid, days)
        logits: Tensor = self.decoder(torch.cat([features, seen], dim=2))
        return logits


class TwoDatesNet(SeriesNet):
    """A siamese network of each pixel's first and last valid date: what two dates alone can tell.

    It says change, and of its date only that it is the last one.
    """

    def __init__(self, bands: int, widths: Sequence[int], decoder: int) -> None:
        super().__init__()
        self.inputs = DateInputs(bands)
        self.encoder = DateEncoder(self.inputs.width, widths)
        self.decoder = IntervalDecoder(2 * self.encoder.width, decoder)

    def decide(self, images: Tensor, valid: Tensor, days: Tensor) -> Tensor:
        """Return logits (N, T, H, W), those of all dates but the last valid one ruled out."""
        order = torch.arange(1, images.shape[1] + 1, device=images.device)[:, None, None]
        last = (valid * order).argmax(dim=1, keepdim=True)
        first = (valid * order.flip(0)).argmax(dim=1, keepdim=True)
        ends = torch.cat([first, last], dim=1)
        pair = images.gather(1, ends[:, :, None].expand(-1, -1, images.shape[2], -1, -1))
        seen = valid.gather(1, ends)
        before, after = self.encoder(self.inputs(pair, seen, days[:, [0, -1]])).unbind(dim=1)
        compared = torch.cat([(after - before).abs(), after + before], dim=1)[:, None]
        logit = self.decoder(compared)
        here = torch.arange(images.shape[1], device=images.device)[:, None, None] == last
        return torch.where(here, logit, NEVER)


def cnn_lstm(
    bands: int, *, widths: Sequence[int] = (16, 24), memory: int = 24, decoder: int = 24
) -> SeriesNet:
    """Build a CNN that encodes each date and an LSTM over the features of each pixel.

    Parameters
    ----------
    bands : int
    widths : sequence of int
        Channels of the encoder's 3x3 convolutions.
    memory : int
        Channels that each direction of the LSTM remembers.
    decoder : int
        Channels of the decoder.
    """
    return RecurrentNet(bands, widths, PixelLSTM(list(widths)[-1], memory), decoder)


def convlstm(
    bands: int, *, widths: Sequence[int] = (16, 24), memory: int = 12, decoder: int = 24
) -> SeriesNet:
    """Build a CNN that encodes each date and a convolutional LSTM over the dates."""
    return RecurrentNet(bands, widths, ConvLSTM(list(widths)[-1], memory), decoder)


def temporal_attention(
    bands: int,
    *,
    widths: Sequence[int] = (16, 24),
    layers: int = 2,
    heads: int = 4,
    decoder: int = 24,
) -> SeriesNet:
    """Build a CNN that encodes each date and attention among the dates of each pixel."""
    return AttentionNet(bands, widths, layers, heads, decoder)


def two_dates(bands: int, *, widths: Sequence[int] = (16, 24), decoder: int = 24) -> SeriesNet:
    """Build a siamese network that looks at the first and the last date alone, to compare with."""
    return TwoDatesNet(bands, widths, decoder)

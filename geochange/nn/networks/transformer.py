"""A bitemporal image transformer: both dates as a few semantic tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geochange.nn.networks.network import ChangeNet, Trace
from geochange.nn.parts.encoders import Encoder, adapt_bands, encode_pair
from geochange.nn.parts.layers import ConvBlock, Head, conv_stack, enlarge


class Feed(nn.Sequential):
    """The two-layer perceptron of a transformer.

    Examples
    --------
    >>> Feed(8)(torch.zeros(1, 5, 8)).shape
    torch.Size([1, 5, 8])
    """

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


class AttentionLayer(nn.Module):
    """Attention of ``x`` over ``tokens`` and a perceptron, each normalised first and added.

    Examples
    --------
    >>> layer = AttentionLayer(8, heads=2)
    >>> layer(torch.zeros(1, 100, 8), torch.zeros(1, 4, 8)).shape
    torch.Size([1, 100, 8])
    """

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.feed = Feed(width)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Update (N, L, width) by what (N, T, width) tell."""
        known = self.norms[1](tokens)
        x = x + self.attention(self.norms[0](x), known, known, need_weights=False)[0]
        updated: Tensor = x + self.feed(self.norms[2](x))
        return updated


class BitemporalTransformer(ChangeNet):
    """BIT (Chen, Qi and Shi 2022, doi:10.1109/TGRS.2021.3095166, arXiv 2103.00208).

    A tokenizer pools each date's features into a few tokens by learned spatial attention, a
    transformer relates the tokens of both dates, and each date's pixels then attend to the refined
    tokens of their own date; the absolute difference is classified. Tokens look at the whole
    image. A token's place embedding is the same at both dates, so the dates are exchangeable.

    Parameters
    ----------
    bands : tuple of int
    encoder : Encoder
        Takes ``max(bands)`` channels; its two deepest levels are used.
    width : int
        Channels of pixels and tokens.
    tokens : int
        Tokens of a date.
    layers : tuple of int
        Attention layers among tokens and of pixels over tokens.
    heads : int
        Attention heads.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> model = build_model("bit", bands=3)
    >>> model.symmetric, model.stride
    (True, 8)
    """

    def __init__(
        self,
        bands: tuple[int, int],
        encoder: Encoder,
        *,
        width: int,
        tokens: int,
        layers: tuple[int, int],
        heads: int,
    ) -> None:
        super().__init__()
        self.stride = encoder.strides[-1]
        self.symmetric = bands[0] == bands[1]
        self.scale = encoder.strides[-2]
        self.adapters = adapt_bands(bands)
        self.encoder = encoder
        self.deep_conv = ConvBlock(encoder.widths[-1], width, kernel=1)
        self.fine_conv = ConvBlock(encoder.widths[-2], width, kernel=1)
        self.mix = conv_stack(width, [width])
        self.tokenizer = nn.Conv2d(width, tokens, 1, bias=False)
        self.place = nn.Parameter(torch.randn(1, tokens, width) * 0.02)
        self.among = nn.ModuleList(AttentionLayer(width, heads=heads) for _ in range(layers[0]))
        self.over = nn.ModuleList(AttentionLayer(width, heads=heads) for _ in range(layers[1]))
        self.classify = conv_stack(width, [width])
        self.head = Head(width, scale=self.scale)

    def trace(self, before: Tensor, after: Tensor) -> Trace:
        """Compute logits and the features of each date before attention."""
        levels = encode_pair(self.encoder, self.adapters, before, after)
        pixels = [self._pixels(levels[-2][date], levels[-1][date]) for date in (0, 1)]
        tokens = self._relate(torch.cat([self._tokens(x) for x in pixels], dim=1))
        seen = [self._look(x, t) for x, t in zip(pixels, tokens.chunk(2, dim=1), strict=True)]
        logits = self.head(self.classify((seen[0] - seen[1]).abs()))
        return Trace([logits], (pixels[0], pixels[1]))

    def _pixels(self, fine: Tensor, deep: Tensor) -> Tensor:
        scale = self.encoder.strides[-1] // self.scale
        mixed: Tensor = self.mix(self.fine_conv(fine) + enlarge(self.deep_conv(deep), scale))
        return mixed

    def _tokens(self, pixels: Tensor) -> Tensor:
        """Pool (N, C, H, W) to (N, tokens, C)."""
        share = self.tokenizer(pixels).flatten(2).softmax(dim=-1)
        tokens: Tensor = share @ pixels.flatten(2).mT + self.place
        return tokens

    def _relate(self, tokens: Tensor) -> Tensor:
        for layer in self.among:
            tokens = layer(tokens, tokens)
        return tokens

    def _look(self, pixels: Tensor, tokens: Tensor) -> Tensor:
        """Let pixels (N, C, H, W) attend to tokens (N, T, C)."""
        flat = pixels.flatten(2).mT
        for layer in self.over:
            flat = layer(flat, tokens)
        return flat.mT.reshape(pixels.shape)

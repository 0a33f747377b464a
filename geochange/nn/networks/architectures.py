"""The named networks: each function composes one for the bands of two dates."""

from __future__ import annotations

from collections.abc import Sequence

from geochange.errors import UsageError
from geochange.nn.networks.image import ImageNet
from geochange.nn.networks.network import ChangeNet
from geochange.nn.networks.siamese import EarlyFusionNet, SiameseNet
from geochange.nn.networks.snunet import SNUNet
from geochange.nn.networks.transformer import BitemporalTransformer
from geochange.nn.parts.decoders import PyramidDecoder, UNetDecoder
from geochange.nn.parts.encoders import ResNetEncoder, StridedEncoder, VGGEncoder
from geochange.nn.parts.registry import build_decoder, build_encoder, build_fusions

Bands = tuple[int, int]
"""Bands of the before and of the after date."""


def tinysiam(
    bands: Bands,
    *,
    widths: Sequence[int] = (16, 32, 64),
    depths: Sequence[int] = (1, 1, 2),
    decoder_depths: Sequence[int] = (1, 1, 2),
    fusion: str | Sequence[str] = ("difference", "difference+sum", "difference+sum"),
) -> ChangeNet:
    """Build our own small network: stride-2 stem, dense 3x3 convolutions, nothing global.

    Parameters
    ----------
    bands : tuple of int
    widths : sequence of int
        Channels at 1/2, 1/4, 1/8 ... of the resolution.
    depths, decoder_depths : sequence of int
        3x3 convolutions at each level after the strided one, and of the decoder.
    fusion : str or sequence of str
        See :func:`geochange.nn.parts.registry.build_fusions`.
    """
    encoder = StridedEncoder(max(bands), widths=widths, depths=depths)
    fusions = build_fusions(fusion, widths)
    decoder = PyramidDecoder(
        [f.width for f in fusions], encoder.strides, widths=widths, depths=decoder_depths
    )
    return SiameseNet(bands, encoder, fusions, decoder, auxiliary=True)


def fc_ef(bands: Bands, *, widths: Sequence[int] = (16, 32, 64, 128)) -> ChangeNet:
    """Build FC-EF: a small U-Net on concatenated dates (Daudt et al. 2018, arXiv 1810.08462)."""
    encoder = _daudt_encoder(sum(bands), widths)
    return EarlyFusionNet(encoder, _daudt_decoder(encoder, encoder.widths), kernel=3)


def fc_siam_conc(bands: Bands, *, widths: Sequence[int] = (16, 32, 64, 128)) -> ChangeNet:
    """Build FC-Siam-conc: skips of both dates, and the deepest of the after date (Daudt et al.)."""
    return _daudt_siamese(bands, [*widths], ["concatenation"] * len(widths) + ["after"])


def fc_siam_diff(bands: Bands, *, widths: Sequence[int] = (16, 32, 64, 128)) -> ChangeNet:
    """Build FC-Siam-diff: skips are absolute differences (Daudt et al. 2018).

    The deepest features are differences too, where the authors pass on those of the after date,
    so that the dates are exchangeable.
    """
    return _daudt_siamese(bands, [*widths], ["difference"] * (len(widths) + 1))


def unet(
    bands: Bands,
    *,
    widths: Sequence[int] = (32, 64, 128, 256),
    depths: Sequence[int] = (2, 2, 2, 2),
) -> ChangeNet:
    """Build a plain U-Net on concatenated dates (Ronneberger et al. 2015, arXiv 1505.04597)."""
    encoder = VGGEncoder(sum(bands), widths=widths, depths=depths)
    decoder = UNetDecoder(encoder.widths, encoder.strides, widths=widths[:-1], depths=depths[:-1])
    return EarlyFusionNet(encoder, decoder)


def snunet(bands: Bands, *, width: int = 16) -> ChangeNet:
    """Build SNUNet-CD (Fang et al. 2021); ``width`` 16 is the authors' smallest."""
    return SNUNet(bands, width=width)


def bit(
    bands: Bands,
    *,
    widths: Sequence[int] = (32, 64, 128),
    depths: Sequence[int] = (1, 2, 2),
    width: int = 32,
    tokens: int = 4,
    layers: Sequence[int] = (1, 4),
    heads: int = 4,
) -> ChangeNet:
    """Build a bitemporal transformer on a small ResNet (Chen, Qi and Shi 2022)."""
    encoder = ResNetEncoder(max(bands), widths=widths, depths=depths)
    among, over = layers
    return BitemporalTransformer(
        bands, encoder, width=width, tokens=tokens, layers=(among, over), heads=heads
    )


def attention(
    bands: Bands,
    *,
    widths: Sequence[int] = (24, 48, 96),
    depths: Sequence[int] = (1, 1, 2),
    decoder_width: int = 32,
    fusion: str | Sequence[str] = ("difference", "attention", "attention"),
) -> ChangeNet:
    """Build a siamese ResNet whose dates are compared by cross-temporal attention in a window.

    At half resolution the difference is taken, where attention would cost most and see least.
    """
    encoder = ResNetEncoder(max(bands), widths=widths, depths=depths)
    fusions = build_fusions(fusion, widths)
    count = len(widths)
    decoder = PyramidDecoder(
        [f.width for f in fusions],
        encoder.strides,
        widths=[decoder_width] * count,
        depths=[1] * count,
    )
    return SiameseNet(bands, encoder, fusions, decoder, auxiliary=True)


def siamese(
    bands: Bands,
    *,
    encoder: str = "resnet",
    decoder: str = "pyramid",
    fusion: str | Sequence[str] = "difference",
    widths: Sequence[int] = (32, 64, 128),
    depths: Sequence[int] = (1, 2, 2),
    decoder_widths: Sequence[int] = (),
) -> ChangeNet:
    """Build a network of parts by name.

    Parameters
    ----------
    bands : tuple of int
    encoder : str
        ``strided``, ``vgg``, ``resnet``, or a backbone of another library such as
        ``timm:resnet18`` or ``smp:mobilenet_v2``; ``widths`` and ``depths`` are not for those.
    decoder : str
        ``pyramid`` or ``unet``.
    fusion : str or sequence of str
        See :func:`geochange.nn.parts.registry.build_fusions`.
    widths, depths : sequence of int
        Channels and convolutions (residual blocks of ``resnet``) of each level.
    decoder_widths : sequence of int
        Channels of the decoder's levels; default: those of the encoder, at most 128.
    """
    body = build_encoder(encoder, max(bands), widths, depths)
    fusions = build_fusions(fusion, body.widths)
    chosen = list(decoder_widths) or [min(128, width) for width in body.widths]
    return SiameseNet(
        bands, body, fusions, build_decoder(decoder, fusions, body, chosen), auxiliary=True
    )


def image(
    bands: Bands,
    *,
    encoder: str = "strided",
    fusion: str = "difference+sum",
    widths: Sequence[int] = (16, 32, 48),
    depths: Sequence[int] = (0, 1, 1),
    width: int = 48,
    shrink: int = 2,
    dates: int = 2,
) -> ChangeNet:
    """Build a network that decides on whole images: changed or not (task ``image``).

    Parameters
    ----------
    bands : tuple of int
    encoder, fusion, widths, depths
        See :func:`siamese`; the deepest level is compared.
    width, shrink, dates
        See :class:`geochange.nn.networks.image.ImageNet`.
    """
    if dates not in (1, 2):
        msg = f"network 'image' looks at 1 date, the after date, or at 2, got dates={dates}"
        raise UsageError(msg)
    body = build_encoder(encoder, bands[1] if dates == 1 else max(bands), widths, depths)
    deepest = build_fusions(fusion, body.widths)[-1]
    return ImageNet(bands, body, deepest, width=width, shrink=shrink, dates=dates)


def _daudt_encoder(bands: int, widths: Sequence[int]) -> VGGEncoder:
    depths = [2 if level < 2 else 3 for level in range(len(widths))]
    return VGGEncoder(bands, widths=widths, depths=depths, pool_last=True)


def _daudt_decoder(encoder: VGGEncoder, inputs: Sequence[int]) -> UNetDecoder:
    widths = encoder.widths[:-1]
    depths = [1, *(2 if level < 2 else 3 for level in range(1, len(widths)))]
    return UNetDecoder(inputs, encoder.strides, widths=widths, depths=depths, learned=True)


def _daudt_siamese(bands: Bands, widths: Sequence[int], names: Sequence[str]) -> ChangeNet:
    encoder = _daudt_encoder(max(bands), widths)
    fusions = build_fusions(names, encoder.widths)
    decoder = _daudt_decoder(encoder, [f.width for f in fusions])
    return SiameseNet(bands, encoder, fusions, decoder, kernel=3)

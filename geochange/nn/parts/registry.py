"""The parts of networks by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from geochange.errors import UsageError, suggest
from geochange.nn.parts.attention import ChannelAttention, NeighbourAttention
from geochange.nn.parts.backbones import build_foreign_encoder
from geochange.nn.parts.decoders import Decoder, PyramidDecoder, UNetDecoder
from geochange.nn.parts.encoders import Encoder, ResNetEncoder, StridedEncoder, VGGEncoder
from geochange.nn.parts.fusion import (
    Concatenation,
    Difference,
    Fusion,
    Latest,
    Product,
    Several,
    Sum,
)

FUSIONS: dict[str, Callable[[int], Fusion]] = {
    "after": Latest,
    "attention": NeighbourAttention,
    "channel": ChannelAttention,
    "concatenation": Concatenation,
    "difference": Difference,
    "product": Product,
    "sum": Sum,
}


def build_fusion(spec: str, width: int) -> Fusion:
    """Build a fusion of features of ``width`` channels.

    Parameters
    ----------
    spec : str
        A name, or several joined by ``+`` such as ``"difference+sum"``.
    width : int

    Raises
    ------
    UsageError
        Unknown name.

    Examples
    --------
    >>> build_fusion("difference", 8).width, build_fusion("difference+concatenation", 8).width
    (8, 24)
    """
    names = [name.strip() for name in spec.split("+")]
    for name in names:
        if name not in FUSIONS:
            msg = f"unknown fusion '{name}' in '{spec}'{suggest(name, FUSIONS)}"
            raise UsageError(msg)
    parts = [FUSIONS[name](width) for name in names]
    return parts[0] if len(parts) == 1 else Several(parts)


def build_fusions(spec: str | Sequence[str], widths: Sequence[int]) -> list[Fusion]:
    """Build one fusion per level: ``spec`` for all, or a list with one for each, finest first.

    Raises
    ------
    UsageError
        Unknown name, or a list of another length.

    Examples
    --------
    >>> [type(fusion).__name__ for fusion in build_fusions(["difference", "sum"], (8, 16))]
    ['Difference', 'Sum']
    """
    specs = [spec] * len(widths) if isinstance(spec, str) else list(spec)
    if len(specs) != len(widths):
        msg = f"{len(specs)} fusions for {len(widths)} levels; give one name, or one for each level"
        raise UsageError(msg)
    return [build_fusion(one, width) for one, width in zip(specs, widths, strict=True)]


def build_encoder(name: str, bands: int, widths: Sequence[int], depths: Sequence[int]) -> Encoder:
    """Build an encoder: ``strided``, ``vgg``, ``resnet``, ``timm:NAME`` or ``smp:NAME``.

    Raises
    ------
    UsageError
        Unknown name.

    Examples
    --------
    >>> build_encoder("resnet", 3, (16, 32), (1, 1)).strides
    (2, 4)
    """
    if ":" in name:
        return build_foreign_encoder(name, bands)
    kinds: dict[str, Callable[..., Encoder]] = {
        "resnet": ResNetEncoder,
        "strided": StridedEncoder,
        "vgg": VGGEncoder,
    }
    if name not in kinds:
        msg = f"unknown encoder '{name}'{suggest(name, kinds)}, or 'timm:NAME' or 'smp:NAME'"
        raise UsageError(msg)
    return kinds[name](bands, widths=widths, depths=depths)


def build_decoder(
    name: str, fusions: Sequence[Fusion], encoder: Encoder, widths: Sequence[int]
) -> Decoder:
    """Build a decoder for what fusions give at an encoder's levels: ``pyramid`` or ``unet``.

    Raises
    ------
    UsageError
        Unknown name.

    Examples
    --------
    >>> encoder = build_encoder("vgg", 3, (8, 16), (1, 1))
    >>> build_decoder("unet", build_fusions("sum", encoder.widths), encoder, (8, 16)).widths
    (8,)
    """
    inputs = [fusion.width for fusion in fusions]
    if name == "pyramid":
        depths = [1] * len(widths)
        return PyramidDecoder(inputs, encoder.strides, widths=widths, depths=depths)
    if name == "unet":
        depths = [2] * (len(widths) - 1)
        return UNetDecoder(inputs, encoder.strides, widths=widths[:-1], depths=depths)
    msg = f"unknown decoder '{name}'{suggest(name, ('pyramid', 'unet'))}"
    raise UsageError(msg)

"""Pictures as arrays and as image files."""

from __future__ import annotations

import base64
import html
import io
import os
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from geochange.blocks import BoolArray, FloatArray

SCORE_RAMP = ("#fff5f0", "#fcbba1", "#fb6a4a", "#cb181d", "#67000d")
"""Colours of scores 0, 0.25, 0.5, 0.75 and 1: ColorBrewer Reds."""
UNCERTAINTY_RAMP = ("#f2f0f7", "#cbc9e2", "#9e9ac8", "#756bb1", "#54278f")
"""Colours of entropies 0 to 1 bit: ColorBrewer Purples."""
CHANGE_COLOUR = (228, 26, 28)
CONFUSION_CLASSES = {
    0: ("true negative", (217, 217, 217)),
    1: ("false positive", (213, 94, 0)),
    2: ("false negative", (0, 114, 178)),
    3: ("true positive", (0, 158, 115)),
}
"""Name and colour of each code of a confusion map; 255 is unknown in map or reference. The colours
can be told apart with any colour vision (Okabe and Ito 2008)."""
STRETCH_PERCENTILES = (2.0, 98.0)
SAME_UNITS_SHARE = 0.05
Limits = list[tuple[float, float]]
"""One ``(low, high)`` per band: the values shown as black and as white."""


def choose_display_bands(roles: Sequence[str | None]) -> tuple[int, ...]:
    """Return the positions of the bands to show as red, green, blue (or one band as grey).

    Examples
    --------
    >>> choose_display_bands(["blue", "green", "red", "nir"])
    (2, 1, 0)
    >>> choose_display_bands(["swir1", "nir", "red", "green"])
    (0, 1, 2)
    >>> choose_display_bands([None])
    (0,)
    """
    order = list(roles)
    if len(order) < 3:
        return (0,)
    for wanted in (("red", "green", "blue"), ("swir1", "nir", "red"), ("nir", "red", "green")):
        if set(wanted) <= set(order):
            return tuple(order.index(role) for role in wanted)
    return 0, 1, 2


def stretch_pair(
    before: FloatArray, after: FloatArray, valid: BoolArray
) -> tuple[Limits, Limits, bool]:
    """Return the stretch of both dates and whether it is one and the same.

    It is, unless their values are of different units (digital numbers and reflectance, say): when
    in some band one date's range covers less than ``SAME_UNITS_SHARE`` of the range of both, each
    date gets its own.
    """
    both = stretch_limits([before, after], [valid, valid])
    own = [stretch_limits([image], [valid]) for image in (before, after)]
    widths = [
        (high - low) / (top - bottom)
        for limits in own
        for (low, high), (bottom, top) in zip(limits, both, strict=True)
    ]
    if min(widths) >= SAME_UNITS_SHARE:
        return both, both, True
    return own[0], own[1], False


def stretch_limits(images: Sequence[FloatArray], valids: Sequence[BoolArray]) -> Limits:
    """Return one ``(low, high)`` per band that serves all images: 2nd and 98th percentile.

    Both dates share them, since a stretch per date would show change where there is none.

    Parameters
    ----------
    images : sequence of float32 (C, H, W)
    valids : sequence of bool (H, W)
    """
    limits = []
    for band in range(len(images[0])):
        values = [i[band][v] for i, v in zip(images, valids, strict=True)]
        pixels = np.concatenate(values)
        low, high = np.percentile(pixels, STRETCH_PERCENTILES) if pixels.size else (0.0, 1.0)
        limits.append((float(low), float(high if high > low else low + 1.0)))
    return limits


def render_rgb(
    image: FloatArray, valid: BoolArray, limits: Sequence[tuple[float, float]]
) -> NDArray[np.uint8]:
    """Stretch an image to uint8 (H, W, 4); invalid pixels are transparent."""
    bands = (
        [image[i if len(image) > 1 else 0] for i in range(3)] if len(image) != 2 else [image[0]] * 3
    )
    scaled = []
    for position, band in enumerate(bands):
        low, high = limits[min(position, len(limits) - 1)]
        scaled.append(np.clip((band - low) / (high - low), 0.0, 1.0))
    colour = np.stack(scaled, axis=-1) ** 0.9 * 255
    alpha = np.where(valid, 255, 0)
    return np.dstack([np.rint(colour), alpha]).astype(np.uint8)


def render_score(score: FloatArray, ramp: Sequence[str] = SCORE_RAMP) -> NDArray[np.uint8]:
    """Colour a score (NaN where invalid) with a sequential ramp, uint8 (H, W, 4)."""
    stops = np.array([_rgb(colour) for colour in ramp], float)
    known = np.nan_to_num(score)
    places = np.linspace(0, 1, len(stops))
    colour = np.stack([np.interp(known, places, stops[:, c]) for c in range(3)], axis=-1)
    alpha = np.where(np.isnan(score), 0, 255)
    return np.dstack([colour, alpha]).astype(np.uint8)


def render_mask(mask: NDArray[np.uint8], opacity: int = 255) -> NDArray[np.uint8]:
    """Colour a mask: change red, no change transparent, no data grey; uint8 (H, W, 4)."""
    picture = np.zeros((*mask.shape, 4), np.uint8)
    picture[mask == 1] = (*CHANGE_COLOUR, opacity)
    picture[mask == 255] = (128, 128, 128, opacity // 2)
    return picture


def render_errors(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colour a confusion map (0 TN, 1 FP, 2 FN, 3 TP, 255 ignored), uint8 (H, W, 4)."""
    picture = np.full((*codes.shape, 4), 255, np.uint8)
    for code, (_, colour) in CONFUSION_CLASSES.items():
        picture[codes == code, :3] = colour
    return picture


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def outline(mask: NDArray[np.uint8]) -> BoolArray:
    """Return the pixels of change that border on something else, bool (H, W)."""
    change = np.pad(mask == 1, 1)
    inner = change[:-2, 1:-1] & change[2:, 1:-1] & change[1:-1, :-2] & change[1:-1, 2:]
    edge: BoolArray = change[1:-1, 1:-1] & ~inner
    return edge


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Encode uint8 (H, W, 3 or 4) as PNG; an alpha that hides nothing is left out."""
    opaque = picture.shape[2] == 4 and bool((picture[..., 3] == 255).all())
    image = Image.fromarray(picture[..., :3] if opaque else picture)
    buffer = io.BytesIO()
    # Runs alone pack photographs as well as full deflate does, in half the time.
    image.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def shrink_png(image: bytes) -> bytes:
    """Bring a PNG down to a palette of 256 colours."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(image)) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def encode_webp(picture: NDArray[np.uint8], max_px: int = 512, quality: int = 82) -> bytes:
    """Encode uint8 (H, W, 3 or 4) as WebP, shrunk to at most ``max_px`` on its longer side."""
    image = Image.fromarray(picture)
    image.thumbnail((max_px, max_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=2)
    return buffer.getvalue()


def read_picture(path: str | os.PathLike[str], max_px: int) -> NDArray[np.uint8]:
    """Read an image file as uint8 RGBA (H, W, 4), at most ``max_px`` on its longer side."""
    with Image.open(path) as image:
        picture = image.convert("RGBA")
    picture.thumbnail((max_px, max_px), Image.Resampling.BOX)
    return np.asarray(picture)


def enlarge(picture: NDArray[np.uint8], min_px: int) -> NDArray[np.uint8]:
    """Repeat pixels so that the longer side has at least ``min_px``: a few pixels stay visible."""
    factor = max(1, -(-min_px // max(picture.shape[:2])))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def blend(lower: NDArray[np.uint8], upper: NDArray[np.uint8], opacity: float) -> NDArray[np.uint8]:
    """Lay one RGBA picture over another of about the same size; returns the lower one's size."""
    base = Image.fromarray(lower)
    over = Image.fromarray(upper).resize(base.size, Image.Resampling.NEAREST)
    over.putalpha(over.getchannel("A").point(lambda a: int(a * opacity)))
    base.alpha_composite(over)
    return np.asarray(base)


def data_uri(image: bytes) -> str:
    """Return image bytes (PNG or WebP) as a ``data:`` URI."""
    kind = "png" if image.startswith(b"\x89PNG") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def swipe_html(before: bytes, after: bytes, labels: tuple[str, str], width_px: int) -> str:
    """Return a script-free before/after swipe: the upper picture's box is resized by dragging.

    It works where scripts and iframes are stripped, such as an untrusted notebook.
    """
    first, second = (html.escape(label) for label in labels)
    box = f"width:{width_px}px;max-width:none;display:block"
    tag = "position:absolute;top:6px;background:#000a;color:#fff;padding:1px 6px;font-size:11px"
    return (
        f'<div style="position:relative;width:{width_px}px;line-height:0">'
        f'<img src="{data_uri(after)}" alt="{second}" style="{box}">'
        f'<div style="{tag};right:6px;line-height:1.4">{second}</div>'
        '<div style="position:absolute;top:0;left:0;height:100%;width:50%;min-width:14px;'
        "max-width:100%;overflow:hidden;resize:horizontal;border-right:2px solid #fff;"
        'box-sizing:border-box">'
        f'<img src="{data_uri(before)}" alt="{first}" style="{box}">'
        f'<div style="{tag};left:6px;line-height:1.4">{first}</div></div></div>'
    )

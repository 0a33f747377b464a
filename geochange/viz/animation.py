"""A series as a film: one frame a date."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

FRAME_MS, LAST_MS = 900, 2500
BAR_PX = 22


def draw_frame(
    picture: NDArray[np.uint8],
    day: date,
    days: Sequence[date],
    changed: NDArray[np.int32],
    colours: dict[str, str],
) -> Image.Image:
    """Draw the frame of a date: the picture, outlines of what changed so far, a bar of time.

    Parameters
    ----------
    picture : uint8 (h, w, 4)
    day : date
    days : sequence of date
        Of all frames.
    changed : int32 (h, w)
        Ordinal of the change of each cell, 0 for none.
    colours : mapping of str to str
        Of :func:`geochange.viz.timelines.time_colours`.
    """
    image = picture[..., :3].copy()
    image[picture[..., 3] == 0] = 60
    shown = _edges(changed) & (changed > 0) & (changed <= day.toordinal())
    for ordinal in np.unique(changed[shown]):
        colour = colours.get(date.fromordinal(int(ordinal)).isoformat(), "#e41a1c")
        newest = int(ordinal) == int(changed[shown].max())
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        image[shown & (changed == ordinal)] = (255, 40, 40) if newest else rgb
    return _label(image, day, days)


def _edges(changed: NDArray[np.int32]) -> NDArray[np.bool_]:
    padded = np.pad(changed, 1)
    middle = padded[1:-1, 1:-1]
    inner = middle == padded[:-2, 1:-1]
    for other in (padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        inner &= middle == other
    edges: NDArray[np.bool_] = (middle > 0) & ~inner
    return edges


def _label(image: NDArray[np.uint8], day: date, days: Sequence[date]) -> Image.Image:
    height, width = image.shape[:2]
    frame = Image.new("RGB", (width, height + BAR_PX), (24, 24, 24))
    frame.paste(Image.fromarray(image), (0, 0))
    draw = ImageDraw.Draw(frame)
    font = ImageFont.load_default(12)
    draw.text((6, height + 4), day.isoformat(), fill=(255, 255, 255), font=font)
    left, right = 84, width - 8
    if right - left > 20:
        line = height + BAR_PX // 2
        draw.line((left, line, right, line), fill=(110, 110, 110), width=2)
        whole = max(1, (days[-1] - days[0]).days)
        for other in days:
            x = left + (right - left) * (other - days[0]).days / whole
            size = 4 if other == day else 2
            fill = (255, 80, 60) if other == day else (190, 190, 190)
            draw.ellipse((x - size, line - size, x + size, line + size), fill=fill)
    return frame


def encode_gif(frames: Iterable[Image.Image], last: Image.Image) -> bytes:
    """Encode frames as an endless GIF with one palette of 256 colours; the last one stays longer.

    The same frames give the same bytes.

    Parameters
    ----------
    frames : iterable of Image
    last : Image
        The last of them, whose colours all have.
    """
    palette = last.quantize(255, dither=Image.Dither.NONE)
    shown = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    return _encode(shown, "GIF", disposal=1)


def encode_apng(frames: Iterable[Image.Image]) -> bytes:
    """Encode frames as an endless APNG in all their colours; the last one stays longer.

    The same frames give the same bytes.
    """
    return _encode(list(frames), "PNG")


def _encode(frames: list[Image.Image], form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    times = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    frames[0].save(
        buffer, form, save_all=True, append_images=frames[1:], duration=times, loop=0, **options
    )
    return buffer.getvalue()

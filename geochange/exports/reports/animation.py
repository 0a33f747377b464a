"""The animation that a run over a series leaves: the dates, with the changes appearing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from geochange.errors import UsageError
from geochange.series.frames import Frames
from geochange.viz.animation import draw_frame, encode_apng, encode_gif
from geochange.viz.timelines import time_colours

ANIMATIONS = {"gif": "animation.gif", "apng": "animation.png"}
"""Kind to file name."""
LEAST_SIDE_PX = 240


def check_animation(kind: str) -> None:
    """Refuse a kind of animation that is not known.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> check_animation("gif")
    """
    if kind not in ANIMATIONS:
        msg = f"unknown animation '{kind}'; give gif (256 colours, opens anywhere) or apng"
        raise UsageError(msg)


def animate(frames: Frames, days: Sequence[date], changed: NDArray[np.int32], kind: str) -> bytes:
    """Return the animation of the frames, as a file of its kind.

    Parameters
    ----------
    frames : Frames
    days : sequence of date
        All that the result speaks of; they settle the colours.
    changed : int32 (h, w)
        Ordinal of the change of each cell of the frames, 0 for none.
    kind : {'gif', 'apng'}
    """
    times = -(-LEAST_SIDE_PX // max(changed.shape))
    outlined, colours = _enlarge(changed, times), time_colours(days)

    def draw(position: int) -> Image.Image:
        picture = _enlarge(frames.render(position), times)
        return draw_frame(picture, frames.days[position], frames.days, outlined, colours)

    drawn = (draw(position) for position in range(len(frames.days)))
    return encode_gif(drawn, draw(-1)) if kind == "gif" else encode_apng(drawn)


def _enlarge(picture: NDArray[Any], times: int) -> NDArray[Any]:
    return picture.repeat(times, axis=0).repeat(times, axis=1)

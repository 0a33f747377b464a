"""A trained network that decides on whole images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from geochange.blocks import BoolArray, FloatArray, PairTraits
from geochange.detectors.network import NetworkDetector
from geochange.detectors.suitability import suits
from geochange.errors import UsageError
from geochange.nn.checkpoints.card import Card
from geochange.nn.checkpoints.shipped import Model, list_models

AUTO = "auto"


class ImageNetwork(NetworkDetector):
    """Say how likely it is that whole images changed, with a network of the task ``image``.

    Parameters, attributes and errors are those of :class:`NetworkDetector`. Its
    :meth:`score` gives every pixel the probability of the image that it is in.

    Examples
    --------
    >>> import tempfile
    >>> from geochange.nn.checkpoints.card import Band
    >>> from geochange.nn.checkpoints.checkpoint import save_checkpoint
    >>> from geochange.nn.networks.registry import build_model
    >>> from geochange.nn.normalization import SceneNormalization
    >>> pan = (Band("pan"),)
    >>> card = Card("demo", pan, pan, SceneNormalization(), task="image", image_px=32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/demo.safetensors"
    ...     _ = save_checkpoint(path, build_model("image", 1), card)
    ...     ImageNetwork(checkpoint=path).card.image_px
    32
    """

    task = "image"

    @property
    def dates(self) -> int:
        """How many dates the network looks at: 1, the after date, or 2."""
        return int(self.card.options.get("dates", 2))

    def rate(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Return the probability of change of each image.

        Parameters
        ----------
        before, after : float32 (N, C, H, W)
        valid : bool (N, H, W)

        Returns
        -------
        float32 (N,)
            NaN where no pixel is valid.
        """
        margins = [-edge % self.card.stride for edge in valid.shape[-2:]]
        if any(margins):
            pad = ((0, margins[0]), (0, margins[1]))
            before, after = (np.pad(date, ((0, 0), (0, 0), *pad)) for date in (before, after))
            valid = np.pad(valid, ((0, 0), *pad))
        rated = np.full(len(valid), np.nan, np.float32)
        some = valid.any(axis=(1, 2))
        if some.any():
            seen = slice(None) if some.all() else some
            dates = self._select(before[seen], after[seen], axis=1)
            rated[seen] = self._run(*dates, valid[seen])[:, 0, 0]
        return rated

    def rate_squares(
        self, before: FloatArray, after: FloatArray, valid: BoolArray, edge: int
    ) -> FloatArray:
        """Return the probability of change of every square of one image, which is not cut up.

        Parameters
        ----------
        before, after : float32 (C, H, W)
            H and W are multiples of ``edge``.
        valid : bool (H, W)
        edge : int
            A multiple of the network's stride, in pixels.

        Returns
        -------
        float32 (H / edge, W / edge)
            NaN where no pixel is valid.
        """
        rows, cols = (length // edge for length in valid.shape)
        some = valid.reshape(rows, edge, cols, edge).any(axis=(1, 3))
        if not some.any():
            return np.full((rows, cols), np.nan, np.float32)
        dates = self._select(before, after, axis=0)
        return np.where(some, self._run(*dates, valid, edge), np.float32(np.nan))


def choose_screen(name: str, traits: PairTraits) -> str:
    """Return the network to screen with: the one that was named, or a shipped one that fits.

    Raises
    ------
    UsageError
        ``auto``, and none that comes with geochange fits.
    """
    if name != AUTO:
        return name
    fitting = [
        m for m in list_models("image") if m.card.automatic and suits(traits, m.card, "image")
    ]
    if not fitting:
        msg = (
            "no network for screening that comes with geochange fits these bands, pixel size and "
            'values; train one (task = "image") and name it, or leave the screening out'
        )
        raise UsageError(msg)
    return max(fitting, key=_rank).name


def _rank(model: Model) -> tuple[int, float]:
    """More bands go first, then a narrower range of pixel sizes."""
    finest, coarsest = model.card.gsd_m or (0.0, math.inf)
    return sum(model.card.bands), finest / coarsest


def find_threshold(card: Card, recall: float) -> float:
    """Return the highest threshold of a card that keeps this share of the changed pixels.

    Raises
    ------
    UsageError
        No share, or a card that knows none so high.

    Examples
    --------
    >>> from geochange.nn.checkpoints.card import Band, Recall
    >>> from geochange.nn.normalization import SceneNormalization
    >>> pan, points = (Band("pan"),), (Recall(0.9, 0.4, 0.1), Recall(0.99, 0.2, 0.3))
    >>> card = Card(
    ...     "demo", pan, pan, SceneNormalization(), task="image", image_px=32, recalls=points
    ... )
    >>> find_threshold(card, 0.95)
    0.2
    """
    if not 0 < recall <= 1:
        msg = f"a recall to keep is a share above 0 and at most 1, such as 0.99, got {recall}"
        raise UsageError(msg)
    enough = [point.threshold for point in card.recalls if point.recall >= recall]
    if not enough:
        msg = f"'{card.title}' knows no threshold that keeps {recall:g} of the change; {_say(card)}"
        raise UsageError(msg)
    return max(enough)


def _say(card: Card) -> str:
    known: Sequence[str] = [f"{point.recall:g}" for point in card.recalls]
    return f"it knows {', '.join(known)}" if known else "train it again with this version"

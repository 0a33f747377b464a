"""A trained network as a method for series."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray, FloatArray
from geochange.detectors.suitability import (
    check_pixel_size,
    check_values,
    choose_bands,
    require_task,
)
from geochange.errors import InputError, UsageError
from geochange.nn.checkpoints.card import Card
from geochange.nn.checkpoints.cardfile import read_card, write_json
from geochange.nn.checkpoints.integrity import require_whole
from geochange.nn.checkpoints.shipped import find_model, is_shipped
from geochange.nn.normalization import FixedNormalization
from geochange.series.protocol import Found, Ordinals, SeriesBlock
from geochange.series.robust import masked_median
from geochange.series.stack import Series

if TYPE_CHECKING:
    from geochange.nn.temporal.predictor import SeriesPredictor

FLOAT_BYTES, FLOATS_PER_DATE = 4, 320
"""Size of a number, and numbers that a pixel and date hold at a time in the usual networks."""
SAMPLE_EVERY = 7
"""One in so many values settles the normalisation by the scene."""


class SeriesNetwork:
    """A trained network for series; knows its bands, pixel size and threshold.

    The network says of each pixel how surely it changed and which date shows that first; how much
    it changed is the difference of its medians before and after. Everything but the pixels comes
    from the checkpoint's card: bands, normalisation, halo, threshold.

    Parameters
    ----------
    checkpoint : str
        Name of a shipped network (``geochange models``), or path of a ``.safetensors`` file.
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Attributes
    ----------
    card : Card
        What the checkpoint says.

    Raises
    ------
    InputError, UsageError
        Not a checkpoint of a network for series, a damaged one, or an unknown name.
    """

    least = 3

    def __init__(self, *, checkpoint: str = "series", device: str = "auto") -> None:
        self.checkpoint = checkpoint
        self.device = device
        path = find_model(checkpoint)
        self.card: Card = read_card(path)
        require_task(self.card, "series", path)
        require_whole(path, self.card)
        self.threshold = f"fixed:{self.card.threshold:g}"
        self._roles: tuple[str | None, ...] = ()
        self._dates = 2

    def suit(self, series: Series) -> Self:
        """Learn from the files of a series which bands are which and how many dates there are.

        Raises
        ------
        BandError, InputError
            A band is missing, or pixels of quite another size.

        Warns
        -----
        DataWarning
            Pixels of another size or kind of values than the network was trained on.
        """
        self._roles, self._dates = series.roles, len(series)
        self._select(len(series.bands))
        check_pixel_size(series.traits.gsd_m, self.card)
        check_values(series.traits.dtype, self.card)
        return self

    @property
    def halo(self) -> int:
        """Margin in pixels; of some networks it grows with the number of dates."""
        return self.card.halo + self.card.halo_per_date * max(0, self._dates - 2)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What a run records of the network."""
        shipped = {"model": self.checkpoint} if is_shipped(self.checkpoint) else {}
        return {
            **shipped,
            "weights": self.card.title,
            "architecture": self.card.architecture,
            "weights_sha256": self.card.sha256,
            "card_sha256": hashlib.sha256(write_json(self.card).encode()).hexdigest(),
        }

    def fit(self, blocks: Iterable[SeriesBlock]) -> Self:
        """Settle the normalisation: from the card, or from the scene.

        Raises
        ------
        InputError
            No valid pixel.
        """
        vars(self).pop("_predictor", None)
        fixed = self.card.normalization
        if isinstance(fixed, FixedNormalization):
            self.scaling_ = fixed.before
            return self
        parts = []
        for block in blocks:
            bands = self._select(block.images.shape[1])
            pixels = np.moveaxis(block.images[:, bands], 1, -1)
            parts.append(pixels[block.valid][::SAMPLE_EVERY])
        sample = np.concatenate(parts)
        if not len(sample):
            msg = "no pixel of the series is valid; check clouds, masks and nodata"
            raise InputError(msg)
        self.scaling_ = fixed.settle(sample, sample)[0]
        return self

    def bytes_per_pixel(self, dates: int, bands: int) -> int:
        """Return what the work on a pixel may hold at a time."""
        return FLOAT_BYTES * dates * (FLOATS_PER_DATE + 4 * bands)

    def score_series(self, images: FloatArray, valid: BoolArray, days: Ordinals) -> Found:
        """Find change in a window; see :class:`SeriesDetector`."""
        bands = self._select(images.shape[1])
        score, place = self._load()(images[:, bands], valid, days)
        judged = valid.sum(axis=0) > 1
        score = np.where(judged, score, np.float32(np.nan))
        place = np.where(judged, place, 0)
        before = np.where(valid, np.arange(len(days))[:, None, None], -1)
        before = np.where(np.arange(len(days))[:, None, None] < place, before, -1).max(axis=0)
        day = np.where(place > 0, days[place], 0).astype(np.int32)
        since = np.where((place > 0) & (before >= 0), days[before], 0).astype(np.int32)
        return Found(score, day, since, _measure_change(images, valid, place))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_predictor"}

    def _select(self, count: int) -> list[int]:
        return choose_bands(self.card.bands_before, self._roles, count)

    def _load(self) -> SeriesPredictor:
        """Return the network of this process, loading it the first time."""
        with _LOADING:
            if not hasattr(self, "_predictor"):
                self._predictor = self._open()
        return self._predictor

    def _open(self) -> SeriesPredictor:
        from geochange.nn.checkpoints.checkpoint import load_series_checkpoint
        from geochange.nn.temporal.predictor import SeriesPredictor

        model, card = load_series_checkpoint(find_model(self.checkpoint))
        if card != self.card:
            msg = f"{self.checkpoint} has changed since the run began; run again"
            raise InputError(msg)
        return SeriesPredictor(
            model, self.scaling_, device=self.device, temperature=card.temperature
        )


_LOADING = threading.Lock()


def _measure_change(images: FloatArray, valid: BoolArray, place: NDArray[np.int64]) -> FloatArray:
    """Return the median from a date on less that before it, float32 (C, H, W)."""
    order = np.arange(len(images))[:, None, None]
    later, earlier = valid & (order >= place), valid & (order < place)
    apart = masked_median(images, later[:, None]) - masked_median(images, earlier[:, None])
    change: FloatArray = np.where((place > 0) & later.any(axis=0), apart, 0.0).astype(np.float32)
    return change


def name_series_network(
    method: str, model: object, options: Mapping[str, object] | None
) -> tuple[str, dict[str, object]]:
    """Return method and options with a model that was named.

    Raises
    ------
    UsageError
        Another method, or a checkpoint among the options, is asked for as well.

    Examples
    --------
    >>> name_series_network("auto", "own.safetensors", None)
    ('network', {'checkpoint': 'own.safetensors'})
    """
    chosen = dict(options or {})
    if model is None:
        return method, chosen
    if method not in ("auto", "network") or "checkpoint" in chosen:
        other = f"method '{method}'" if "checkpoint" not in chosen else "option 'checkpoint'"
        msg = f"model '{model}' and {other} exclude each other; leave one out"
        raise UsageError(msg)
    return "network", {**chosen, "checkpoint": str(model)}

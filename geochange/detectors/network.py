"""A trained network as a detector."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.detectors.statistics.samples import sample_pixels
from geochange.detectors.suitability import (
    check_adapt,
    check_onnx,
    check_pixel_size,
    check_values,
    choose_dates_bands,
    require_task,
)
from geochange.errors import InputError
from geochange.nn.checkpoints.card import Card
from geochange.nn.checkpoints.cardfile import read_card
from geochange.nn.checkpoints.integrity import require_whole
from geochange.nn.checkpoints.onnxfile import OnnxPredictor, is_onnx, read_model, read_onnx_card
from geochange.nn.checkpoints.shipped import find_model, is_shipped
from geochange.nn.networks.windows import blend_windows
from geochange.nn.normalization import FixedNormalization

if TYPE_CHECKING:
    from geochange.nn.inference.adaptation import Sample, Statistics
    from geochange.nn.inference.predictor import Predictor

FEW_PIXELS = 250_000
"""Enough to see whether the bands are there, where there is nothing to learn."""


class NetworkDetector:
    """Score change with a network from a checkpoint.

    Everything but the pixels comes from the checkpoint's card: bands, normalisation, halo,
    threshold and temperature. Bands are found by their roles when the scene names them, so a
    network for red, green and blue can look at thirteen bands. Here the card is read and the
    weights are compared with its hash; each process loads them when it scores its first tile, so a
    task carries a name, no network.

    Parameters
    ----------
    checkpoint : str
        Name of a shipped network (``geochange models``), path of a ``.safetensors`` file that
        geochange wrote, or of an ``.onnx`` file that ``geochange export`` made of one: ONNX Runtime
        then scores, in float32 on the processor.
    roles : tuple of str or None
        Roles of the scene's bands at the before date.
    gsd_m : float, optional
        Pixel size of the scene in metres.
    dtype : str
        Pixel type of the scene's files.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    precision : str
        ``auto``, ``fp32``, ``bf16`` or ``fp16``; 16 bits are only used where they give the same
        scores.
    flips : bool
        Average the scores of four flips: four times the work.
    compiled : bool
        Try ``torch.compile`` on the first tile and keep it when it is faster, which is remembered
        in the user's cache.
    adapt : float
        Share of the scene, 0 to 1, in the statistics of the first batch normalisation, for each
        date; 0 leaves them as trained. For scenes hazier, brighter or darker than the training
        data; see :func:`geochange.nn.inference.adaptation.measure_statistics`.
    max_pixels, seed : int
        Size and seed of the sample that a scene's percentiles are taken from, for networks that
        are normalised by the scene.

    Attributes
    ----------
    card : Card
        What the checkpoint says.
    halo, step : int
        Pixels to see around a tile, and what its origin must be a multiple of.
    threshold : str
        Chosen on validation data.
    scalings_ : tuple of Scaling
        Of the before and the after date.
    statistics_ : dict
        Of the normalisations that were adapted; none without ``adapt``.

    Raises
    ------
    InputError
        Not a checkpoint of geochange, a damaged one, or one for other pixel sizes.
    UsageError
        No network of that name is shipped.
    BandError
        The scene lacks a band that the network needs.
    UsageError
        An option that an ONNX file cannot have, or the extra ``onnx`` is not installed.

    Warns
    -----
    DataWarning
        The pixel size lies outside the range that the network was trained for, or pixel values are
        of another kind.

    Examples
    --------
    >>> import tempfile
    >>> from geochange.nn.checkpoints.card import Band
    >>> from geochange.nn.checkpoints.checkpoint import save_checkpoint
    >>> from geochange.nn.networks.registry import build_model
    >>> from geochange.nn.normalization import SceneNormalization
    >>> card = Card("demo", (Band("pan"),), (Band("pan"),), SceneNormalization(), threshold=0.4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/demo.safetensors"
    ...     _ = save_checkpoint(path, build_model("tinysiam", 1), card)
    ...     detector = NetworkDetector(checkpoint=path)
    >>> detector.halo, detector.step, detector.threshold
    (64, 8, 'fixed:0.4')
    """

    score_is_probability = True
    task = "pixels"

    def __init__(
        self,
        *,
        checkpoint: str,
        roles: tuple[str | None, ...] = (),
        gsd_m: float | None = None,
        dtype: str = "",
        device: str = "auto",
        precision: str = "auto",
        flips: bool = False,
        compiled: bool = False,
        adapt: float = 0.0,
        max_pixels: int = 500_000,
        seed: int = 0,
    ) -> None:
        self.checkpoint = checkpoint
        self.roles = roles
        self.gsd_m = gsd_m
        self.dtype = dtype
        self.device = device
        self.precision = precision
        self.flips = flips
        self.compiled = compiled
        self.adapt = adapt
        self.max_pixels = max_pixels
        self.seed = seed
        onnx = is_onnx(checkpoint)
        if onnx:
            check_onnx(device=device, precision=precision, compiled=compiled, adapt=adapt)
        path = find_model(checkpoint)
        self.card: Card = read_onnx_card(path) if onnx else read_card(path)
        require_task(self.card, self.task, path)
        if not onnx:
            require_whole(path, self.card)
        self.halo, self.step = self.card.halo, self.card.stride
        self.threshold = f"fixed:{self.card.threshold:g}"
        check_pixel_size(gsd_m, self.card)
        check_values(dtype, self.card)
        check_adapt(adapt, self.card)
        if isinstance(self.card.normalization, FixedNormalization) and not adapt:
            self.fit_max_pixels = FEW_PIXELS

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        """Settle the normalisation: from the card, or from the owned pixels.

        Raises
        ------
        InputError
            No valid pixel.
        BandError
            The scene lacks a band that the network needs.
        """
        vars(self).pop("_predictor", None)
        fixed = self.card.normalization
        if isinstance(fixed, FixedNormalization):
            self.scalings_ = fixed.before, fixed.after
            if self.adapt:
                self.statistics_ = self._measure(blocks)
            for block in islice(blocks, 1):
                self._select(block.before, block.after, axis=0)
        else:
            sample = sample_pixels(blocks, self.max_pixels, self.seed)
            self.scalings_ = fixed.settle(*self._select(*sample, axis=1))
        return self

    def bands_needed(self, count: int) -> list[int]:
        """Return the positions of the bands that the network takes from either date."""
        first, second = choose_dates_bands(self.card, self.roles, (count, count))
        return sorted({*first, *second})

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score tiles, see :class:`geochange.detectors.base.Detector`."""
        score = np.full(valid.shape, np.nan, np.float32)
        some = valid.any(axis=(1, 2))
        if some.any():
            tiles = slice(None) if some.all() else some
            dates = self._select(before[tiles], after[tiles], axis=1)
            score[tiles] = self._predict(*dates, valid[tiles])
        score[~valid] = np.nan
        return score

    @property
    def provenance(self) -> dict[str, object]:
        """What a run records of the network."""
        card = self.card
        shipped = {"model": self.checkpoint} if is_shipped(self.checkpoint) else {}
        return {
            **shipped,
            "weights": card.title,
            "architecture": card.architecture,
            "weights_sha256": card.sha256,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_predictor"}

    def _select(
        self, before: FloatArray, after: FloatArray, *, axis: int
    ) -> tuple[FloatArray, FloatArray]:
        """Take the bands that the network wants from both dates."""
        counts = before.shape[axis], after.shape[axis]
        first, second = choose_dates_bands(self.card, self.roles, counts)
        return _take(before, first, axis), _take(after, second, axis)

    def _predict(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        if self.card.windowed:
            return blend_windows(self._run, before, after, valid)
        return self._run(before, after, valid)

    def _run(
        self, before: FloatArray, after: FloatArray, valid: BoolArray, squares_px: int = 0
    ) -> FloatArray:
        """Score a batch or, with the edge of squares, the squares of one image."""
        predictor = self._load()
        if isinstance(predictor, OnnxPredictor):
            return predictor(before, after, valid)
        import torch

        from geochange.nn.threads import single_threaded

        arrays = before, after, valid
        with single_threaded():
            if squares_px:  # which are cut up anyway: no need to copy a part of a tile before
                first, second, known = (
                    torch.from_numpy(np.require(a, requirements="W")) for a in arrays
                )
                found = predictor.rate_squares(first, second, known, squares_px)
            else:
                parts = (torch.from_numpy(np.require(a, requirements=["C", "W"])) for a in arrays)
                found = predictor(*parts)
        score: FloatArray = found.numpy()
        return score

    def _load(self) -> Predictor | OnnxPredictor:
        """Return the network of this process, loading it the first time."""
        with _LOADING:
            if not hasattr(self, "_predictor"):
                onnx = is_onnx(self.checkpoint)
                self._predictor = self._open_onnx() if onnx else self._open_checkpoint()
        return self._predictor

    def _measure(self, blocks: Iterable[PairBlock]) -> Statistics:
        """Adapt to the scene, in one thread, so that the same blocks always give the same."""
        import torch

        from geochange.nn.checkpoints.checkpoint import load_checkpoint
        from geochange.nn.inference.adaptation import measure_statistics
        from geochange.nn.threads import single_threaded

        def normalize(block: PairBlock) -> Sample:
            dates = self._select(block.before, block.after, axis=0)
            scaled = (s.apply(date) for s, date in zip(self.scalings_, dates, strict=True))
            before, after = (np.where(block.valid, date, np.float32(0))[None] for date in scaled)
            owned = torch.from_numpy(block.owned)
            return torch.from_numpy(before), torch.from_numpy(after), owned

        with single_threaded(always=True):
            model, _ = load_checkpoint(find_model(self.checkpoint))
            return measure_statistics(model, map(normalize, blocks), self.adapt)

    def _open_onnx(self) -> OnnxPredictor:
        content, card = read_model(self.checkpoint)
        self._require_same(card)
        scene = not isinstance(card.normalization, FixedNormalization)
        return OnnxPredictor(content, self.scalings_, scene=scene, flips=self.flips)

    def _open_checkpoint(self) -> Predictor:
        from geochange.nn.checkpoints.checkpoint import load_checkpoint
        from geochange.nn.inference.adaptation import adapt_network
        from geochange.nn.inference.predictor import Predictor

        model, card = load_checkpoint(find_model(self.checkpoint))
        self._require_same(card)
        if self.adapt:
            adapt_network(model, self.statistics_)
        return Predictor(
            model,
            self.scalings_,
            device=self.device,
            precision=self.precision,
            temperature=card.temperature,
            flips=self.flips,
            compiled=self.compiled,
            weights=card.sha256,
        )

    def _require_same(self, card: Card) -> None:
        if card != self.card:
            msg = f"{self.checkpoint} has changed since the run began; run again"
            raise InputError(msg)


_LOADING = threading.Lock()


def _take(pixels: FloatArray, bands: list[int], axis: int) -> FloatArray:
    whole = bands == list(range(pixels.shape[axis]))
    return pixels if whole else np.take(pixels, bands, axis=axis)

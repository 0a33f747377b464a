"""A trained network asked why it sees change: raw pixels in, attributions out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geochange.nn.checkpoints.checkpoint import load_checkpoint
from geochange.nn.inference.adaptation import Statistics, adapt_network
from geochange.nn.inference.attribution import (
    choose_stage,
    integrate_gradients,
    map_activations,
    nothing,
)
from geochange.nn.inference.precision import choose_device
from geochange.nn.normalization import Scaling

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Attribution:
    """How much the bands of one date add to the mean score of a region.

    Attributes
    ----------
    values : float32 (C, H, W)
        Sum to ``total`` but for ``gap``.
    total : float
        Mean score of the region minus the one with the baseline in place of the date.
    gap : float
    baseline : str
        What stood in place of the date: ``other date``, or ``mean`` of the training pixels when
        the dates have different bands.
    """

    values: FloatArray
    total: float
    gap: float
    baseline: str


class Attributor:
    """A network from a checkpoint, in float32, that explains its scores.

    Parameters
    ----------
    path : Path
        Checkpoint.
    scalings : tuple of Scaling
        Of the before and the after date.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    statistics : dict, optional
        Of normalisations that were adapted to the scene; see :mod:`.adaptation`.

    Raises
    ------
    InputNotFoundError, InputError
        No such file, or not a checkpoint of geochange.
    """

    def __init__(
        self,
        path: Path,
        scalings: tuple[Scaling, Scaling],
        *,
        device: str = "auto",
        statistics: Statistics | None = None,
    ) -> None:
        self._device = choose_device(device)
        model, card = load_checkpoint(path)
        if statistics:
            adapt_network(model, statistics)
        self._model = model.to(self._device).requires_grad_(False)
        self._scalings, self._temperature = scalings, card.temperature
        self._threshold = card.threshold

    def attribute(
        self,
        dates: tuple[FloatArray, FloatArray],
        valid: BoolArray,
        region: BoolArray,
        *,
        steps: int,
        on_step: Callable[[int, int], None] = nothing,
    ) -> tuple[Attribution, Attribution]:
        """Integrate gradients of the mean score of a region, for each date by itself.

        The way leads from a pair without change, in which the date equals the other one, to the
        pair as it is.

        Parameters
        ----------
        dates : tuple of float32 (C1, H, W) and (C2, H, W)
            Raw pixels; H and W are multiples of the stride.
        valid, region : bool (H, W)
            Pixels with data, and those whose score is explained.
        steps : int
        on_step : callable
            Called with steps done and in all.
        """
        inputs = self._prepare(dates, valid)
        weights = torch.from_numpy(region & valid).to(self._device)

        known = self._to_device(valid)

        def explain(which: int) -> Attribution:
            def score(x: Tensor) -> Tensor:
                pair = (x, inputs[1]) if which == 0 else (inputs[0], x)
                return self._scores(*pair, known)[weights].mean()

            same = inputs[0].shape == inputs[1].shape
            baseline = inputs[1 - which] if same else torch.zeros_like(inputs[which])
            found = integrate_gradients(
                score,
                inputs[which],
                baseline,
                steps=steps,
                on_step=lambda done, total: on_step(which * total + done, 2 * total),
            )
            values = found.attribution[0].cpu().numpy()
            return Attribution(values, found.total, found.gap, "other date" if same else "mean")

        return explain(0), explain(1)

    def locate(
        self,
        dates: tuple[FloatArray, FloatArray],
        valid: BoolArray,
        region: BoolArray,
        *,
        stage: str | None = None,
    ) -> tuple[str, FloatArray]:
        """Return a stage and its Grad-CAM for the changed pixels of a region (or all of them).

        Parameters
        ----------
        dates, valid, region
            See :meth:`attribute`.
        stage : str, optional
            Of :func:`geochange.nn.inference.attribution.list_stages`. Default: a level of the
            decoder.

        Returns
        -------
        stage : str
        maps : float32 (K, H, W)
            See :func:`geochange.nn.inference.attribution.map_activations`.

        Raises
        ------
        UsageError
            No such stage.
        """
        chosen = choose_stage(self._model, stage)
        before, after = (date.requires_grad_() for date in self._prepare(dates, valid))
        inside = torch.from_numpy(region & valid).to(self._device)

        def target(logits: Tensor) -> Tensor:
            scores = (logits.detach()[0, 0] / self._temperature).sigmoid()
            changed = inside & (scores >= self._threshold)
            return logits[0, 0][changed if bool(changed.any()) else inside].mean()

        with self._model.keep_to(self._to_device(valid)):
            maps = map_activations(self._model, before, after, chosen, target)
        return chosen, maps.cpu().numpy()

    def _to_device(self, valid: BoolArray) -> Tensor:
        return torch.from_numpy(valid[None]).to(self._device)

    def _scores(self, before: Tensor, after: Tensor, valid: Tensor) -> Tensor:
        with self._model.keep_to(valid):
            logits: Tensor = self._model(before, after)
        return (logits[0, 0] / self._temperature).sigmoid()

    def _prepare(
        self, dates: tuple[FloatArray, FloatArray], valid: BoolArray
    ) -> tuple[Tensor, Tensor]:
        """Scale both dates; pixels that are invalid at either are 0 at both."""
        before, after = (
            torch.from_numpy(np.where(valid, scaling.apply(date), np.float32(0))[None])
            for date, scaling in zip(dates, self._scalings, strict=True)
        )
        return before.to(self._device), after.to(self._device)

"""The ways to attribute a score to pixels, each of which gives named maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.detectors.network import NetworkDetector
from geochange.detectors.suitability import choose_dates_bands
from geochange.explanation.occlusion import ALL, DATES, Occlusion
from geochange.nn.checkpoints.shipped import find_model

Step = Callable[[int, int], None]


@dataclass(frozen=True)
class Layer:
    """One map of attributions.

    Attributes
    ----------
    date : str
        ``before``, ``after``, or ``both`` where the dates are seen together.
    band : str
        Name of a band, or of a stage of the network.
    values : float32 (H, W)
        Positive speaks for change; NaN where invalid.
    """

    date: str
    band: str
    values: FloatArray


@dataclass(frozen=True)
class Attributed:
    """What a method found.

    Attributes
    ----------
    layers : list of Layer
    facts : dict
        For ``explanation.json``.
    """

    layers: list[Layer]
    facts: dict[str, Any] = field(default_factory=dict)


def attribute_by_gradients(
    detector: NetworkDetector,
    block: PairBlock,
    region: BoolArray,
    names: tuple[Sequence[str], Sequence[str]],
    *,
    steps: int,
    on_step: Step,
) -> Attributed:
    """Integrate the gradients of the mean score of a region.

    See :mod:`geochange.nn.inference.attribution`. Of each date the attributions of all pixels that
    the region's scores depend on add up to the mean score minus the one of a pair in which that
    date is replaced by the baseline.
    """
    chosen = choose_dates_bands(detector.card, detector.roles, (len(names[0]), len(names[1])))
    found = _open(detector).attribute(
        _take(block, chosen), block.valid, region, steps=steps, on_step=on_step
    )
    layers, facts = [], []
    for date, bands, shown, part in zip(DATES, chosen, names, found, strict=True):
        for band, values in zip(bands, part.values, strict=True):
            layers.append(Layer(date, shown[band], np.where(block.valid, values, np.nan)))
        outside = float(part.values[:, ~region].sum(dtype=np.float64))
        facts.append(
            {
                "date": date,
                "baseline": part.baseline,
                "sum": part.total + part.gap,
                "expected": part.total,
                "completeness_error": part.gap,
                "outside_bbox": outside,
            }
        )
    return Attributed(layers, {"steps": steps, "dates": facts})


def attribute_by_stage(
    detector: NetworkDetector,
    block: PairBlock,
    region: BoolArray,
    names: tuple[Sequence[str], Sequence[str]],
    *,
    stage: str | None,
) -> Attributed:
    """Map where the features of a stage speak for change (Grad-CAM)."""
    chosen = choose_dates_bands(detector.card, detector.roles, (len(names[0]), len(names[1])))
    where, maps = _open(detector).locate(_take(block, chosen), block.valid, region, stage=stage)
    dates = DATES if len(maps) == len(DATES) else ("both",)
    layers = [
        Layer(date, where, np.where(block.valid, values, np.float32(np.nan)))
        for date, values in zip(dates, maps, strict=True)
    ]
    return Attributed(layers, {"stage": where})


def attribute_by_occlusion(occlusions: Sequence[Occlusion]) -> Attributed:
    """Take the drop of each pixel's score without a band as that band's map."""
    return Attributed([Layer(o.date, o.band, o.drop) for o in occlusions if o.band != ALL])


def _open(detector: NetworkDetector) -> Any:
    from geochange.nn.inference.attributor import Attributor

    return Attributor(
        find_model(detector.checkpoint),
        detector.scalings_,
        device=detector.device,
        statistics=detector.statistics_ if detector.adapt else None,
    )


def _take(block: PairBlock, chosen: tuple[list[int], list[int]]) -> tuple[FloatArray, FloatArray]:
    return block.before[chosen[0]], block.after[chosen[1]]

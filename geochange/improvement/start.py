"""Which network to start from: that of the present run, else the nearest on the shelf."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geochange.alignment.grid import gsd_m
from geochange.alignment.pair import Pair
from geochange.detectors.suitability import ROLES
from geochange.nn.checkpoints.card import Card
from geochange.nn.checkpoints.shipped import Model, find_model, list_models

TOLERATED = 1.5
"""Factor by which a pixel size may lie outside what a network was trained on."""
LEAST_COMMON = 2
"""Bands that a network and a scene must have in common, unless it takes fewer."""


def choose_start(run: Mapping[str, Any] | None, pair: Pair) -> Path | None:
    """Return the checkpoint to start from; None where no network knows such bands.

    Parameters
    ----------
    run : mapping, optional
        What ``run.json`` of the present run holds.
    pair : Pair
    """
    own = _checkpoint_of(run or {})
    if own is not None:
        return own
    near = nearest_model(list_models("pixels"), pair)
    return near.path if near is not None else None


def _checkpoint_of(run: Mapping[str, Any]) -> Path | None:
    """Return the weights that a run was made with, while they are there."""
    method = run.get("method", {})
    named = method.get("model") or run.get("sources", {}).get("checkpoint")
    if not named or str(named).endswith(".onnx"):
        return None
    path = find_model(named)
    return path if path.is_file() else None


def nearest_model(models: list[Model], pair: Pair) -> Model | None:
    """Return the network whose bands and pixel size are nearest to those of a pair.

    Bands are compared by role; those of a scene without roles are taken in order by a network that
    takes as many.
    """
    fits = [(score, model.name, model) for model in models if (score := _rate(model.card, pair))]
    return max(fits)[2] if fits else None


def _rate(card: Card, pair: Pair) -> tuple[bool, int, float] | None:
    """Return how well a network fits, larger is better; None when it does not."""
    wanted = [band.name for band in card.bands_before]
    roles = [role for role in pair.before.roles if role in ROLES]
    common = len(set(wanted) & set(roles))
    if not roles:
        common = len(wanted) if len(wanted) == len(pair.before.bands) else 0
    if common < min(LEAST_COMMON, len(wanted)) or not common:
        return None
    unlike = len(set(wanted) ^ set(roles)) if roles else 0
    factor = 1.0
    size = gsd_m(pair.geobox)
    if size is not None and card.gsd_m is not None:
        factor = max(1.0, card.gsd_m[0] / size, size / card.gsd_m[1])
    return factor <= TOLERATED, common - unlike, -factor

"""Augmentation by name: how much is done to chips, in four steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from geochange.training.settings.checks import require_one
from geochange.training.settings.chips import AugmentConfig

PRESETS: Mapping[str, AugmentConfig] = {
    "none": AugmentConfig(flip=False, exchange=0.0, shift_px=0.0, gain=0.0, offset=0.0),
    "flips": AugmentConfig(exchange=0.0, shift_px=0.0, gain=0.0, offset=0.0),
    "light": AugmentConfig(),
    "strong": AugmentConfig(
        scale=1.25, shift_px=1.0, gain=0.25, offset=0.25, noise=0.1, drop_bands=0.1
    ),
}
"""``none``; ``flips``: mirrored and turned by quarters, no pixel is interpolated; ``light``: flips,
exchanged dates, a shift of up to half a pixel, a little light (what training does by default);
``strong``: more of that, another scale, noise, and bands that are missing."""
KEY = "preset"


def find_preset(name: str) -> AugmentConfig:
    """Return the augmentation of that name.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> find_preset("flips").flip, find_preset("flips").gain
    (True, 0.0)
    """
    require_one("augment.preset", name, tuple(PRESETS))
    return PRESETS[name]


def spread_preset(table: Mapping[str, Any]) -> dict[str, Any]:
    """Replace a preset in the table ``augment`` of a config by what it stands for.

    Values that stand beside it are kept.

    Examples
    --------
    >>> spread_preset({"augment": {"preset": "none", "noise": 0.2}})["augment"]["noise"]
    0.2
    """
    augment = table.get("augment")
    if not isinstance(augment, Mapping) or KEY not in augment:
        return dict(table)
    rest = {name: value for name, value in augment.items() if name != KEY}
    return {**table, "augment": asdict(find_preset(str(augment[KEY]))) | rest}


def spread_setting(settings: Mapping[str, object]) -> dict[str, object]:
    """Do the same for dotted settings.

    Examples
    --------
    >>> spread_setting({"augment.preset": "none", "steps": 3})["augment.gain"]
    0.0
    """
    dotted = f"augment.{KEY}"
    if dotted not in settings:
        return dict(settings)
    values = asdict(find_preset(str(settings[dotted])))
    rest = {name: value for name, value in settings.items() if name != dotted}
    return {f"augment.{name}": value for name, value in values.items()} | rest

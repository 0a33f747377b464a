"""Which method suits a pair, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from geochange.blocks import PairTraits
from geochange.detectors.suitability import suits
from geochange.nn.checkpoints.shipped import Model, list_models

MEDIUM_RESOLUTION_M = 20.0
"""From this pixel size on, most pixels mix several surfaces and show no structure."""
SEVERAL_BANDS = 3
"""Bands of the poorer date from which on canonical variates compare optical sensors well."""
ENOUGH_BANDS = 4
"""Bands that canonical variates need to separate change from haze and season."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A method, its options and the reason, one sentence for a person.

    Attributes
    ----------
    name : str
        A registered method.
    options : dict
        Keyword-only options of its builder.
    reason : str
    """

    name: str
    options: dict[str, object] = field(default_factory=dict)
    reason: str = ""


def choose_method(traits: PairTraits) -> Choice:
    """Choose a method from what the files say of a pair, without a look at pixels.

    A shipped network goes first where it fits: bands by their roles, pixel size, pixel values.

    Parameters
    ----------
    traits : PairTraits
        Bands, roles, pixel size and type.

    Examples
    --------
    >>> choose_method(PairTraits(("VV",), ("VV",), ("sar",))).name
    'log-ratio'
    """
    otherwise = choose_training_free(traits)
    fitting = [m for m in list_models("pixels") if m.card.automatic and suits(traits, m.card)]
    return _choose_network(max(fitting, key=_rank), otherwise) if fitting else otherwise


def _rank(model: Model) -> tuple[int, float]:
    """Return what makes a network the closer one: more bands, then a narrower range of sizes."""
    card = model.card
    finest, coarsest = card.gsd_m or (0.0, math.inf)
    return sum(card.bands), finest / coarsest


def _choose_network(model: Model, otherwise: Choice) -> Choice:
    return Choice(
        "network",
        {"checkpoint": model.name},
        f"the network '{model.name}' was trained for bands and pixels like these: "
        f"{model.card.title.rstrip('.')}; for any other change choose method '{otherwise.name}'",
    )


def choose_training_free(traits: PairTraits) -> Choice:
    """Choose a method that needs no training, see :func:`choose_method`.

    Parameters
    ----------
    traits : PairTraits

    Examples
    --------
    >>> names = ("B02", "B03", "B04", "B08")
    >>> roles = ("blue", "green", "red", "nir")
    >>> choice = choose_training_free(PairTraits(names, names, roles, gsd_m=10.0, dtype="uint16"))
    >>> choice.name, choice.options["roles"]
    ('context', ('blue', 'green', 'red', 'nir'))
    >>> print(choose_training_free(PairTraits(("VV",), ("VV",), ("sar",))).reason)
    radar bands (VV): speckle is multiplicative, so the dates are compared by their ratio; ...
    """
    before = traits.bands_before
    if traits.are_of_two_sensors:
        return _choose_across_sensors(traits)
    if "sar" in traits.roles:
        return _choose_radar(traits)
    if len(before) == 1 and traits.roles[:1] == (None,):
        return Choice(
            "log-ratio",
            {},
            f"one {traits.dtype} band without a known name was assumed to be SAR amplitude; for a "
            "panchromatic image choose method 'context'",
        )
    if len(before) >= ENOUGH_BANDS and (traits.gsd_m or 0.0) >= MEDIUM_RESOLUTION_M:
        return Choice(
            "irmad",
            {"shift": 1},
            f"{len(before)} bands at {traits.gsd_m:.0f} m: pixels mix surfaces, so spectra tell "
            "more than structure, whatever the gain and haze; shifts of up to 1 px are forgiven",
        )
    return _choose_optical(traits)


def _choose_across_sensors(traits: PairTraits) -> Choice:
    before, after = len(traits.bands_before), len(traits.bands_after)
    counts = f"{_count_bands(before)} before and {after} after"
    if "sar" in (*traits.roles, *traits.roles_after):
        what = f"radar and an optical image, {counts}"
    elif min(before, after) >= SEVERAL_BANDS:
        return Choice(
            "irmad",
            {},
            f"{counts}: so many optical bands mostly follow each other, and canonical variates "
            "compare dates whose bands differ; where they do not, try 'vae'",
        )
    else:
        what = counts
    return Choice(
        "vae",
        {},
        f"{what}: too little in common to be compared, so networks that the pair itself trains "
        "translate each date into the other, and what they cannot explain is change; 'irmad' is "
        "quicker",
    )


def _choose_radar(traits: PairTraits) -> Choice:
    return Choice(
        "log-ratio",
        {},
        f"radar bands ({', '.join(traits.bands_before)}): speckle is multiplicative, so the dates "
        "are compared by their ratio; negative values are taken for decibels, others for amplitude "
        "(option unit); 'ratio-clusters' is sharper and takes seconds more",
    )


def _choose_optical(traits: PairTraits) -> Choice:
    count = len(traits.bands_before)
    size = f" at {traits.gsd_m:.3g} m" if traits.gsd_m else ""
    reason = (
        f"optical image, {_count_bands(count)}{size}: structure is resolved, so shifts and "
        "surroundings are taken into account"
    )
    return Choice("context", {"roles": traits.roles}, reason)


def _count_bands(count: int) -> str:
    return "1 band" if count == 1 else f"{count} bands"

"""Whether a network suits a scene, its bands and its pixel size, and what is asked of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from geochange.blocks import PairTraits
from geochange.errors import BandError, DataWarning, InputError, UsageError
from geochange.io.bands.roles import SENSOR_ROLES
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.normalization import FixedNormalization, SceneNormalization

WARN_FACTOR, REFUSE_FACTOR = 1.25, 4.0
"""How far a pixel size may lie outside the range that a network was trained for."""
ROLES = frozenset(role for roles in SENSOR_ROLES.values() for role in roles.values()) | {"sar"}
"""Names that say what a band is, whatever the sensor."""

BYTE = 255
FRACTION = 2.0
"""Reflectances as fractions stay below it."""

USES = {
    "pixels": "geochange detect --model",
    "image": "geochange predict-image, or detect --screen",
    "series": "geochange series --model",
}
"""What takes networks for each task."""


def suits(traits: PairTraits, card: Card, task: str = "pixels") -> bool:
    """Tell whether all that the files say of a pair speaks for a network; in doubt it does not.

    Every band that it takes must be there once by its role, the pixel size known and within the
    range it was trained for, and pixel values of the kind that it is normalised for.

    Parameters
    ----------
    traits : PairTraits
    card : Card
    task : str
        What the network is wanted for.

    Examples
    --------
    >>> from geochange.nn.normalization import SceneNormalization
    >>> rgb = Band("red"), Band("green"), Band("blue")
    >>> card = Card("demo", rgb, rgb, SceneNormalization(), gsd_m=(0.3, 0.6))
    >>> names = ("Blue", "Green", "Red", "NIR")
    >>> roles = ("blue", "green", "red", "nir")
    >>> suits(PairTraits(names, names, roles, gsd_m=0.5), card)
    True
    >>> suits(PairTraits(names, names, roles, gsd_m=10.0), card)
    False
    """
    if card.task != task:
        return False
    if card.bands_before != card.bands_after or traits.gsd_m is None or card.gsd_m is None:
        return False
    wanted = [band.name for band in card.bands_before]
    return (
        len(traits.bands_before) == len(traits.bands_after) == len(traits.roles)
        and "sar" not in traits.roles
        and len(set(wanted)) == len(wanted)
        and all(name in ROLES and traits.roles.count(name) == 1 for name in wanted)
        and _factor_outside(traits.gsd_m, card.gsd_m) <= WARN_FACTOR
        and _has_values_for(traits.dtype, card)
    )


def _has_values_for(dtype: str, card: Card) -> bool:
    """Tell whether pixels of a type lie where a network that does not look at the scene expects."""
    _, kinds = _expect_values(card)
    return not kinds or dtype.startswith(kinds)


def _expect_values(card: Card) -> tuple[str, tuple[str, ...]]:
    """Return how a network's pixel values are called and which types hold them; none: any."""
    fixed = card.normalization
    if not isinstance(fixed, FixedNormalization):
        return "any values", ()
    greatest = max(fixed.before.centre)
    if greatest < FRACTION:
        return "fractions", ("float",)
    if greatest <= BYTE:
        return "8-bit values", ("uint8",)
    return "16-bit values", ("uint16", "int16", "uint32", "int32")


def _factor_outside(gsd_m: float, trained_m: tuple[float, float]) -> float:
    """Return by which factor a pixel size lies outside a range; below 1 inside."""
    low, high = trained_m
    return max(low / gsd_m, gsd_m / high)


def choose_bands(wanted: Sequence[Band], roles: Sequence[str | None], count: int) -> list[int]:
    """Return the index of each wanted band among ``count`` bands of a scene.

    Parameters
    ----------
    wanted : sequence of Band
        What a network takes.
    roles : sequence of str or None
        Roles of the scene's bands; of no use when there are not ``count`` of them.
    count : int

    Raises
    ------
    BandError
        A band is missing, or which is which cannot be told.

    Examples
    --------
    >>> rgb = [Band("red"), Band("green"), Band("blue")]
    >>> choose_bands(rgb, ("blue", "green", "red", "nir"), 4), choose_bands(rgb, (), 3)
    ([2, 1, 0], [0, 1, 2])
    """
    names = [band.name for band in wanted]
    known = list(roles) if len(roles) == count else []
    if len(set(names)) == len(names) and all(name in known for name in names):
        return [known.index(name) for name in names]
    told = known and None not in known and all(name in ROLES for name in names)
    if count == len(names) and not told:
        return list(range(count))
    found = ", ".join(role or "unknown" for role in known) or f"{count} without known roles"
    msg = (
        f"the network takes {len(names)} bands ({', '.join(names)}), the scene has {found}; choose "
        "them in this order with --bands, or use another network"
    )
    raise BandError(msg)


def choose_dates_bands(
    card: Card, roles: Sequence[str | None], counts: tuple[int, int]
) -> tuple[list[int], list[int]]:
    """Return the indices of the bands that a network takes from each date.

    Parameters
    ----------
    card : Card
    roles : sequence of str or None
        Roles of the bands of the before date; those of the after date are the same where both
        have equally many bands and the network takes the same from both.
    counts : tuple of int
        Bands of the scene at both dates.

    Raises
    ------
    BandError
        A band is missing, or which is which cannot be told.
    """
    same = card.bands_before == card.bands_after and counts[0] == counts[1]
    first = choose_bands(card.bands_before, roles, counts[0])
    return first, choose_bands(card.bands_after, roles if same else (), counts[1])


def check_pixel_size(gsd_m: float | None, card: Card) -> None:
    """Compare a scene's pixel size with what a network was trained for.

    Raises
    ------
    InputError
        It lies more than a factor of 4 outside.

    Warns
    -----
    DataWarning
        It lies more than a factor of 1.25 outside.

    Examples
    --------
    >>> pan = (Band("pan"),)
    >>> from geochange.nn.normalization import SceneNormalization
    >>> check_pixel_size(12.0, Card("demo", pan, pan, SceneNormalization(), gsd_m=(10, 10)))
    """
    if gsd_m is None or card.gsd_m is None:
        return
    low, high = card.gsd_m
    factor = _factor_outside(gsd_m, card.gsd_m)
    trained = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    msg = f"'{card.title}' was trained on pixels of {trained} m, the scene has {gsd_m:.3g} m"
    if factor > REFUSE_FACTOR:
        msg += "; resample the scene (--grid), or use another network"
        raise InputError(msg)
    if factor > WARN_FACTOR:
        warnings.warn(f"{msg}; check the result with care", DataWarning, stacklevel=3)


def check_values(dtype: str, card: Card) -> None:
    """Compare the type of a scene's pixels with the values that a network was trained on.

    Warns
    -----
    DataWarning
        Values of another kind: they are scaled as those of the training were and tell little.

    Examples
    --------
    >>> from geochange.nn.normalization import Scaling
    >>> pan, bytes_ = (Band("pan"),), Scaling((93.0,), (41.0,))
    >>> check_values("uint8", Card("demo", pan, pan, FixedNormalization(bytes_, bytes_)))
    """
    # 32-bit floats hold values of any kind, scaled or not.
    if not dtype or dtype.startswith("float") or _has_values_for(dtype, card):
        return
    expected, _ = _expect_values(card)
    msg = (
        f"'{card.title}' was trained on {expected}, the scene holds {dtype}: it will hardly see "
        "change; bring the scene to such values, or use another network"
    )
    warnings.warn(msg, DataWarning, stacklevel=3)


def require_task(card: Card, task: str, source: object) -> None:
    """Refuse a network that was trained for another task.

    Raises
    ------
    InputError

    Examples
    --------
    >>> from geochange.nn.normalization import SceneNormalization
    >>> card = Card("demo", (Band("pan"),), (Band("pan"),), SceneNormalization(), task="series")
    >>> require_task(card, "pixels", "demo.safetensors")
    Traceback (most recent call last):
    ...
    geochange.errors.InputError: demo.safetensors is a network for task 'series', here one for ...
    """
    if card.task != task:
        msg = (
            f"{source} is a network for task '{card.task}', here one for '{task}' is needed; use "
            f"it with `{USES[card.task]}`"
        )
        raise InputError(msg)


def check_onnx(**options: object) -> None:
    """Refuse options of checkpoints that an ONNX file cannot have: it is run as it is.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> check_onnx(device="auto", precision="fp32", compiled=False)
    >>> check_onnx(compiled=True)
    Traceback (most recent call last):
    ...
    geochange.errors.UsageError: an ONNX file runs as it is, in float32 on the processor; ...
    """
    for name, value in options.items():
        if value not in ("auto", "cpu", "fp32", 0):
            msg = (
                "an ONNX file runs as it is, in float32 on the processor; leave out "
                f"{name}={value}, or use the checkpoint that it was made of"
            )
            raise UsageError(msg)


def check_adapt(share: float, card: Card) -> None:
    """Refuse a share that is none, and networks that the scene normalises already.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> from geochange.nn.normalization import SceneNormalization
    >>> check_adapt(0.0, Card("demo", (Band("pan"),), (Band("pan"),), SceneNormalization()))
    """
    if not 0 <= share <= 1:
        msg = f"adapt is the share of the scene, 0 to 1, got {share}; 1 takes the scene's alone"
        raise UsageError(msg)
    if share and isinstance(card.normalization, SceneNormalization):
        msg = (
            f"'{card.title}' is normalised by percentiles of each date of the scene, which adapts "
            "it already; leave out adapt"
        )
        raise UsageError(msg)

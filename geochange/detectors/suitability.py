"""Whether a network suits a scene, its bands and its pixel size, and what is asked of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from geochange.errors import BandError, DataWarning, InputError, UsageError
from geochange.io.bands import SENSOR_ROLES
from geochange.nn.card import Band, Card
from geochange.nn.normalization import SceneNormalization

WARN_FACTOR, REFUSE_FACTOR = 1.25, 4.0
"""How far a pixel size may lie outside the range that a network was trained for."""
ROLES = frozenset(role for roles in SENSOR_ROLES.values() for role in roles.values()) | {"sar"}
"""Names that say what a band is, whatever the sensor."""


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
    factor = max(low / gsd_m, gsd_m / high)
    trained = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    msg = f"'{card.title}' was trained on pixels of {trained} m, the scene has {gsd_m:.3g} m"
    if factor > REFUSE_FACTOR:
        msg += "; resample the scene (--grid), or use another network"
        raise InputError(msg)
    if factor > WARN_FACTOR:
        warnings.warn(f"{msg}; check the result with care", DataWarning, stacklevel=3)


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

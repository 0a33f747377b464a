"""Settle method and options from what a user asked for and what the files say of a pair."""

from __future__ import annotations

import os
from collections.abc import Mapping

from geochange.blocks import PairTraits
from geochange.detectors.auto import Choice, choose_method
from geochange.detectors.base import Detector
from geochange.detectors.registry import takes_option
from geochange.detectors.wrappers.composing import is_composed
from geochange.detectors.wrappers.features import see_features
from geochange.detectors.wrappers.tolerant import LARGEST_PX, ShiftTolerant
from geochange.errors import UsageError

CHOSEN = "chosen by the user"


def name_network(
    method: str, model: str | os.PathLike[str] | None, options: Mapping[str, object] | None
) -> tuple[str, Mapping[str, object]]:
    """Return method and options with ``model`` spelt out.

    Raises
    ------
    UsageError
        A model with another method, or named twice.

    Examples
    --------
    >>> name_network("auto", "town.safetensors", None)
    ('network', {'checkpoint': 'town.safetensors'})
    """
    options = options or {}
    if model is None:
        return method, options
    composed = is_composed(method) or method == "ensemble"
    if not (composed or method in ("auto", "network")) or "checkpoint" in options:
        other = "option 'checkpoint'" if "checkpoint" in options else f"method '{method}'"
        msg = f"model '{os.fspath(model)}' and {other} exclude each other; leave one out"
        raise UsageError(msg)
    named = {**options, "checkpoint": os.fspath(model)}
    return (method if composed else "network"), named


def settle_method(
    method: str,
    options: Mapping[str, object],
    traits: PairTraits,
    *,
    shift_tolerance: int | None = None,
) -> Choice:
    """Return method and options; methods that care for bands or pixel size are told them.

    Parameters
    ----------
    method : str
        A registered name, several joined by ``+`` for an ensemble, or ``auto``.
    options : mapping
        Of the user; they go first.
    traits : PairTraits
    shift_tolerance : int, optional
        See :func:`build_detector`. For methods with an option ``shift`` it is that option.

    Raises
    ------
    UsageError
        A tolerance that cannot be, or that says otherwise than the option.

    Examples
    --------
    >>> names, roles = ("Red", "NIR"), ("red", "nir")
    >>> settle_method("context", {}, PairTraits(names, names, roles)).options
    {'roles': ('red', 'nir')}
    >>> settle_method("irmad", {}, PairTraits(names, names, roles), shift_tolerance=2).options
    {'shift': 2}
    """
    if is_composed(method):
        choice = Choice("ensemble", {"members": method}, CHOSEN)
    else:
        choice = choose_method(traits) if method == "auto" else Choice(method, {}, CHOSEN)
    known = {"roles": traits.roles, "gsd_m": traits.gsd_m, "dtype": traits.dtype}
    told = {name: value for name, value in known.items() if takes_option(choice.name, name)}
    settled = {**told, **choice.options, **options}
    if shift_tolerance is not None:
        _check_tolerance(shift_tolerance, options)
        if takes_option(choice.name, "shift"):
            settled["shift"] = shift_tolerance
    return Choice(choice.name, settled, choice.reason)


def _check_tolerance(shift: int, options: Mapping[str, object]) -> None:
    if not isinstance(shift, int) or not 0 <= shift <= LARGEST_PX:
        msg = f"a shift tolerance has 0 to {LARGEST_PX} px, whole ones, got {shift}"
        raise UsageError(msg)
    if options.get("shift", shift) != shift:
        msg = (
            f"a shift tolerance of {shift} and option shift={options['shift']} exclude each other; "
            "leave one out"
        )
        raise UsageError(msg)


def build_detector(
    choice: Choice, shift_tolerance: int | None = None, features: str = "bands"
) -> Detector:
    """Build the detector of a choice, and make it forgive shifts.

    Methods with an option ``shift`` forgive by themselves, by ranges of values, which costs little;
    all others are scored at every displacement, see
    :class:`geochange.detectors.wrappers.tolerant.ShiftTolerant`.

    Parameters
    ----------
    choice : Choice
        Of :func:`settle_method`.
    shift_tolerance : int, optional
        Displacement in pixels; None leaves it to the method.
    features : str
        What the method compares, see :func:`geochange.detectors.wrappers.features.see_features`.

    Raises
    ------
    UsageError
        An unknown method, option or kind of features.

    Examples
    --------
    >>> build_detector(Choice("cva"), 2).halo, build_detector(Choice("cva")).halo
    (2, 0)
    """
    detector = see_features(choice.name, choice.options, features)
    if not shift_tolerance or takes_option(choice.name, "shift"):
        return detector
    return ShiftTolerant(detector, shift=shift_tolerance)


def require_probability(detector: Detector, method: str) -> None:
    """Raise :class:`geochange.errors.UsageError` where an uncertainty cannot be had."""
    if not getattr(detector, "score_is_probability", False):
        msg = (
            f"uncertainty needs a score that is a probability, and that of '{method}' is none; "
            "leave it out, or use a trained network (method 'network')"
        )
        raise UsageError(msg)

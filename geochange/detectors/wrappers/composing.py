"""An ensemble from the names of its members."""

from __future__ import annotations

from collections.abc import Sequence

from geochange.detectors.wrappers.ensemble import EnsembleDetector
from geochange.errors import UsageError

JOIN = "+"
FEWEST = 2


def build_ensemble(
    *,
    members: str | Sequence[str],
    rule: str = "mean",
    weights: str | float | Sequence[float] | None = None,
    checkpoint: str | None = None,
    device: str = "auto",
    roles: tuple[str | None, ...] = (),
    gsd_m: float | None = None,
) -> EnsembleDetector:
    """Build the members of an ensemble and the ensemble.

    Parameters
    ----------
    members : str or sequence of str
        Names of methods, such as ``"context+network"``.
    rule, weights
        See :class:`geochange.detectors.wrappers.ensemble.EnsembleDetector`; weights also as
        ``"2,1"``.
    checkpoint, device
        Of the member ``network``.
    roles, gsd_m
        Told to the members that care.

    Raises
    ------
    UsageError
        Fewer than two members, an unknown one, or a checkpoint without a member that takes it.

    Examples
    --------
    >>> build_ensemble(members="cva+irmad").halo
    0
    """
    from geochange.detectors.registry import get_detector, takes_option

    names = members.split(JOIN) if isinstance(members, str) else list(members)
    names = [name.strip() for name in names]
    if len(names) < FEWEST or "ensemble" in names:
        msg = f"an ensemble has two methods or more, got '{JOIN.join(names)}'; name them as a+b"
        raise UsageError(msg)
    told: dict[str, object] = {"roles": roles, "gsd_m": gsd_m}
    if checkpoint is not None:
        if "network" not in names:
            msg = f"no member of '{JOIN.join(names)}' takes a checkpoint; add network, or leave it"
            raise UsageError(msg)
        told |= {"checkpoint": checkpoint, "device": device}
    built = [
        get_detector(name, **{k: v for k, v in told.items() if takes_option(name, k)})
        for name in names
    ]
    return EnsembleDetector(built, rule=rule, weights=_read_weights(weights))


def _read_weights(weights: str | float | Sequence[float] | None) -> Sequence[float] | None:
    if isinstance(weights, str):
        try:
            return [float(part) for part in weights.split(",")]
        except ValueError as error:
            msg = f"weights '{weights}' are no numbers; write them as 2,1"
            raise UsageError(msg) from error
    return [float(weights)] if isinstance(weights, int | float) else weights


def is_composed(method: str) -> bool:
    """Tell whether a method is named by its members.

    Examples
    --------
    >>> is_composed("context+network"), is_composed("context")
    (True, False)
    """
    return JOIN in method

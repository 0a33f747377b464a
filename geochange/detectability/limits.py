"""The detection limit of a run, as a part of it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.alignment.pair import Pair
from geochange.detectability.design import FALSE_ALARMS, Design
from geochange.detectability.facts import describe
from geochange.detectability.measuring import choose_cuts, measure
from geochange.detectors.base import Detector
from geochange.engine.stages import Stages
from geochange.errors import BandError, DataWarning, InputError, UsageError
from geochange.maps.threshold import Threshold
from geochange.radiometry.denoising import DenoiseSettings


def require_comparable(pair: Pair) -> None:
    """See that the dates can be subtracted band by band.

    Raises
    ------
    BandError
        They have different numbers of bands, or no bands in common that were asked for.
    """
    before, after = len(pair.before.bands), len(pair.after.bands)
    if before != after:
        msg = (
            f"a sensitivity is counted in noise of the bands' differences, but the dates have "
            f"{before} and {after} bands; choose the same bands of both"
        )
        raise BandError(msg)


def require_unsmoothed(smoothing: DenoiseSettings) -> None:
    """See that no filter runs before the method.

    Raises
    ------
    UsageError
        One does: changes are put in behind it, so the limits would be too good.
    """
    if smoothing.kind != "none":
        msg = (
            f"a sensitivity puts changes in behind the filter '{smoothing.kind}', which would not "
            "smooth them; leave out one of the two"
        )
        raise UsageError(msg)


def describe_limits(
    pair: Pair,
    detector: Detector,
    histogram: NDArray[np.int64],
    threshold: Threshold,
    stages: Stages,
) -> dict[str, Any]:
    """Return what ``run.json`` says of how small and faint a change a run finds.

    Parameters
    ----------
    pair : Pair
        Registered.
    detector : Detector
        Fitted.
    histogram : int64 (65535,)
        Of the stored score.
    threshold : Threshold
        The run's own.
    stages : Stages

    Returns
    -------
    dict
        See :func:`geochange.detectability.facts.describe`; only ``reason`` where no change could be
        put in.

    Warns
    -----
    DataWarning
        No change could be put in.
    """
    score_at_p = getattr(detector, "score_at_p", None)
    cuts = choose_cuts(histogram, FALSE_ALARMS, threshold, score_at_p=score_at_p)
    try:
        return describe(measure(pair, detector, Design(), cuts, stages))
    except InputError as error:
        warnings.warn(str(error), DataWarning, stacklevel=2)
        return {"reason": str(error)}

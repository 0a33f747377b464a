"""How the after date is shown where the before date is: what a run found, kept with the labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from geochange.alignment.pair import Pair
from geochange.io.grids.displacement import STILL, Displacement
from geochange.maps.changemap import ChangeMap
from geochange.registration.result import Registration

Found = Mapping[str, Any]
"""``displacement``, ``applied`` and ``said``, plain enough for JSON."""


def as_they_lie() -> Found:
    """Return what stands where nothing was measured."""
    return {"displacement": STILL.describe(), "applied": False, "said": ""}


def registration_of(result: ChangeMap) -> Found:
    """Return what a run found and did."""
    kept = {k: v for k, v in result.run.get("alignment", {}).items() if k in as_they_lie()}
    return {**as_they_lie(), **kept}


def apply_registration(pair: Pair, found: Found) -> Pair:
    """Return the pair as it is shown."""
    displacement = Displacement.restore(found["displacement"])
    return Registration(applied=bool(found["applied"]), displacement=displacement).apply(pair)


def picture_key(pair: Pair, found: Found) -> str:
    """Name all that pictures of a pair depend on: files, grid, bands, registration."""
    files = [[f.path, f.stamp] for scene in pair.scenes for f in scene.files]
    grid = [list(pair.geobox.affine), list(pair.shape), pair.before.bands, pair.after.bands]
    text = json.dumps([files, grid, found["displacement"], found["applied"]], default=str)
    return hashlib.sha256(text.encode()).hexdigest()

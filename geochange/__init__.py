"""geochange: find what changed on the ground between georeferenced images of the same place.

>>> import geochange as gc
>>> result = gc.detect("before.tif", "after.tif", "out")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geochange.alignment.pair import Pair, open_pair
    from geochange.batch import read_manifest, run_batch
    from geochange.blocks import PairBlock, PairTraits
    from geochange.detectors.base import Detector
    from geochange.detectors.registry import get_detector, list_methods
    from geochange.evaluation.assessment import evaluate
    from geochange.exports.aligned import align
    from geochange.exports.conversion import export
    from geochange.exports.masked import clean, threshold
    from geochange.exports.vectorized import vectorize
    from geochange.io.reader import Reader
    from geochange.maps.changemap import ChangeMap, open_map
    from geochange.maps.clean import Cleaning
    from geochange.maps.threshold import Threshold
    from geochange.pipeline import detect
    from geochange.tiles import Tile, TilePlan, Window
    from geochange.version import VERSION as __version__

_HOMES = {
    "detect": "pipeline",
    "vectorize": "exports.vectorized",
    "evaluate": "evaluation.assessment",
    "align": "exports.aligned",
    "export": "exports.conversion",
    "open_pair": "alignment.pair",
    "Pair": "alignment.pair",
    "open_map": "maps.changemap",
    "ChangeMap": "maps.changemap",
    "threshold": "exports.masked",
    "clean": "exports.masked",
    "Threshold": "maps.threshold",
    "Cleaning": "maps.clean",
    "list_methods": "detectors.registry",
    "get_detector": "detectors.registry",
    "Detector": "detectors.base",
    "Reader": "io.reader",
    "PairBlock": "blocks",
    "PairTraits": "blocks",
    "Tile": "tiles",
    "TilePlan": "tiles",
    "Window": "tiles",
    "read_manifest": "batch",
    "run_batch": "batch",
}
__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing geochange stays quick."""
    if name == "__version__":
        return importlib.import_module("geochange.version").VERSION
    if name not in _HOMES:
        msg = f"module 'geochange' has no attribute '{name}'"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(f"geochange.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

"""What a run that is resumed goes on with: what was found before it was stopped."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from geochange.detectors.base import Detector
from geochange.engine.preparing import F
from geochange.errors import OutputExistsError
from geochange.io.files.outputs import amend_state, read_state


def find_once(folder: Path, name: str, kind: type[F], find: Callable[[], F]) -> F:
    """Find something of the pair; a run that is resumed goes on with what was found before."""
    known = (read_state(folder) or {}).get(name)
    if known is not None:
        return kind.recall(known)
    found = find()
    amend_state(folder, **{name: found.store()})
    return found


def require_same_fit(detector: Detector, folder: Path) -> None:
    """See that tiles scored before a stop and those to come are scored by the same method.

    Raises
    ------
    OutputExistsError
    """
    learned = hashlib.sha256(pickle.dumps(detector)).hexdigest()
    before = (read_state(folder) or {}).get("learned")
    amend_state(folder, learned=before or learned)
    if before not in (None, learned):
        msg = (
            "the method learned something else than before the run was stopped: the inputs could "
            "not be read as before; start anew (--overwrite)"
        )
        raise OutputExistsError(msg)


def require_same_tiles(state: Mapping[str, Any], size: int, *, asked: bool) -> None:
    """See that a run goes on with the tiles it has, where a size was asked for.

    Raises
    ------
    OutputExistsError
    """
    if state["tile_size"] != size and asked:
        msg = (
            f"the unfinished run has tiles of {state['tile_size']} px, this would take {size}; "
            "leave the tile size and memory limit as they were, or start anew"
        )
        raise OutputExistsError(msg)

"""The one tree of errors and warnings.

Every message is one line that says what came, what was expected and what to do. Leaves also inherit
the builtin that a caller would think of, so ``except ValueError`` keeps working.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GeochangeError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is what the command line returns."""

    exit_code = 1


class UsageError(GeochangeError, ValueError):
    """An option, a name or a combination of them that cannot work."""

    exit_code = 2


class InputError(GeochangeError, ValueError):
    """An input that is missing, unreadable, or does not fit the others."""

    exit_code = 4


class InputNotFoundError(InputError, FileNotFoundError):
    """An input path that does not exist."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class InputLostError(InputError):
    """An input that could be opened, but most of which cannot be read."""


class GridError(InputError):
    """Two grids that cannot be brought together (no overlap, one without CRS, ...)."""


class BandError(InputError):
    """Bands of the two dates that cannot be matched, or that do not exist."""


class OutputExistsError(GeochangeError, FileExistsError):
    """The output is there already and overwriting was not asked for."""

    exit_code = 5

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class OutputError(GeochangeError, OSError):
    """The output cannot be written (permission, not a folder, ...)."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ResourceError(GeochangeError, OSError):
    """Not enough disk or memory."""

    exit_code = 6

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class TrainingError(GeochangeError, RuntimeError):
    """A training that cannot go on, such as one whose loss is no number."""


class ClusterError(GeochangeError, ConnectionError):
    """A cluster that cannot be reached, has no workers, or was lost."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class GeochangeWarning(UserWarning):
    """Base of all warnings raised on purpose."""


class DataWarning(GeochangeWarning):
    """The data allow a run, but the result needs a careful look."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or the list of known names.

    Examples
    --------
    >>> suggest("irmd", ["cva", "irmad"])
    "; did you mean 'irmad'?"
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}"

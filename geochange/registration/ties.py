"""Tie points: where one window of the before date lies on the after date, and how well it shows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from geochange.blocks import BoolArray, FloatArray
from geochange.registration.correlation import find_peak
from geochange.registration.refinement import refine
from geochange.registration.structure import FINE_PX, HALO_PX, show_structure
from geochange.tiles import Window

MIN_VALID = 0.5
"""Least share of a window that has data."""
MIN_RATIO = 1.15
"""Least height of the best match over the next one."""
MIN_CORRELATION = 0.2
MAX_SIGMA_PX = 0.3
"""Largest standard error of a shift: flat windows and lone lines do not fix one."""
DEPENDENCE = math.sqrt(4 * math.pi) * FINE_PX
"""Root of the pixels over which smoothing makes noise alike: by so much are standard errors that
take every pixel as a new one too small."""
USED = "used"
NO_DATA, FLAT, NO_MATCH, AMBIGUOUS, OUTLIER, UNREADABLE = (
    "no data", "flat", "no match", "ambiguous", "outlier", "unreadable",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tie:
    """One window, measured.

    Attributes
    ----------
    x, y : float
        Middle of the window in pixels of the grid, columns and rows.
    status : str
        ``used``, or why not: ``no data``, ``flat`` (also water without waves), ``no match`` (other
        content: change, clouds, moving water), ``ambiguous``, ``outlier``, ``unreadable``.
    dx, dy : float
        Columns and rows by which the content moved from the before to the after date.
    quality : float
        Height of the correlation peak over the next one.
    correlation : float
        Between the window at both dates once the shift is taken out.
    sigma_px : float
        Standard error of the shift.
    """

    x: float
    y: float
    status: str
    dx: float = 0.0
    dy: float = 0.0
    quality: float = 0.0
    correlation: float = 0.0
    sigma_px: float = 0.0

    @property
    def is_used(self) -> bool:
        """Whether the window takes part."""
        return self.status == USED

    def reject(self, status: str) -> Tie:
        """Return the tie with another status."""
        return replace(self, status=status)


Date = tuple[FloatArray, BoolArray]


def measure_tie(core: Window, margin: int, before: Date, after: Date, matching: str) -> Tie:
    """Find a window of the before date on the after date.

    Parameters
    ----------
    core : Window
        Of the grid.
    margin : int
        Largest shift that can be found, in px.
    before, after : float32 (C, H, W), bool (H, W)
        Pixels and validity of ``core`` padded by ``margin + HALO_PX`` at both dates.
    matching : str
        See :func:`geochange.registration.structure.show_structure`.

    Returns
    -------
    Tie
    """
    tie = Tie(core.col + core.width / 2, core.row + core.height / 2, NO_DATA)
    one, known = _cut(show_structure(*before, matching), HALO_PX + margin)
    two, known2 = _cut(show_structure(*after, matching), HALO_PX)
    if min(known.sum(), known2.sum()) < MIN_VALID * known.size:  # the rim may be off the grid
        return tie
    peak = find_peak(one, known, two, known2)
    if peak is None:
        return tie.reject(FLAT)
    tie = replace(tie, dx=peak.dx, dy=peak.dy, quality=peak.ratio, correlation=peak.height)
    if peak.ratio < MIN_RATIO:
        weak = peak.height < MIN_CORRELATION
        return tie.reject(NO_MATCH if weak else AMBIGUOUS)
    fit = refine(one, known, two, known2, (peak.dx, peak.dy))
    if fit is None:
        return tie.reject(NO_MATCH)
    tie = replace(
        tie,
        dx=fit.dx,
        dy=fit.dy,
        correlation=fit.correlation,
        sigma_px=DEPENDENCE * fit.sigma_px,
        status=USED,
    )
    if fit.correlation < MIN_CORRELATION:
        return tie.reject(NO_MATCH)
    return tie.reject(FLAT) if tie.sigma_px > MAX_SIGMA_PX else tie


def _cut(date: Date, border: int) -> Date:
    """Return what lies inside a border."""
    inner = slice(border, -border)
    return date[0][inner, inner], date[1][inner, inner]

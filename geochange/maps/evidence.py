"""What a change mask was made from, read only where there is change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import PairBlock, PairTraits
from geochange.io.stores.score import SCORE_NODATA
from geochange.maps.kept import Kept, Spectra
from geochange.maps.runs import IntArray, Runs
from geochange.maps.sweep import RasterSource
from geochange.maps.totals import Sums
from geochange.tiles import Tile, Window

PIECE_PX = 256
"""Change is read by its bounding boxes in cells of this size: larger ones read more pixels, smaller
ones call the reader more often."""


class PairSource(Protocol):
    """Two dates on the grid of a mask, such as :class:`geochange.alignment.pair.Pair`.

    Attributes
    ----------
    traits : PairTraits
    dates : tuple of str or None
        ISO 8601 dates of the two acquisitions.
    """

    @property
    def traits(self) -> PairTraits:
        """Names and roles of the bands."""
        ...

    @property
    def dates(self) -> tuple[str | None, str | None]:
        """Dates of acquisition."""
        ...

    def salvage(self, window: Window) -> PairBlock:
        """Read a window at both dates; what cannot be read is invalid."""
        ...


class RiskSource(Protocol):
    """Likelihood that a pixel is clouded, on the grid of a mask."""

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return the likelihood in [0, 1], float32 (H, W)."""
        ...


def common_bands(traits: PairTraits) -> tuple[str, ...]:
    """Return the names of the bands that can be subtracted; none when their numbers differ."""
    return traits.bands_before if len(traits.bands_before) == len(traits.bands_after) else ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Score and spectra of changed pixels.

    Attributes
    ----------
    score : RasterSource
        uint16 levels of :func:`geochange.io.stores.score.encode_score`, on the grid of the mask.
    pair : PairSource or None
    kept : Kept or None
        What was kept of both while tiles of the mask's size were scored; they are read only for
        pixels that are not there.
    risk : RiskSource or None
        Of clouds; None where nobody looked for them.
    """

    score: RasterSource
    pair: PairSource | None = None
    kept: Kept | None = None
    risk: RiskSource | None = None

    def describe(self, tile: Tile, runs: Runs) -> Sums:
        """Return sums and peaks over each run of change in a tile.

        Sums are over pixels with score: their number and levels; over all pixels: the likelihood
        of clouds; then over pixels valid at both dates: their number, each band before, and after
        - before. The peak is the highest level, -1 without score.
        """
        first = np.cumsum(runs.lengths) - runs.lengths
        spectra = self._gather(tile, runs.places)
        level = spectra.level.astype(np.int64)
        level[level == SCORE_NODATA] = -1
        columns: list[NDArray[np.generic]] = [level >= 0, np.maximum(level, 0)]
        columns.append(self._read_risk(tile, runs.places))
        if self._bands:
            columns += [spectra.valid, *spectra.before, *(spectra.after - spectra.before)]
        sums = [np.add.reduceat(column, first, dtype=np.float64) for column in columns]
        peaks = np.maximum.reduceat(level, first).astype(np.float64)
        return np.stack(sums, axis=1), peaks[:, None]

    @property
    def _bands(self) -> int:
        return 0 if self.pair is None else len(common_bands(self.pair.traits))

    def _read_risk(self, tile: Tile, places: IntArray) -> NDArray[np.float32]:
        """Return the likelihood of clouds at the changed pixels of a tile."""
        found = np.full(places.size, np.nan, np.float32)
        if self.risk is None or not places.size:
            return found
        rows, cols = np.divmod(places, tile.core.width + 1)
        rows, cols = rows + tile.core.row, cols + tile.core.col
        for piece in _pieces(rows, cols):
            box = _bound(rows[piece], cols[piece])
            found[piece] = self.risk.read(box)[rows[piece] - box.row, cols[piece] - box.col]
        return found

    def _gather(self, tile: Tile, places: IntArray) -> Spectra:
        """Return what is known of the changed pixels of a tile, from where it is cheapest."""
        spectra = Spectra.unknown(places.size, self._bands)
        missing = np.ones(places.size, np.bool_)
        if self.kept is not None:
            missing = self.kept.fill(tile, places, spectra)
        if missing.any():
            which = np.flatnonzero(missing)
            rows, cols = np.divmod(places[which], tile.core.width + 1)
            self._read(rows + tile.core.row, cols + tile.core.col, which, spectra)
        return spectra

    def _read(self, rows: IntArray, cols: IntArray, which: IntArray, into: Spectra) -> None:
        """Read pixels at the given places of the grid into the entries ``which``."""
        box = _bound(rows, cols)
        into.level[which] = self.score.read(box)[rows - box.row, cols - box.col]
        if self.pair is None or not self._bands:
            return
        for piece in _pieces(rows, cols):
            box, entries = _bound(rows[piece], cols[piece]), which[piece]
            block = self.pair.salvage(box)
            at = rows[piece] - box.row, cols[piece] - box.col
            valid = block.valid[at]
            into.valid[entries] = valid
            into.before[:, entries] = np.where(valid, block.before[:, *at], np.float32(0))
            into.after[:, entries] = np.where(valid, block.after[:, *at], np.float32(0))


def _bound(rows: IntArray, cols: IntArray) -> Window:
    row, col = int(rows.min()), int(cols.min())
    return Window(row, col, int(rows.max()) - row + 1, int(cols.max()) - col + 1)


def _pieces(rows: IntArray, cols: IntArray) -> Iterator[IntArray]:
    """Yield the indices of the pixels of each cell of ``PIECE_PX``."""
    row, col = rows // PIECE_PX, cols // PIECE_PX
    cell = (row - row.min()) * (np.ptp(col) + 1) + col - col.min()
    order = np.argsort(cell.astype(np.uint32), kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(cell[order])) + 1)

"""What is added up over the pixels of runs and components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geochange.blocks import BoolArray
from geochange.maps.runs import IntArray

FloatTable = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Totals:
    """What is added up over pixels, per run or per component.

    Attributes
    ----------
    sums : float64 (N, A)
        Pixels, sum of rows, sum of columns (pixel centres), then what the caller adds.
    peaks : float64 (N, B)
        Greatest values.
    last : int64 (N,)
        Position after the last pixel in row-major order.
    """

    sums: FloatTable
    peaks: FloatTable
    last: IntArray

    def take(self, which: BoolArray | IntArray) -> Totals:
        """Return the selected rows."""
        return Totals(self.sums[which], self.peaks[which], self.last[which])


def join_totals(*several: Totals) -> Totals:
    """Return all rows in one value."""
    names = Totals.__slots__
    return Totals(*(np.concatenate([getattr(one, name) for one in several]) for name in names))


def reduce_totals(totals: Totals, label: IntArray, count: int) -> Totals:
    """Add up the rows of each of ``count`` labels; nothing, for one that does not occur."""
    order = np.argsort(label, kind="stable")
    found, first = np.unique(label[order], return_index=True)
    sums = np.zeros((count, totals.sums.shape[1]))
    peaks = np.full((count, totals.peaks.shape[1]), -np.inf)
    last = np.zeros(count, np.int64)
    if found.size:
        sums[found] = np.add.reduceat(totals.sums[order], first)
        peaks[found] = np.maximum.reduceat(totals.peaks[order], first)
        last[found] = np.maximum.reduceat(totals.last[order], first)
    return Totals(sums, peaks, last)


Sums = tuple[FloatTable, FloatTable]
"""Sums (N, A) and peaks (N, B) of N runs."""

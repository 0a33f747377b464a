"""Orfeo ToolBox's MAD as a detector: its variates are linear in the bands, so they are read off."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import numpy as np
import rasterio

from geochange.alignment.pair import Pair
from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.detectors.base import score_from_sigma
from geochange.detectors.statistics.samples import MAD_TO_SIGMA
from geochange.tiles import Window

PROGRAM = "otbcli_MultivariateAlterationDetector"
BORDER_PX = 4
"""Left out where a registered date may hold no data: the program knows none."""
LARGEST_ERROR = 1e-3


def is_installed() -> bool:
    return shutil.which(PROGRAM) is not None


class OtbMad:
    """Root mean square of the program's variates, each divided by its robust deviation.

    The program runs once, on the pair as it is; its variates are then a linear function of the
    bands of both dates, found by least squares, which :meth:`fit` checks to be exact.
    """

    halo = 0
    threshold = "auto"

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def fit(self, blocks: Iterable[PairBlock]) -> Self:
        height, width = self.pair.shape
        inner = Window(0, 0, height, width).pad(-BORDER_PX)
        block = self.pair.read_window(inner)
        first, _ = self.pair.before.read(inner)
        second, _ = self.pair.after.read(inner)
        dates = [fill(date) for date in (first, second)]
        variates = run_program(*dates)
        bands = np.concatenate([*dates, np.ones((1, *inner.shape), np.float32)])
        table = bands.reshape(len(bands), -1).T.astype(np.float64)
        wanted = variates.reshape(len(variates), -1).T
        weights = np.linalg.lstsq(table, wanted, rcond=None)[0]
        error = np.abs(table @ weights - wanted).max() / wanted.std()
        if error > LARGEST_ERROR:
            msg = f"the variates are not linear in the bands: {error:.1e}"
            raise ValueError(msg)
        known = wanted[block.valid.ravel()]
        deviation = MAD_TO_SIGMA * np.median(np.abs(known - np.median(known, axis=0)), axis=0)
        weights[-1] -= np.median(known, axis=0)
        self.weights_ = (weights / deviation).astype(np.float32)
        return self

    def score(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        bands = np.concatenate([before, after], axis=1)
        variates = np.einsum("nchw,cv->nvhw", bands, self.weights_[:-1])
        variates += self.weights_[-1][:, None, None]
        score = score_from_sigma(np.sqrt((variates**2).mean(axis=1)))
        score[~valid] = np.nan
        return score


def fill(date: FloatArray) -> FloatArray:
    """Put the median where a date holds no data, which readers give as 0 in all bands."""
    nothing = (date == 0).all(axis=0)
    date[:, nothing] = np.median(date[:, ~nothing], axis=1)[:, None]
    return date


def run_program(before: FloatArray, after: FloatArray) -> np.ndarray:
    """Return the variates of two images, float64 (V, H, W)."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.tif" for name in ("before", "after", "mad")]
        for path, image in zip(paths, (before, after), strict=False):
            count, height, width = image.shape
            profile = {"driver": "GTiff", "count": count, "height": height, "width": width}
            with rasterio.open(path, "w", dtype="float32", **profile) as dataset:
                dataset.write(image)
        first, second, out = map(str, paths)
        words = [PROGRAM, "-in1", first, "-in2", second, "-out", out, "double"]
        subprocess.run(words, check=True, capture_output=True)
        with rasterio.open(out) as dataset:
            return dataset.read().astype(np.float64)

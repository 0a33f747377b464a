"""The contract of readers, proved."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from geochange.blocks import BoolArray, FloatArray
from geochange.io.reader import Reader
from geochange.testing.rules import require, require_equal
from geochange.tiles import Window


def check_reader(reader: Reader, *, block: int = 64) -> None:
    """Prove that a reader keeps the contract of the Reader protocol.

    Parameters
    ----------
    reader : Reader
        With ``geobox``, ``bands`` and ``read(window) -> (float32 (C, H, W), bool (H, W))``.
    block : int
        Edge of the windows read, in pixels.

    Raises
    ------
    AssertionError
        A rule is broken; the message says which.

    Examples
    --------
    >>> from affine import Affine
    >>> from odc.geo.geobox import GeoBox
    >>> from geochange.testing import ArrayReader, coordinate_image
    >>> geobox = GeoBox((9, 9), Affine(10, 0, 500, 0, -10, 900), "EPSG:32633")
    >>> check_reader(ArrayReader(coordinate_image(geobox), geobox, ("x", "y")))
    """
    height, width = reader.geobox.shape
    edge = Window(height - block // 2, width - block // 2, block, block)
    windows = [Window(0, 0, min(block, height), min(block, width)), edge]
    windows.append(Window(-block // 2, -block // 2, block, block))
    expected = [_check_read(reader, window) for window in windows]
    _check_outside(reader, Window(height, width, 3, 2), Window(-5, 0, 5, 4))
    _check_consistent(reader, windows[0], expected[0])
    copied = pickle.loads(pickle.dumps(reader))
    for source in (reader, copied):
        with ThreadPoolExecutor(8) as pool:
            for i, answer in enumerate(pool.map(source.read, windows * 8)):
                require_equal(answer, expected[i % len(windows)], "threads and pickles read alike")


def _check_read(reader: Reader, window: Window) -> tuple[FloatArray, BoolArray]:
    image, valid = reader.read(window)
    require(image.dtype == np.float32 and valid.dtype == bool, "a reader gives float32 and bool")
    require(image.shape == (len(reader.bands), *window.shape), "pixels are (bands, H, W)")
    require(valid.shape == window.shape, "validity is (H, W)")
    frame = Window(0, 0, *reader.geobox.shape)
    common = frame.intersect(window)
    outside = np.ones(window.shape, bool)
    if common is not None:
        outside[common.slices_in(window)] = False
    require(not valid[outside].any(), "pixels outside the grid are invalid")
    require(bool(np.isfinite(image).all()), "pixels are finite, 0 where invalid")
    return image, valid


def _check_outside(reader: Reader, *windows: Window) -> None:
    for window in windows:
        _, valid = _check_read(reader, window)
        require(not valid.any(), "a window outside the grid is invalid, not an error")


def _check_consistent(
    reader: Reader, window: Window, expected: tuple[FloatArray, BoolArray]
) -> None:
    """Check that a part of a window reads like that part."""
    part = Window(window.row, window.col, -(-window.height // 2), -(-window.width // 3))
    image, valid = reader.read(part)
    inside = part.slices_in(window)
    wanted = expected[0][(slice(None), *inside)], expected[1][inside]
    require_equal((image, valid), wanted, "a part of a window reads like the window")

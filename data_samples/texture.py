"""Random fields that keep surfaces from looking flat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def stream(seed: int, *key: int | str) -> np.random.Generator:
    """Return the random generator that belongs to a seed and a key.

    Parameters
    ----------
    seed : int
        Seed of the scene.
    *key : int or str
        What the numbers are for, so that one use never disturbs another.

    Returns
    -------
    numpy.random.Generator
        The same generator state for the same arguments.
    """
    words = [sum(ord(c) * 31**i for i, c in enumerate(k)) if isinstance(k, str) else k for k in key]
    return np.random.default_rng([seed, *(word % 2**63 for word in words)])


def fractal(
    size: int, rng: np.random.Generator, *, outer_px: float, inner_px: float = 0.0, slope: float
) -> FloatArray:
    """Draw a periodic Gaussian field with a power-law spectrum.

    Parameters
    ----------
    size : int
        Rows and columns of the square field.
    rng : numpy.random.Generator
        Source of the phases.
    outer_px : float
        Length above which the spectrum is flat, in pixels.
    inner_px : float
        Length below which the field is smooth, in pixels.
    slope : float
        Fall of the amplitude with frequency; higher is smoother.

    Returns
    -------
    ndarray
        float32 (size, size) of mean 0 and standard deviation 1, clipped to -3..3.
    """
    fy = np.fft.fftfreq(size)[:, None]
    fx = np.fft.rfftfreq(size)[None, :]
    f2 = fx * fx + fy * fy
    amplitude = (f2 + 1.0 / outer_px**2) ** (-slope / 2)
    amplitude *= np.exp(-2 * np.pi**2 * f2 * inner_px**2 / 4)
    amplitude[0, 0] = 0
    white = np.fft.rfft2(rng.standard_normal((size, size)))
    field = np.fft.irfft2(white * amplitude, s=(size, size))
    field /= field.std()
    return np.clip(field, -3, 3).astype(np.float32)


class Textures:
    """The random fields of one scene, read anywhere because they are periodic.

    Parameters
    ----------
    seed : int
        Seed of the scene.
    resolution_m : float
        Size of a canvas pixel.
    size : int
        Rows and columns of each field.
    """

    def __init__(self, seed: int, resolution_m: float, size: int = 2048) -> None:
        rng = stream(seed, "textures")
        px = 1.0 / resolution_m
        self.size = size
        self.broad = fractal(size, rng, outer_px=60 * px, inner_px=1.0 * px, slope=1.9)
        self.middle = fractal(size, rng, outer_px=9 * px, inner_px=0.3 * px, slope=1.6)
        self.fine = fractal(size, rng, outer_px=max(1.2 * px, 2.0), slope=1.2)
        warped = np.abs(fractal(size, rng, outer_px=25 * px, inner_px=0.5 * px, slope=1.8))
        self.ridges = (1.2 - warped * 1.5).clip(-2, 1.5).astype(np.float32)
        profile = rng.standard_normal(4096)
        self.profile = profile.astype(np.float32)

    def read(self, name: str, rows: slice, cols: slice, key: int) -> FloatArray:
        """Read a window of a field, moved by an amount that depends on `key`."""
        field: FloatArray = getattr(self, name)
        row0, col0 = (key * 7919) % self.size, (key * 104729) % self.size
        r = (np.arange(rows.start, rows.stop) + row0) % self.size
        c = (np.arange(cols.start, cols.stop) + col0) % self.size
        return field[np.ix_(r, c)]

    def stripes(self, distance: FloatArray, key: int) -> FloatArray:
        """Return noise that varies with `distance` only: one value a unit, joined linearly."""
        position = distance + (key * 131) % 4096
        cell = np.floor(position)
        part = (position - cell).astype(np.float32)
        index = cell.astype(np.int64)
        low, high = self.profile[index % 4096], self.profile[(index + 1) % 4096]
        return low * (1 - part) + high * part

"""Change that is made: pasted objects and exchanged patches, on real texture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as label_components
from scipy.ndimage import uniform_filter

from geochange.blocks import BoolArray, FloatArray
from geochange.evaluation.counts import UNKNOWN
from geochange.training.scenes.scene import Sample

Place = tuple[slice, slice]
PASTED_SHARE = 0.6
"""Share of a donor's objects that are pasted."""
PATCH_SIZES = (4, 6, 8, 12)
"""Patches along a side of a chip."""
PATCH_SHARES = (0.1, 0.4)
"""Least and largest share of the patches that are exchanged."""
CLUSTERS, ROUNDS, CLUSTER_SAMPLE = 6, 6, 1500
SMOOTHING_PX = 3
SAME_KIND, OTHER_KIND = 0.5, 1.0
"""Distance of kinds of surface, root mean square over bands in deviations, up to which they are one
and from which they are two."""
GAINS = (0.25, 4.0)
"""Limits of the gain that matches the radiometry of two chips."""


def match_moments(
    image: FloatArray, valid: BoolArray, like: FloatArray, there: BoolArray
) -> FloatArray:
    """Bring mean and deviation of each band to those of another image.

    Parameters
    ----------
    image, like : float32 (C, H, W)
    valid, there : bool (H, W)
        Pixels that count in each.
    """
    if not valid.any() or not there.any():
        return image
    (mean, deviation), (wanted, target) = _moments(image, valid), _moments(like, there)
    gain: FloatArray = np.clip(target / np.maximum(deviation, 1e-6), *GAINS)
    matched: FloatArray = image * gain + (wanted - mean * gain)
    return matched


def _moments(image: FloatArray, valid: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of each band, float32 (C, 1, 1)."""
    pixels = image.reshape(len(image), -1) if valid.all() else image[:, valid]
    mean = pixels.mean(axis=1, keepdims=True)
    deviation = np.sqrt(((pixels - mean) ** 2).mean(axis=1, keepdims=True))
    return mean[:, :, None], deviation[:, :, None]


def paste_objects(rng: np.random.Generator, sample: Sample, donor: Sample) -> Sample:
    """Paste changed objects of a donor, both dates of them, where the sample did not change.

    After instance-level copy-paste (Ghiasi et al. 2021, CVPR), for pairs: each date of the object
    is brought to the radiometry of the same date of the sample, so the change stays what it was.

    Parameters
    ----------
    sample, donor : Sample
        Of one size.
    """
    numbers, count = label_components(donor.label == 1)
    chosen = np.flatnonzero(rng.random(count) < PASTED_SHARE) + 1
    shift = tuple(
        int(v) for v in rng.integers(-sample.label.shape[0] // 4, sample.label.shape[0] // 4 + 1, 2)
    )
    mask = np.isin(numbers, chosen) & donor.valid
    mask = np.roll(mask, shift, axis=(0, 1)) & sample.valid & (sample.label == 0)
    if not mask.any():
        return sample
    share = uniform_filter(mask.astype(np.float32), 3) * sample.valid
    share[mask] = np.maximum(share[mask], 0.5)
    share *= np.roll(donor.valid, shift, axis=(0, 1))
    pasted = []
    for own, other in ((sample.before, donor.before), (sample.after, donor.after)):
        matched = match_moments(other, donor.valid, own, sample.valid)
        matched = np.roll(matched, shift, axis=(1, 2))
        pasted.append(own + share * (matched - own))
    return Sample(
        pasted[0], pasted[1], np.where(mask, 1, sample.label).astype(np.uint8), sample.valid
    )


def repeat_date(rng: np.random.Generator, sample: Sample) -> Sample:
    """Return one of the dates against itself: nothing changed."""
    date = (sample.before, sample.after)[int(rng.integers(2))]
    label = np.where(sample.valid, 0, UNKNOWN).astype(np.uint8)
    return Sample(date, date.copy(), label, sample.valid)


def exchange_patches(rng: np.random.Generator, sample: Sample, donor: Sample) -> Sample:
    """Make change out of one date by exchanging patches with itself and with a donor.

    After I3PE (Chen et al. 2023, ISPRS Journal 206): a patch counts as changed only where it shows
    another kind of surface than before. Kinds are clusters of the smoothed pixels; those that lie
    near each other are one, and between near and far nothing is said.

    Parameters
    ----------
    sample, donor : Sample
        Of one size; their labels are not looked at.
    """
    before = (sample.before, sample.after)[int(rng.integers(2))]
    other = (donor.before, donor.after)[int(rng.integers(2))]
    other = match_moments(other, donor.valid, before, sample.valid)
    size = max(1, before.shape[-1] // int(rng.choice(PATCH_SIZES)))
    after, valid = before.copy(), sample.valid.copy()
    exchanged = np.zeros_like(valid)
    for to, source in _pair_patches(rng, valid.shape[0], size):
        after[:, *to], valid[to] = before[:, *source], sample.valid[source]
        exchanged[to] = True
    for place, _ in _pair_patches(rng, valid.shape[0], size):
        after[:, *place], valid[place] = other[:, *place], donor.valid[place]
        exchanged[place] = True
    valid &= sample.valid
    apart = _measure_kinds(rng, before, after, valid)
    label = np.where(apart > SAME_KIND, UNKNOWN, 0)
    label[apart > OTHER_KIND] = 1
    label = np.where(valid, np.where(exchanged, label, 0), UNKNOWN).astype(np.uint8)
    return Sample(before, np.where(valid, after, np.float32(0)), label, valid)


def _pair_patches(rng: np.random.Generator, edge: int, size: int) -> Iterator[tuple[Place, Place]]:
    """Draw patches of a regular grid and for each another one of them."""
    starts = np.arange(edge // size) * size
    corners = np.stack(np.meshgrid(starts, starts, indexing="ij"), axis=-1).reshape(-1, 2)
    count = max(2, round(len(corners) * rng.uniform(*PATCH_SHARES)))
    chosen = corners[rng.permutation(len(corners))[:count]].tolist()
    places = [(slice(row, row + size), slice(col, col + size)) for row, col in chosen]
    return zip(places, [places[-1], *places[:-1]], strict=True)


def _measure_kinds(
    rng: np.random.Generator, before: FloatArray, after: FloatArray, valid: BoolArray
) -> FloatArray:
    """Return how far apart the kinds of surface of both dates are, in deviations, (H, W).

    Kinds are centres of k-means over the valid pixels of both dates.
    """
    smooth = [uniform_filter(d, (0, SMOOTHING_PX, SMOOTHING_PX)) for d in (before, after)]
    features = np.stack(smooth, axis=1)
    known = features[:, :, valid].reshape(len(features), -1)
    if not known.size:
        return np.zeros(valid.shape, np.float32)
    deviation = np.maximum(known.std(axis=1, keepdims=True), 1e-6)
    pixels = known[:, rng.integers(known.shape[1], size=CLUSTER_SAMPLE)] / deviation
    centres = pixels[:, rng.choice(CLUSTER_SAMPLE, CLUSTERS, replace=False)]
    for _ in range(ROUNDS):
        kind = _nearest(pixels, centres)
        for index in np.unique(kind):
            centres[:, index] = pixels[:, kind == index].mean(axis=1)
    kinds = _nearest(features.reshape(len(features), -1) / deviation, centres)
    first, second = kinds.reshape(2, *valid.shape)
    gaps = np.sqrt(((centres[:, :, None] - centres[:, None]) ** 2).mean(axis=0))
    return np.asarray(gaps[first, second], np.float32)


def _nearest(pixels: FloatArray, centres: FloatArray) -> NDArray[np.int64]:
    """Index of the nearest centre (C, K) for each pixel (C, N)."""
    distance = [((pixels - centre[:, None]) ** 2).sum(axis=0) for centre in centres.T]
    return np.asarray(np.argmin(distance, axis=0), np.int64)

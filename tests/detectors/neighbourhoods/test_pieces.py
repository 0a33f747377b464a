import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geochange.detectors.neighbourhoods import pieces
from geochange.detectors.neighbourhoods.pieces import mix_bands, score_pieces, slide, trim
from geochange.detectors.registry import METHODS
from geochange.testing import score_pair, synthetic_pair
from geochange.tiles import TilePlan


@given(
    st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3, 5, 7, 9]), st.integers(0, 9999)
)
def test_a_window_is_reduced_around_every_pixel(height, width, size, seed):
    rows, cols = height + size - 1, width + size - 1
    image = np.random.default_rng(seed).integers(-99, 99, (rows, cols)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size))
    for op, reduce in ((np.add, np.sum), (np.fmin, np.min), (np.fmax, np.max)):
        found = slide(op, image.ravel(), size, cols)
        assert found.size == trim(image.ravel(), size // 2, cols).size
        found = np.lib.stride_tricks.sliding_window_view(found, width)[::cols]
        np.testing.assert_array_equal(found, reduce(windows, axis=(2, 3)))


@pytest.mark.parametrize("margin", [0, 3])
@pytest.mark.parametrize("shape", [(70, 33), (5, 90), (1, 1)])
def test_pieces_are_put_together_where_they_belong(monkeypatch, margin, shape):
    monkeypatch.setattr(pieces, "PIECE_PX", 16)
    before = np.arange(2 * np.prod(shape), dtype=np.float32).reshape(1, 2, *shape)
    valid = before[:, 0] % 7 != 1
    seen = []

    def score(piece):
        seen.append(piece)
        return trim(piece.before[0] + piece.after[0], margin, piece.stride)

    found = score_pieces(score, before, 2 * before, valid, margin, bands=(1,))
    np.testing.assert_array_equal(found, np.where(valid, 3 * before[:, 1], np.nan))
    assert all(len(piece.before) == 1 and piece.stride <= 16 + 2 * margin for piece in seen)


@pytest.mark.parametrize(("rows", "bands"), [(1, 1), (1, 3), (2, 2), (4, 4), (13, 13), (25, 20)])
def test_mixed_bands_do_not_depend_on_their_neighbours(rows, bands):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(rows, bands))
    pixels = rng.normal(100, 30, (bands, 9000)).astype(np.float32)
    whole = mix_bands(weights, pixels)
    np.testing.assert_allclose(whole, weights @ pixels, rtol=0, atol=0.01)
    for start, size in ((0, 1), (5, 2), (8, 15), (4000, 97), (37, 4096), (1, 8191)):
        part = pixels[:, start : start + size]
        np.testing.assert_array_equal(mix_bands(weights, part), whole[:, start : start + size])


ALMOST = {"network", "ratio-clusters", "autoencoder", "vae", "translation-gan", "ensemble"}
"""Convolutions, and what may be made of them: equal to 1e-5, as the contract tests show."""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in sorted(METHODS) if name not in ALMOST),
        ("irmad", {"shift": 1, "window": 3}),
        ("log-ratio", {"unit": "intensity"}),
        ("sfa", {"window": 5}),
    ],
)
@pytest.mark.parametrize("bands", [1, 3, 4])
def test_the_tiling_does_not_show_in_a_single_bit(monkeypatch, name, options, bands):
    pair = synthetic_pair((150, 131), bands=bands)
    pair.after[:, 5:40, 3:50] = np.nan
    pair.after[:, ::9, ::7][:, :6] = np.nan
    detector = METHODS[name].build(**options)
    detector.fit(pair.blocks(TilePlan(pair.shape, 64, detector.halo)))
    whole = score_pair(detector, pair, tile_size=150)
    monkeypatch.setattr(pieces, "PIECE_PX", 40)
    monkeypatch.setattr(pieces, "CHUNK_PIXELS", 1000)
    for size in (29, 50, 64, 150):
        tiled = score_pair(detector, pair, tile_size=size)
        np.testing.assert_array_equal(tiled, whole)

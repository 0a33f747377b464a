from __future__ import annotations

import numpy as np

from geochange.radiometry.quantiles import match_quantiles


def test_a_curved_response_is_followed_and_never_turns_back():
    rng = np.random.default_rng(0)
    ground = rng.beta(2, 3, 50_000)
    found = match_quantiles(255 * ground**0.6, 255 * ground, 1.0)
    levels = np.linspace(0, 255, 600, dtype=np.float32)
    mapped = found.apply(levels)
    assert (np.diff(mapped) >= 0).all()
    inner = (levels > 40) & (levels < 200)
    np.testing.assert_allclose(mapped[inner], 255 * (levels[inner] / 255) ** (1 / 0.6), atol=2)


def test_few_values_and_constant_bands_have_a_map():
    few = match_quantiles(np.repeat([1.0, 2.0], 500), np.repeat([5.0, 9.0], 500), 4.0)
    np.testing.assert_allclose(few.apply(np.array([1, 2, 3], np.float32)), [5, 9, 13])
    flat = match_quantiles(np.full(100, 3.0), np.full(100, 8.0), 1.0)
    assert flat.apply(np.array([3.0], np.float32))[0] == 8

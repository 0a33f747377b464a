from __future__ import annotations

import numpy as np
import pytest

from geochange.radiometry.noise import (
    MOST_LOOKS,
    find_mode,
    measure_evenness,
    measure_looks,
    measure_sigma,
    respond_to_noise,
)


@pytest.mark.parametrize("looks", [1, 4, 30])
def test_looks_are_found_beside_texture_and_holes(looks):
    rng = np.random.default_rng(0)
    ground = np.full((400, 400), 100.0)
    ground[:, 250:] *= rng.gamma(3, 1 / 3, (400, 150))
    image = (ground * rng.gamma(looks, 1 / looks, ground.shape)).astype(np.float32)
    valid = rng.random(image.shape) > 0.003
    assert measure_looks(measure_evenness(image, valid)) == pytest.approx(looks, rel=0.15)


def test_even_images_and_images_without_data_have_the_most_looks():
    flat = np.full((50, 50), 7.0, np.float32)
    assert measure_looks(measure_evenness(flat, np.ones(flat.shape, bool))) == MOST_LOOKS
    assert measure_looks(measure_evenness(flat, np.zeros(flat.shape, bool))) == MOST_LOOKS
    assert measure_looks(measure_evenness(flat[:3], np.ones((3, 50), bool))) == MOST_LOOKS


def test_noise_is_found_on_edges_and_slopes_and_beside_holes():
    rng = np.random.default_rng(0)
    rows, cols = np.indices((200, 200))
    image = (3 * rows - cols + 200 * (cols > 120) + rng.normal(0, 5, rows.shape)).astype(np.float32)
    valid = np.ones(image.shape, bool)
    valid[50:80, 50:80] = False
    image[~valid] = 0
    assert measure_sigma(respond_to_noise(image, valid)) == pytest.approx(5, rel=0.05)
    assert measure_sigma(np.array([])) == 0


def test_the_mode_is_where_most_values_lie():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(2, 0.1, 3000), rng.uniform(0, 10, 2000)])
    assert find_mode(values) == pytest.approx(2, abs=0.1)

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from geochange.viz import figures
from geochange.viz import pictures as viz


def test_both_dates_share_one_stretch():
    rng = np.random.default_rng(0)
    before = rng.uniform(100, 200, (3, 40, 40)).astype(np.float32)
    after = before + 300
    valid = np.ones((40, 40), bool)
    valid[:5] = False
    limits = viz.stretch_limits([before, after], [valid, valid])
    assert all(low < 150 and high > 450 for low, high in limits)
    first, second = (viz.render_rgb(i, valid, limits) for i in (before, after))
    assert second[..., :3].mean() > first[..., :3].mean() + 100
    assert (first[:5, :, 3] == 0).all()
    assert (first[5:, :, 3] == 255).all()
    grey = viz.render_rgb(before[:1], valid, limits[:1])
    assert (grey[..., 0] == grey[..., 2]).all()
    flat = np.full((1, 4, 4), 7, np.float32)
    assert viz.stretch_limits([flat], [np.zeros((4, 4), bool)]) == [(0.0, 1.0)]


def test_masks_scores_and_errors_have_their_colours():
    mask = np.array([[0, 1, 255]], np.uint8)
    picture = viz.render_mask(mask)
    assert picture[0, 0, 3] == 0
    assert tuple(picture[0, 1]) == (*viz.CHANGE_COLOUR, 255)
    score = viz.render_score(np.array([[0.0, 1.0, np.nan]], np.float32))
    assert score[0, 2, 3] == 0
    assert score[0, 0].sum() > score[0, 1].sum()
    errors = viz.render_errors(np.array([[0, 1, 2, 3, 255]], np.uint8))
    assert len({tuple(c) for c in errors[0]}) == 5


def test_an_outline_is_the_border_of_change():
    mask = np.zeros((7, 7), np.uint8)
    mask[1:6, 1:6] = 1
    assert viz.outline(mask).sum() == 16


@pytest.mark.parametrize(("hidden", "mode"), [(0, "RGB"), (1, "RGBA")])
def test_a_png_keeps_every_pixel_and_only_an_alpha_that_hides_something(hidden, mode):
    picture = np.random.default_rng(0).integers(0, 256, (30, 60, 4), np.uint8)
    picture[..., 3] = 255
    picture[:hidden, :5, 3] = 0
    image = Image.open(io.BytesIO(viz.encode_png(picture)))
    assert image.mode == mode
    np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), picture)


def test_pictures_are_files_and_plots_are_figures():
    picture = np.zeros((30, 60, 4), np.uint8)
    assert Image.open(io.BytesIO(viz.encode_png(picture))).size == (60, 30)
    assert Image.open(io.BytesIO(viz.encode_webp(picture, 20))).size == (20, 10)
    assert viz.data_uri(viz.encode_webp(picture)).startswith("data:image/webp;base64,")
    assert viz.enlarge(picture, 100).shape == (60, 120, 4)
    figure = figures.plot_panels([("a", picture), ("b", picture)], (0, 60, 30, 0), ("x", "y"))
    assert len(figure.axes) == 2
    assert figures.figure_png(figure).startswith(b"\x89PNG")
    counts = np.zeros(256, np.int64)
    counts[[1, 140]] = 1000, 5
    axis = figures.plot_score_histogram(counts, 0.5)
    assert axis.get_xlabel() == "change score"


def test_a_swipe_escapes_its_labels():
    page = viz.swipe_html(b"RIFF", b"RIFF", ("<img onerror=x>", "b"), 300)
    assert "<img onerror" not in page
    assert "&lt;img onerror" in page

from __future__ import annotations

import numpy as np
import pytest

import geochange as gc
from geochange.detectors.methods.cva import CVA
from geochange.detectors.wrappers.features import (
    OnFeatures,
    describe_gradients,
    describe_ratios,
    see_features,
)
from geochange.errors import BandError, UsageError
from geochange.testing import ArrayPair, check_detector
from geochange.tiles import TilePlan


@pytest.mark.parametrize("features", ["ratios", "gradients"])
@pytest.mark.parametrize("method", ["cva", "context", "irmad"])
def test_a_method_on_features_keeps_the_contract(method, features):
    check_detector(OnFeatures(method, {}, features), bands=(2, 4))


def test_shade_is_no_change_of_ratios():
    rng = np.random.default_rng(0)
    before = rng.uniform(800, 1200, (4, 60, 60)).astype(np.float32)
    after = before + rng.normal(0, 10, before.shape).astype(np.float32)
    after[:, 20:40, 20:40] *= 0.6
    after[1, 5:10, 5:10] *= 1.5
    pair = ArrayPair(before, after)
    scores = {}
    for features in ("bands", "ratios"):
        detector = see_features("cva", {}, features).fit(pair.blocks(TilePlan(pair.shape, size=30)))
        found = detector.score(before[None], after[None], pair.valid[None])[0]
        scores[features] = np.median(found[20:40, 20:40]), np.median(found[5:10, 5:10])
    assert scores["bands"][0] > 0.7
    assert scores["ratios"][0] < 0.4
    assert scores["ratios"][1] > 0.7


def test_smooth_light_leaves_gradients_and_invalid_pixels_have_no_say():
    rows, cols = np.indices((20, 24)).astype(np.float32)
    image = np.stack([3 * rows + 4 * cols, np.full_like(rows, 9)])
    valid = np.ones(rows.shape, bool)
    found = describe_gradients(image, valid)
    np.testing.assert_allclose(found[0, 1:-1, 1:-1], 5)
    assert (found[1] == 0).all()
    valid[5, 5] = False
    image[:, 5, 5] = 1e9
    assert describe_gradients(image, valid)[0][valid].max() <= 5.01
    assert (describe_ratios(image, valid)[:, 5, 5] == 0).all()


def test_what_cannot_be_is_one_line():
    assert isinstance(see_features("cva", {}, "bands"), CVA)
    with pytest.raises(UsageError, match="unknown features 'ratio'; did you mean 'ratios'"):
        see_features("cva", {}, "ratio")
    one = np.ones((1, 4, 4), np.float32)
    with pytest.raises(BandError, match="at least 2 bands"):
        describe_ratios(one, np.ones((4, 4), bool))


@pytest.mark.parametrize("job", ["detect", "sensitivity"])
def test_ratios_of_one_band_are_refused_before_a_pixel_is_read(job, write_raster, tmp_path):
    path = write_raster("pan.tif", np.ones((1, 40, 40), np.uint8))
    stages = []
    with pytest.raises(BandError, match="ratios need at least 2 bands, a date has 1"):
        getattr(gc, job)(
            path, path, tmp_path / "out", features="ratios", on_progress=lambda *s: stages.append(s)
        )
    assert not stages
    assert not (tmp_path / "out").exists()

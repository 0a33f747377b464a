import numpy as np
import pytest
import rasterio
import rasterio.windows

from geochange.nn.checkpoints.cardfile import read_card
from geochange.nn.checkpoints.shipped import find_model
from geochange.nn.inference.attributor import Attributor
from geochange.nn.normalization import SceneNormalization
from geochange.tiles import Window


@pytest.fixture
def attributor(checkpoint):
    fixed = read_card(checkpoint).normalization
    return Attributor(checkpoint, (fixed.before, fixed.after), device="cpu")


@pytest.fixture
def dates():
    rng = np.random.default_rng(0)
    before = rng.normal(90, 20, (3, 64, 48)).astype(np.float32)
    after = before.copy()
    after[:, 24:40, 16:32] += 80
    return before, after


def test_attributions_of_each_date_add_up_to_the_mean_score(attributor, dates):
    valid, region = np.ones((64, 48), bool), np.zeros((64, 48), bool)
    region[16:48, 8:40] = True
    found = attributor.attribute(dates, valid, region, steps=64)
    for part in found:
        assert part.baseline == "other date"
        assert part.values.shape == (3, 64, 48)
        assert abs(part.gap) < 0.02 * abs(part.total) + 1e-5
        assert part.values.sum(dtype=float) == pytest.approx(part.total + part.gap, abs=1e-5)
        unchanged = np.ones((64, 48), bool)
        unchanged[24:40, 16:32] = False
        assert (part.values[:, unchanged] == 0).all()


def test_invalid_pixels_have_no_part(attributor, dates):
    valid = np.ones((64, 48), bool)
    valid[30:34] = False
    dates[1][:, 30:34] = np.nan
    found = attributor.attribute(dates, valid, valid, steps=4)
    assert all((part.values[:, 30:34] == 0).all() for part in found)
    assert all(np.isfinite(part.values).all() for part in found)


def test_the_stage_that_is_chosen_points_at_the_change(samples):
    part = Window(256, 256, 256, 256)
    before, after, truth = (read(samples / "vhr" / f"{name}.tif", window=part)
                            for name in ("before", "after", "truth"))  # fmt: skip
    scalings = SceneNormalization().settle(*(d.reshape(len(d), -1).T for d in (before, after)))
    found = Attributor(find_model("structures"), scalings, device="cpu")
    valid, built = np.ones(truth.shape[1:], bool), truth[0] == 1
    shares = {}
    for stage in (None, "fusions.2"):
        name, [where] = found.locate((before, after), valid, valid, stage=stage)
        shares[name] = where[built].sum() / where.sum()
    chosen = shares["decoder.smooth.1"]
    assert built.mean() < 0.15
    assert chosen > 0.85
    assert chosen > 1.5 * shares["fusions.2"]


def read(path, window):
    with rasterio.open(path) as dataset:
        place = rasterio.windows.Window(window.col, window.row, window.width, window.height)
        return dataset.read(window=place).astype(np.float32)

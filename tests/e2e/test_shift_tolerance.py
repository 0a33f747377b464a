"""Runs that forgive shifts, and what they say of the risk of misregistration."""

import numpy as np
import pytest
from scipy import ndimage

import geochange as gc
from geochange.cli import main
from geochange.errors import UsageError


@pytest.fixture
def moved(write_raster):
    """Blocky ground, the after date 1 column and 1 row off and with one new square."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.normal(0, 60, (3, 22, 22)), np.ones((1, 10, 10)))
    fine = 500 + blocks + rng.normal(0, 10, blocks.shape)
    ground = ndimage.gaussian_filter(fine, (0, 0.9, 0.9))
    noise = rng.normal(0, 2, (2, *ground.shape))
    after = np.roll(ground, (1, 1), axis=(1, 2))
    after[:, 100:108, 60:68] += 250
    return [
        str(write_raster(f"{name}.tif", (date + n).astype(np.float32), names=("R", "G", "B")))
        for name, date, n in zip("ab", (ground, after), noise, strict=True)
    ]


@pytest.mark.parametrize("method", ["cva", "faint", "pca-kmeans", "context", "irmad"])
def test_a_shift_that_is_forgiven_makes_no_change(method, moved, tmp_path):
    shares = {}
    for shift in (0, 1):
        result = gc.detect(
            *moved,
            tmp_path / f"out{shift}",
            method=method,
            shift_tolerance=shift,
            threshold="otsu" if method != "pca-kmeans" else None,
            register="off",
            products=("score", "mask"),
            threads=1,
        )
        score = result.open().to_numpy()
        shares[shift] = np.nanmean(score[2:90, 2:-2])
        assert np.nanmean(score[101:107, 61:67]) > 1.3 * np.nanmedian(score)
    assert shares[1] < shares[0]


def test_tiles_and_resume_change_nothing(moved, tmp_path):
    settings = {"method": "cva", "shift_tolerance": 2, "register": "off", "products": ("score",)}
    scores = [
        gc.detect(*moved, tmp_path / str(size), tile_size=size, **settings).open().to_numpy()
        for size in (32, 77, 256)
    ]
    assert np.array_equal(scores[0], scores[1], equal_nan=True)
    assert np.array_equal(scores[0], scores[2], equal_nan=True)


def test_the_risk_is_in_the_polygons(moved, tmp_path):
    off, auto = (
        gc.detect(*moved, tmp_path / mode, method="cva", threshold="0.5", register=mode).polygons()
        for mode in ("off", "auto")
    )
    assert off["misregistration_risk"].isna().all()
    assert auto["misregistration_risk"].between(0, 1).all()
    assert len(off) > len(auto)


def test_command_line_and_explanation(moved, tmp_path, capsys):
    words = ["detect", *moved, "-o", str(tmp_path / "out"), "--method", "cva", "-q"]
    assert main([*words, "--shift-tolerance", "1", "--register", "off"]) == 0
    result = gc.open_map(tmp_path / "out")
    assert result.run["settings"]["shift_tolerance"] == 1
    box = (500600, 5000000 - 1080, 500680, 5000000 - 1000)
    found = result.explain(box, crs="EPSG:32632")
    assert found.facts["difference_from_run"] < 1e-4
    assert main([*words, "--shift-tolerance", "20", "--overwrite"]) == 2
    assert "0 to 8 px" in capsys.readouterr().err


def test_options_that_contradict_are_refused(moved):
    with pytest.raises(UsageError, match="exclude"):
        gc.detect(*moved, method="context", options={"shift": 2}, shift_tolerance=1)

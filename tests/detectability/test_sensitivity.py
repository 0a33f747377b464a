import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import ndtr, ndtri

import geochange as gc
from geochange.cli import main
from geochange.detectability.files import name_threshold
from geochange.detectability.shapes import footprint, render
from geochange.errors import BandError, DataWarning, InputError, OutputExistsError, UsageError
from geochange.tiles import Window

QUICK = {"sizes": (1, 3, 8), "contrasts": (1, 4, 12), "trials": 40, "threads": 1}


def test_cva_finds_what_gaussian_noise_lets_it(write_raster):
    rng = np.random.default_rng(0)
    dates = [rng.normal(100, 2, (1, 200, 200)).astype("f4") for _ in range(2)]
    paths = [write_raster(f"{name}.tif", d) for name, d in zip("ab", dates, strict=True)]
    settings = {"sizes": (8,), "contrasts": (1, 2, 3, 4), "trials": 300, "threads": 1}
    found = gc.sensitivity(*paths, method="cva", register="off", false_alarms=1e-3, **settings)
    table = found.table[found.table.threshold == "false alarms"]
    for row in table.itertuples():
        expected = probability_of_cva(8, row.contrast_sigma, 1e-3)
        assert row.low_95 - 0.08 <= expected <= row.high_95 + 0.08
        assert row.low_95 <= row.probability <= row.high_95


def probability_of_cva(size, contrast, rate):
    """Return how often any pixel of a place without false alarm leaves +-cut, for white noise."""
    window, cut = Window(0, 0, 14, 14), -ndtri(rate / 2)
    found = []
    for middle in np.random.default_rng(1).uniform(6.5, 7.5, (100, 2)):
        raised = contrast * render(window, middle, size)[footprint(window, middle, size)]
        missed = (ndtr(cut - raised) - ndtr(-cut)) / (1 - rate)
        found.append(1 - np.prod(missed))
    return np.mean(found)


def test_a_panel_tells_a_score_from_a_share():
    cut = {"score": 0.5, "share_above": 0.3}
    assert name_threshold("run", cut).endswith("threshold, score 0.500, reached by 0.3 of the px")
    assert name_threshold("false alarms", cut) == "false-alarm rate 0.3, score 0.500"


def test_what_a_sensitivity_leaves(pair, tmp_path):
    found = gc.sensitivity(*pair, tmp_path / "out", method="cva", **QUICK)
    assert sorted(path.name for path in found.path.iterdir()) == [
        "sensitivity.csv",
        "sensitivity.json",
        "sensitivity.png",
    ]
    written = pd.read_csv(found.path / "sensitivity.csv")
    pd.testing.assert_frame_equal(written, found.table, check_dtype=False)
    assert len(written) == 2 * 2 * 3 * 3
    with Image.open(found.path / "sensitivity.png") as picture:
        assert min(picture.size) > 200
    strong = written[(written.size_px == 8) & (written.contrast_sigma == 12)]
    assert (strong.probability == 1).all()
    weak = written[(written.size_px == 1) & (written.contrast_sigma == 1)]
    assert (weak.probability < 0.3).all()
    assert found.facts["thresholds"]["false alarms"]["share_above"] <= 1e-4
    limits = found.limits[found.limits["size_px"] == 8]
    assert (limits.contrast_90 < 12).all()
    assert "are found with 90 %" in str(found)
    assert repr(found).startswith("<Sensitivity of cva")
    again = gc.sensitivity(*pair, method="cva", **QUICK | {"threads": 2}, tile_size=64)
    assert again.facts["thresholds"] == found.facts["thresholds"]
    with pytest.raises(OutputExistsError):
        gc.sensitivity(*pair, tmp_path / "out", method="cva", **QUICK)
    gc.sensitivity(*pair, tmp_path / "out", method="cva", overwrite=True, **QUICK)


def test_disc_and_seed_make_other_places(pair):
    settings = QUICK | {"trials": 10}
    first, other, disc = (
        gc.sensitivity(*pair, method="cva", **settings, **more)
        for more in ({}, {"seed": 1}, {"shape": "disc"})
    )
    assert first.facts["thresholds"]["run"]["found"] != other.facts["thresholds"]["run"]["found"]
    assert " px across and " in str(disc)


def test_a_run_says_it_in_its_report(pair, tmp_path, monkeypatch):
    from geochange.detectability import design

    monkeypatch.setattr(design.Design, "__init__", _small(design.Design.__init__))
    result = gc.detect(*pair, tmp_path / "out", method="cva", sensitivity=True)
    limits = result.run["sensitivity"]
    assert limits["sizes_px"] == [2.0, 6.0]
    json.dumps(limits, allow_nan=False)
    report = (tmp_path / "out/report.html").read_text()
    assert "How small and how faint" in report
    assert limits["sentences"][0].replace("'", "&#39;") in report
    plain = gc.detect(*pair, tmp_path / "plain", method="cva")
    assert "sensitivity" not in plain.run
    assert "How small and how faint" not in (tmp_path / "plain/report.html").read_text()


def _small(init):
    def build(self):
        init(self, sizes_px=(2.0, 6.0), contrasts=(2.0, 8.0), trials=20)

    return build


def test_nothing_changed_still_has_a_limit(pair):
    found = gc.sensitivity(*pair, method="cva", threshold="0.999", **QUICK)
    own = found.facts["thresholds"]["run"]
    assert own["share_above"] == 0
    assert own["score"] == pytest.approx(0.999, abs=1e-4)
    silent = gc.sensitivity(*pair, method="cva", **QUICK).facts["thresholds"]["run"]
    assert silent["score"] == pytest.approx(0.5, abs=1e-4)


def test_inputs_that_cannot_be_measured(pair, write_raster):
    three = write_raster("three.tif", np.ones((3, 120, 150), np.float32))
    with pytest.warns(DataWarning), pytest.raises(BandError, match="4 and 3 bands"):
        gc.sensitivity(pair[0], three, method="irmad")
    with pytest.raises(UsageError, match="false-alarm rate"):
        gc.sensitivity(*pair, false_alarms=0)
    with pytest.raises(InputError, match="no pixel"):
        empty = write_raster("empty.tif", np.zeros((3, 120, 150), np.float32), nodata=0)
        gc.sensitivity(three, empty, method="cva", **QUICK)
    with pytest.raises(InputError, match="no place"):
        gc.sensitivity(*pair, method="cva", threshold="0", false_alarms=0.9999, **QUICK)


def test_command_line(pair, tmp_path, capsys):
    words = ["sensitivity", *pair, "-o", str(tmp_path / "out"), "--method", "cva", "--sizes", "2,8"]
    words += ["--contrasts", "2,10", "--trials", "15", "-q", "--threads", "1"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("At a false-alarm rate of")
    assert str(tmp_path / "out/sensitivity.png") in printed
    assert main([*words, "--overwrite", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["kind"] == "sensitivity"
    assert facts["sizes_px"] == [2.0, 8.0]
    assert main([*words[:-6], "--sizes", "a", "--overwrite"]) == 2
    assert "not a comma-separated list" in capsys.readouterr().err

import json
from datetime import date, timedelta

import numpy as np
import pytest

from geochange.cli import main


@pytest.fixture
def paths(write_raster):
    rng = np.random.default_rng(0)
    images = (1000 + 20 * rng.standard_normal((6, 2, 24, 24))).astype(np.uint16)
    images[4:, :, 5:12, 5:12] += 900
    days = [date(2015, 1, 1) + timedelta(200 * n) for n in range(6)]
    return [
        str(write_raster(f"s/{day}.tif", image, nodata=0))
        for image, day in zip(images, days, strict=True)
    ]


def test_series_prints_dates_and_files(paths, tmp_path, capsys):
    assert main(["series", *paths, "-o", str(tmp_path / "out"), "-q"]) == 0
    printed = capsys.readouterr().out
    assert "first seen 2017-03-11" in printed
    assert str(tmp_path / "out" / "date.tif") in printed


def test_a_state_is_added_to(paths, tmp_path, capsys):
    state, out = str(tmp_path / "state"), tmp_path / "out"
    first = ["series", *paths[:5], "-o", str(out), "--state", state, "--set", "history=3", "-q"]
    assert main(first) == 0
    add = ["series", "--state", state, "--add", paths[5], "-o", str(tmp_path / "more"), "-q"]
    assert main([*add, "--json"]) == 0
    run = json.loads(capsys.readouterr().out.split("how this was made\n")[1])
    assert len(run["days"]) == 6
    assert "--add" in run["command"]
    assert main([*add, "--method", "step"]) == 2
    assert "settled by the state" in capsys.readouterr().err


def test_usage_and_input_errors_have_their_codes(paths, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["series", *paths, "-o", out, "--method", "cusm"]) == 2
    assert main(["series", paths[0], "-o", out]) == 4
    assert main(["series", "--add", paths[0], "-o", out]) == 2
    assert main(["series", *paths, "-o", out, "--dates", str(tmp_path / "no.csv")]) == 4
    assert "no such file" in capsys.readouterr().err


def test_info_shows_a_series(paths, capsys):
    assert main(["info", *paths]) == 0
    printed = capsys.readouterr().out
    assert "6 dates from 2015-01-01 to 2017-09-27" in printed
    assert "step: 6 dates" in printed


def test_a_mask_goes_with_an_added_date(paths, write_raster, tmp_path, capsys):
    state = str(tmp_path / "state")
    first = ["series", *paths[:5], "-o", str(tmp_path / "out"), "--state", state]
    assert main([*first, "--set", "history=3", "-q"]) == 0
    mask = str(write_raster("mask.tif", np.ones((1, 24, 24), np.uint8)))
    add = ["series", "--state", state, "--add", paths[5], "--json", "-q", "-o"]
    assert main([*add, str(tmp_path / "two"), "--masks", f"{mask},{mask}"]) == 2
    assert "2 masks for 1 images" in capsys.readouterr().err
    assert main([*add, str(tmp_path / "more"), "--masks", mask]) == 0
    assert f"--masks {mask}" in json.loads(capsys.readouterr().out)["command"]

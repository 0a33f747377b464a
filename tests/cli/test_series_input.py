"""Bad series are refused by the command in one line that says what to do, and leave nothing."""

import numpy as np
import pytest
from affine import Affine

from geochange.cli import main

GOOD = ("2010-06-01.tif", "2011-06-01.tif", "2012-06-01.tif")
FAR = Affine(10, 0, 900_000, 0, -10, 5_000_000)
COARSE = Affine(20, 0, 500_000, 0, -20, 5_000_000)


@pytest.fixture
def folder(write_raster, tmp_path):
    rng = np.random.default_rng(0)
    image = (1000 + 200 * rng.random((3, 40, 40))).astype(np.uint16)
    for name in (*GOOD, "again/2012-06-01.tif", "scene.tif"):
        write_raster(name, image, nodata=0)
    write_raster("four_2016-06-01.tif", image[[0, 1, 2, 2]], nodata=0)
    write_raster("far_2016-07-01.tif", image, nodata=0, transform=FAR)
    write_raster("coarse_2016-08-01.tif", image[:, ::2, ::2], nodata=0, transform=COARSE)
    write_raster("bare_2016-09-01.tif", image, nodata=0, crs=None)
    for year in (2010, 2011, 2012):
        write_raster(f"cloudy_{year}-06-01.tif", np.zeros_like(image), nodata=0)
    (tmp_path / "days.csv").write_text("path,date\n2010-06-01.tif,2010-06-01\nscene.tif,2009-13-40")
    (tmp_path / "months.csv").write_text("path,date\nscene.tif,2010\n2010-06-01.tif,2012-6")
    write_raster("all/a.tif", image[:1], nodata=0)
    write_raster("2015_all/a.tif", image[:1], nodata=0)
    (tmp_path / "empty.csv").write_text("path,date\n")
    return tmp_path


def run(folder, monkeypatch, capsys, *names):
    monkeypatch.chdir(folder)
    code = main(["series", *names, "-o", "out", "-q"])
    return code, capsys.readouterr()


@pytest.mark.parametrize(
    ("names", "code", "words"),
    [
        (GOOD[:1], 4, ["two dates or more, got 1", "give more images"]),
        ((), 4, ["two dates or more, got 0"]),
        (("all",), 4, ["if it holds a file a date", "give its files (all/*.tif)"]),
        (("2015_all",), 4, ["got 1 (2015_all)", "give its files (2015_all/*.tif)"]),
        (GOOD[:2], 4, ["needs 3 dates or more, got 2", "geochange detect"]),
        ((*GOOD, GOOD[0]), 4, ["2010-06-01.tif is given twice"]),
        ((*GOOD, "again/2012-06-01.tif"), 4, ["both of 2012-06-01", "keep one of them"]),
        ((*GOOD, "scene.tif"), 4, ["day of scene.tif is not known", "--dates"]),
        (("days.csv",), 2, ["'2009-13-40' is not a day", "YYYY-MM-DD"]),
        (("months.csv",), 2, ["'2012-6' is not a day", "YYYY-MM-DD"]),
        (("empty.csv",), 4, ["a table of dates has the columns path,date"]),
        ((*GOOD, "four_2016-06-01.tif"), 4, ["has 4 bands", "has 3", "leave it out"]),
        ((*GOOD, "far_2016-07-01.tif"), 4, ["does not overlap", "leave it out"]),
        ((*GOOD, "bare_2016-09-01.tif"), 4, ["has a CRS", "has none", "assign"]),
        (tuple(f"cloudy_{y}-06-01.tif" for y in (2010, 2011, 2012)), 4, ["all cloudy", "check"]),
        ((*GOOD, "--method", "harmonic-break"), 4, ["needs 18 dates or more, got 3", "step"]),
    ],
)  # fmt: skip
def test_bad_series_are_refused_in_one_line(folder, monkeypatch, capsys, names, code, words):
    found, told = run(folder, monkeypatch, capsys, *names)
    assert (found, told.out) == (code, "")
    lines = told.err.splitlines()
    assert len(lines) == 1, told.err
    assert lines[0].startswith("error: ")
    assert [word for word in words if word not in lines[0]] == []
    assert not [path for path in folder.iterdir() if path.name.startswith("out")]


def test_unordered_dates_and_other_grids_are_no_error(folder, monkeypatch, capsys):
    names = ("coarse_2016-08-01.tif", GOOD[2], GOOD[0], GOOD[1])
    code, told = run(folder, monkeypatch, capsys, *names, "--reference", "2010-06-01")
    assert code == 0, told.err
    assert "4 from 2010-06-01 to 2016-08-01" in told.out

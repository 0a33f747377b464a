import json
from datetime import date

import numpy as np
import pytest
from affine import Affine

from geochange.errors import BandError, GridError, InputError, InputNotFoundError, UsageError
from geochange.series.stack import open_series
from geochange.tiles import Window

from .conftest import SIZE, days_from, make_images

DAYS = days_from(date(2020, 3, 1), 4, 30)
ALL = Window(0, 0, SIZE, SIZE)


def test_dates_are_sorted_by_their_names(write_series):
    paths = write_series(make_images(4, 2), DAYS)
    series = open_series(paths[::-1])
    assert series.days == tuple(DAYS)
    assert series.shape == (SIZE, SIZE)
    assert series.bands == ("blue", "green", "red", "nir")
    images, valid = series.read(ALL)
    assert images.shape == (4, 4, SIZE, SIZE)
    assert valid.all()
    assert images[3, 0, 12, 15] > images[0, 0, 12, 15] + 1000


def test_a_year_alone_stands_for_its_first_day(write_raster):
    paths = [write_raster(f"y/{y}.tif", make_images(1, 1)[0]) for y in (1990, 1985, 1995)]
    series = open_series(paths)
    assert [day.isoformat() for day in series.days] == ["1985-01-01", "1990-01-01", "1995-01-01"]
    assert any("1985.tif: taken as of 1985-01-01" in note for note in series.notes)


def test_days_come_from_a_table(write_raster, tmp_path):
    names = ["one.tif", "two.tif"]
    paths = [write_raster(name, make_images(1, 1)[0]) for name in names]
    table = tmp_path / "dates.csv"
    table.write_text("path,date\none.tif,2021-05-01\ntwo.tif,2020-05-01\n")
    for series in (open_series(paths, dates=table), open_series(table)):
        assert [day.isoformat() for day in series.days] == ["2020-05-01", "2021-05-01"]
    assert open_series(paths, dates=["2001-01-01", "2002-01-01"]).days[0].year == 2001


def test_days_come_from_tags_and_stac_items(write_raster, tmp_path):
    image = make_images(1, 1)[0]
    tagged = write_raster("tagged.tif", image, tags={"ACQUISITION_DATE": "2020-07-01"})
    write_raster("plain.tif", image)
    asset = {"href": "plain.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}
    item = {"properties": {"datetime": "2021-07-01T10:00:00Z"}, "assets": {"image": asset}}
    (tmp_path / "item.json").write_text(json.dumps(item))
    series = open_series([tmp_path / "item.json", tagged])
    assert [day.isoformat() for day in series.days] == ["2020-07-01", "2021-07-01"]


def test_nodata_and_masks_make_pixels_invalid_at_their_date_alone(write_series, write_raster):
    images = make_images(3, 2)
    images[1, :, :5] = 0
    paths = write_series(images, DAYS[:3])
    mask = np.zeros((1, SIZE, SIZE), np.uint8)
    mask[0, :, 30:] = 1
    masks = [None, None, write_raster("mask.tif", mask)]
    _, valid = open_series(paths, masks=masks).read(ALL)
    assert valid[0].all()
    assert not valid[1, :5].any()
    assert valid[1, 5:].all()
    assert not valid[2, :, 30:].any()
    assert valid[2, :, :30].all()


def test_other_grids_are_warped_to_the_reference(write_raster):
    ground = np.tile(np.arange(SIZE, dtype=np.uint16) * 10 + 500, (1, SIZE, 1))
    fine = np.tile((np.arange(2 * SIZE) / 2 * 10 + 500).astype(np.uint16), (1, 2 * SIZE, 1))
    first = write_raster("2020-01-01.tif", ground)
    half = Affine(5, 0, 500000, 0, -5, 5000000)
    second = write_raster("2021-01-01.tif", fine, transform=half)
    series = open_series([first, second])
    images, _ = series.read(Window(5, 5, 20, 20))
    assert np.abs(images[0] - images[1]).max() <= 5
    assert any("resampled from other grids: 2021-01-01" in note for note in series.notes)
    assert open_series([first, second], reference="last").shape == (2 * SIZE, 2 * SIZE)


def test_bands_that_one_date_lacks_are_left_out(write_raster):
    image = make_images(1, 1)[0]
    first = write_raster("2020-01-01.tif", image, names=("blue", "green", "red", "nir"))
    second = write_raster("2021-01-01.tif", image[:3], names=("nir", "red", "green"))
    series = open_series([first, second])
    assert series.bands == ("green", "red", "nir")
    assert series.readers[1].bands == ("green", "red", "nir")


def refuse(kind, words, *arguments, **options):
    with pytest.raises(kind) as caught:
        open_series(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_bad_input_is_refused_by_name(write_raster, tmp_path):
    image = make_images(1, 1)[0]
    a = write_raster("2020-01-01.tif", image)
    same = write_raster("b/2020-01-01.tif", image)
    bare = write_raster("scene.tif", image)
    fewer = write_raster("2021-01-01.tif", image[:2])
    far = write_raster("2022-01-01.tif", image, transform=Affine(10, 0, 9e5, 0, -10, 5e6))
    other = write_raster("2023-01-01.tif", image, crs=None)
    refuse(InputError, ["two dates or more", "2020-01-01.tif"], [a])
    refuse(InputError, ["two dates or more"], [])
    refuse(InputError, ["both of 2020-01-01", str(same)], [a, same])
    refuse(InputError, ["scene.tif", "is not known", "--dates"], [a, bare])
    refuse(BandError, ["2021-01-01.tif", "2 bands", "4"], [a, fewer])
    refuse(GridError, ["2022-01-01.tif", "does not overlap"], [a, far])
    refuse(GridError, ["2023-01-01.tif", "CRS"], [a, other])
    refuse(InputNotFoundError, ["no such file"], [a, "missing.tif"])
    refuse(InputNotFoundError, ["no such file"], tmp_path / "missing.csv")
    refuse(InputError, ["several images"], "scene.tif")
    refuse(UsageError, ["2 dates for 1 images"], [a], dates=["2020-01-01", "2021-01-01"])
    refuse(UsageError, ["not a day", "2020-13-01"], [a, bare], dates=["2020-13-01", "2021-01-01"])
    (tmp_path / "t.csv").write_text("file,day\na,b\n")
    refuse(InputError, ["path,date"], tmp_path / "t.csv")
    (tmp_path / "i.json").write_text('{"assets": {}}')
    refuse(InputError, ["not a STAC item"], [tmp_path / "i.json", a])
    b = write_raster("2024-01-01.tif", image)
    refuse(UsageError, ["no reference date 'june'"], [a, b], reference="june")
    refuse(UsageError, ["1 masks for 2 images"], [a, b], masks=[None])

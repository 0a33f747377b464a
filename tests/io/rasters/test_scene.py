from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

from geochange.errors import InputError
from geochange.io.rasters.scene import describe_date, read_date
from geochange.tiles import Window

PIXELS = np.arange(1, 601, dtype=np.uint16).reshape(1, 20, 30)
HERE = Affine(10, 0, 500000, 0, -10, 5000000)


def stack(count):
    return np.repeat(PIXELS, count, axis=0)


@pytest.mark.parametrize(
    ("name", "bands", "tags", "roles"),
    [
        ("x", ("SR_B4", "SR_B5"), {}, ("red", "nir")),
        ("x", ("SR_B3", "SR_B4", "ST_B6"), {}, ("red", "nir", "thermal")),
        ("LT05_L2SP_20090101", ("SR_B3", "SR_B4"), {}, ("red", "nir")),
        ("LC09_20220101", ("B4", "B5"), {}, ("red", "nir")),
        ("x", ("B3", "B4"), {"SPACECRAFT_ID": "LANDSAT_7"}, ("red", "nir")),
        ("HLS.L30.T32TQM.2020001", ("B04", "B05"), {}, ("red", "nir")),
        ("HLS.S30.T32TQM.2020001", ("B04", "B05"), {}, ("red", "rededge1")),
        ("T32TQM_20200101", ("B4", "B8"), {}, ("red", "nir")),
        ("x", ("B4", "B8", "B8A"), {}, ("red", "nir", "nir08")),
        ("x", ("B02", "B05"), {}, ("blue", "rededge1")),
        ("x", ("B4", "B5"), {}, (None, None)),
        ("x", ("Red", "NIR"), {}, ("red", "nir")),
    ],
)
def test_a_band_number_means_what_its_sensor_says(write_raster, name, bands, tags, roles):
    scene = describe_date(write_raster(f"{name}.tif", stack(len(bands)), names=bands, tags=tags))
    assert scene.roles == roles
    assert any("sensor unknown" in note for note in scene.notes) == (roles == (None, None))


@pytest.mark.parametrize(
    ("folder", "name", "tags", "date"),
    [
        ("f", "x_20210231", {}, None),
        ("f", "x_20210231_20210305", {}, "2021-03-05"),
        ("S2_20200101", "x_20210305", {}, "2021-03-05"),
        ("S2_20200101", "x", {}, "2020-01-01"),
        ("f", "x_20210305", {"DATE_ACQUIRED": "2019-02-03"}, "2019-02-03"),
        ("f", "x", {"TIFFTAG_DATETIME": "2024:05:06 10:00:00"}, None),
    ],
)
def test_the_date_is_that_of_the_acquisition(write_raster, folder, name, tags, date):
    scene = describe_date(write_raster(f"{folder}/{name}.tif", PIXELS, tags=tags))
    assert scene.date == date


def test_no_two_bands_are_called_alike(write_raster):
    one = write_raster("one.tif", stack(3), names=("Red", "red", "x"))
    assert describe_date(one).bands == ("Red", "red 2", "x")
    two = write_raster("two.tif", stack(1), names=("X",))
    assert describe_date([one, two]).bands == ("Red", "red 2", "one x", "two X")
    bare = [write_raster(f"{n}.tif", PIXELS) for n in "pq"]
    assert describe_date(bare).bands == ("band 1", "band 2")


def test_the_finest_copy_of_a_sentinel2_band_is_read(write_raster, tmp_path):
    images = "S2A_20200101.SAFE/GRANULE/L2A_T32TQM/IMG_DATA"
    for size, names in ((10, ("B02", "TCI")), (20, ("B02", "B05", "SCL")), (60, ("B01", "B02"))):
        for name in names:
            write_raster(
                f"{images}/R{size}m/T32TQM_20200101T101031_{name}_{size}m.tif",
                PIXELS[:, : 200 // size, : 300 // size],
                transform=HERE @ Affine.scale(size / 10),
            )
    for folder in (tmp_path / "S2A_20200101.SAFE", tmp_path / images):
        scene = describe_date(folder)
        assert sorted(scene.bands) == ["B01", "B02", "B05"]
        assert scene.geobox.affine.a == 10
        assert any("coarser copies" in note and "B02_60m" in note for note in scene.notes)
    write_raster("S2A_20200101.SAFE/GRANULE/L2A_T32TQN/IMG_DATA/a.tif", PIXELS)
    with pytest.raises(InputError, match="2 granules; give the IMG_DATA folder"):
        describe_date(tmp_path / "S2A_20200101.SAFE")


def test_hidden_files_are_no_bands(write_raster, tmp_path):
    write_raster("d/B02.tif", PIXELS)
    (tmp_path / "d" / "._B02.tif").write_bytes(b"\0\5")
    assert describe_date(tmp_path / "d").bands == ("B02",)


def test_what_is_no_date_is_one_line(write_raster):
    path = write_raster("a.tif", PIXELS)
    with rasterio.open(path) as dataset:
        for wrong in (None, "", 5, [], dataset):
            with pytest.raises(InputError, match="a date needs a file") as caught:
                describe_date(wrong)
            assert "\n" not in str(caught.value)


def test_only_the_bands_that_are_seen_are_read_and_all_keep_their_places(write_raster, tmp_path):
    for number in (2, 3, 4):
        band = PIXELS + np.uint16(1000 * number)
        band[0, number, :] = 0
        write_raster(f"date/B0{number}.tif", band, nodata=0)
    scene = describe_date(tmp_path / "date")
    reader = read_date(scene, (0, 1, 2), scene.geobox)
    window = Window(0, 0, 20, 30)
    pixels, valid = reader.read(window)
    (tmp_path / "date" / "B03.tif").unlink()
    seen, seen_valid = reader.see((0, 2)).read(window)
    np.testing.assert_array_equal(seen[[0, 2]][:, valid], pixels[[0, 2]][:, valid])
    taken, _ = reader.see((0, 2)).take((2, 1)).read(window)
    np.testing.assert_array_equal(taken[:, valid], seen[[2, 1]][:, valid])
    assert not seen[1].any()
    assert not valid[[2, 3, 4]].any()
    assert seen_valid[3].all()
    assert not seen_valid[[2, 4]].any()

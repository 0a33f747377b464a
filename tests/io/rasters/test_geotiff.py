from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from scipy.ndimage import binary_erosion

from geochange.errors import InputError, InputNotFoundError, UsageError
from geochange.io.rasters.geotiff import GridReader
from geochange.io.rasters.rasterfile import describe_raster
from geochange.io.stores.score import decode_score, encode_score
from geochange.tiles import TilePlan, Window


def _ramp(height=60, width=80, bands=2, dtype=np.uint16):
    rows, cols = np.mgrid[0:height, 0:width]
    return np.stack([(rows * 10 + cols * 3 + 100 * b + 1) for b in range(bands)]).astype(dtype)


def test_describe_reads_what_the_file_says(write_raster):
    path = write_raster(
        "2021-06-05.tif", _ramp(), names=("Red", "NIR"), nodata=0, scales=(0.1, 0.1), offsets=(5, 5)
    )
    file = describe_raster(path)
    assert file.bands == ("Red", "NIR")
    assert file.date == "2021-06-05"
    assert file.nodata == (0.0, 0.0)
    assert str(file.geobox.crs) == "EPSG:32632"
    pixels, valid = GridReader(file, file.geobox).read(Window(0, 0, 60, 80))
    np.testing.assert_allclose(pixels, _ramp() * 0.1 + 5, rtol=1e-6)
    assert valid.all()


def test_names_fall_back_from_description_to_token_to_colour_to_number(write_raster):
    one = _ramp(bands=1)
    assert describe_raster(write_raster("T32_B8A_20m.tif", one)).bands == ("B8A",)
    rgb = write_raster("rgb.tif", _ramp(bands=3).astype("uint8"), photometric="RGB")
    assert describe_raster(rgb).bands == ("red", "green", "blue")
    assert describe_raster(write_raster("x.tif", one)).bands == ("band 1",)


def test_alpha_is_validity_and_not_a_band(write_raster):
    pixels = _ramp(bands=4, dtype=np.uint8)
    pixels[3] = 255
    pixels[3, :10] = 0
    file = describe_raster(write_raster("rgba.tif", pixels, photometric="RGB", alpha="YES"))
    assert len(file.bands) == 3
    assert file.alpha == 4
    _, valid = GridReader(file, file.geobox).read(Window(0, 0, 60, 80))
    assert not valid[:10].any()
    assert valid[10:].all()
    shifted = GeoBox((50, 70), file.geobox.affine @ Affine.translation(0.5, 0.5), "EPSG:32632")
    _, valid = GridReader(file, shifted).read(Window(0, 0, 50, 70))
    assert not valid[:8].any()
    assert valid[11:].all()


@pytest.mark.parametrize("nodata", [np.nan, -9999.0])
def test_nan_inf_and_nodata_are_invalid_in_any_band(write_raster, nodata):
    pixels = _ramp(dtype=np.float32)
    pixels[0, 3, 4] = nodata
    pixels[1, 5, 6] = np.inf
    pixels[1, 7, 8] = np.nan
    file = describe_raster(write_raster("f.tif", pixels, nodata=nodata))
    read, valid = GridReader(file, file.geobox).read(Window(0, 0, 60, 80))
    assert set(zip(*np.nonzero(~valid), strict=True)) == {(3, 4), (5, 6), (7, 8)}
    assert np.isfinite(read).all()


def test_zero_is_a_value_where_nodata_is_not_set(write_raster):
    file = describe_raster(write_raster("z.tif", np.zeros((1, 9, 9), np.uint8)))
    assert GridReader(file, file.geobox).read(Window(0, 0, 9, 9))[1].all()


def test_windows_may_leave_the_grid(write_raster):
    file = describe_raster(write_raster("a.tif", _ramp()))
    reader = GridReader(file, file.geobox)
    pixels, valid = reader.read(Window(-5, 70, 20, 30))
    assert valid.sum() == 15 * 10
    np.testing.assert_array_equal(pixels[:, 5:, :10], _ramp()[:, :15, 70:])
    assert not reader.read(Window(200, 0, 5, 5))[1].any()


def test_an_aligned_grid_is_read_without_resampling(write_raster):
    file = describe_raster(write_raster("a.tif", _ramp()))
    part = GeoBox((20, 30), file.geobox.affine @ Affine.translation(7, 5), "EPSG:32632")
    reader = GridReader(file, part)
    assert reader.shift == (5, 7)
    pixels, valid = reader.read(Window(0, 0, 20, 30))
    np.testing.assert_array_equal(pixels, _ramp()[:, 5:25, 7:37])
    assert valid.all()
    assert not reader.read(Window(-1, 0, 1, 30))[1].any()


GRIDS = {
    "half pixel": ("EPSG:32632", Affine(10, 0, 500105, 0, -10, 4999895)),
    "coarser": ("EPSG:32632", Affine(17, 0, 500100, 0, -17, 4999900)),
    "finer": ("EPSG:32632", Affine(4, 0, 500102, 0, -4, 4999898)),
    "rotated": ("EPSG:32632", Affine(9, 3, 500150, 3, -9, 4999850)),
    "south-up": ("EPSG:32632", Affine(10, 0, 500105, 0, 10, 4999505)),
    "other zone": ("EPSG:32633", None),
    "lon/lat": ("EPSG:4326", None),
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_warp_puts_every_pixel_where_its_coordinates_are_for_any_tiling(write_raster, name):
    """Pixels hold their own x and y, so what is read anywhere can be checked against geometry."""
    crs, affine = GRIDS[name]
    cols, rows = np.meshgrid(np.arange(80) + 0.5, np.arange(60) + 0.5)
    x, y = cols * 10, rows * -10
    file = describe_raster(write_raster("xy.tif", np.stack([x, y]).astype(np.float32)))
    own = file.geobox
    if affine is None:
        x0, y0 = own.crs.transformer_to_crs(CRS(crs))(500103.0, 4999914.0)
        size = 1e-4 if crs == "EPSG:4326" else 10.0
        affine = Affine(size, 0, x0, 0, -size, y0)
    grid = GeoBox((33, 37), affine, crs)
    reader = GridReader(file, grid)
    pixels, valid = reader.read(Window(0, 0, 33, 37))
    cols, rows = np.meshgrid(np.arange(37) + 0.5, np.arange(33) + 0.5)
    world = affine @ (cols, rows)
    if crs != "EPSG:32632":
        world = grid.crs.transformer_to_crs(own.crs)(*world)
    inner = binary_erosion(valid)  # kernels are one-sided at the file's border
    assert inner.sum() > 300
    assert abs(pixels[0] - (world[0] - 500000))[inner].max() < 0.3
    assert abs(pixels[1] - (world[1] - 5000000))[inner].max() < 0.3
    for tile in TilePlan((33, 37), 16, 3):
        part, part_valid = reader.read(tile.read)
        inner = tile.core_in_read
        place = tile.core.slices_in(Window(0, 0, 33, 37))
        np.testing.assert_array_equal(part_valid[inner], valid[place])
        np.testing.assert_allclose(part[:, *inner], pixels[:, *place], atol=0.05)


def test_nodata_does_not_bleed_through_a_warp(write_raster):
    pixels = np.full((1, 40, 40), 1000, np.uint16)
    pixels[:, :20] = 0
    file = describe_raster(write_raster("n.tif", pixels, nodata=0))
    shifted = GeoBox((39, 39), file.geobox.affine @ Affine.translation(0.4, 0.4), "EPSG:32632")
    read, valid = GridReader(file, shifted).read(Window(0, 0, 39, 39))
    assert not valid[:19].any()
    assert valid[20:].all()
    np.testing.assert_allclose(read[0][valid], 1000)


def test_a_reader_pickles_and_serves_many_threads(write_raster):
    file = describe_raster(write_raster("a.tif", _ramp(), tiled=True, blockxsize=16, blockysize=16))
    reader = pickle.loads(pickle.dumps(GridReader(file, file.geobox)))
    plan = TilePlan((60, 80), 16, 2)
    alone = [reader.read(tile.read)[0] for tile in plan]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda tile: reader.read(tile.read)[0], list(plan) * 3))
    for index, pixels in enumerate(together):
        np.testing.assert_array_equal(pixels, alone[index % len(plan)])


def test_threads_share_what_they_decode_of_files_in_strips(write_raster):
    file = describe_raster(write_raster("a.tif", _ramp(20, 1040), blockysize=4))
    assert file.block_shape == (4, 1040)
    reader = GridReader(file, file.geobox)
    assert reader.in_strips

    def use(_):
        started.wait(10)
        with reader.borrow(Window(0, 0, 4, 4)) as (dataset,):
            return dataset

    started = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        assert len({id(dataset) for dataset in pool.map(use, range(2))}) == 1


def test_two_threads_read_a_tiled_file_at_the_same_time(write_raster):
    tiled = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    file = describe_raster(write_raster("a.tif", _ramp(20, 1040), **tiled))
    reader = GridReader(file, file.geobox)
    assert not reader.in_strips

    def use(_):
        with reader.borrow(Window(0, 0, 4, 4)) as (dataset,):
            both.wait(10)
            return dataset

    both = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        assert len({id(dataset) for dataset in pool.map(use, range(2))}) == 2


def test_bad_files_are_one_line(write_raster, tmp_path):
    with pytest.raises(InputNotFoundError, match="no such file"):
        describe_raster(tmp_path / "none.tif")
    text = tmp_path / "text.tif"
    text.write_text("hello")
    with pytest.raises(InputError, match="not a raster") as caught:
        describe_raster(text)
    assert "\n" not in str(caught.value)
    path = write_raster("cut.tif", np.random.default_rng(0).integers(0, 99, (1, 300, 300)))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    file = describe_raster(path)
    with pytest.raises(InputError, match="truncated or damaged"):
        GridReader(file, file.geobox).read(Window(0, 0, 300, 300))
    with pytest.raises(UsageError, match="did you mean 'cubic'"):
        GridReader(file, file.geobox, "cubi")


def test_scores_survive_storage():
    score = np.array([0.0, 0.25, 0.5, 1.0, np.nan], np.float32)
    np.testing.assert_allclose(decode_score(encode_score(score)), score, atol=1e-5)


def _read_whole(path, grid=None):
    file = describe_raster(path)
    grid = file.geobox if grid is None else grid
    return GridReader(file, grid).read(Window(0, 0, *grid.shape))


def test_every_band_has_its_own_nodata_also_when_warped(write_raster, tmp_path):
    pixels = np.full((3, 40, 40), 500, np.uint16)
    pixels[1, 10:20, 10:20] = 7
    write_raster("p.tif", pixels)
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{i}"><NoDataValue>{nodata}</NoDataValue>'
        f'<SimpleSource><SourceFilename relativeToVRT="1">p.tif</SourceFilename>'
        f"<SourceBand>{i}</SourceBand></SimpleSource></VRTRasterBand>"
        for i, nodata in ((1, 0), (2, 7), (3, 0))
    )
    vrt = tmp_path / "p.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="40" rasterYSize="40"><SRS>EPSG:32632</SRS><GeoTransform>'
        f"500000,10,0,5000000,0,-10</GeoTransform>{bands}</VRTDataset>"
    )
    _, valid = _read_whole(vrt)
    assert (~valid).sum() == 100
    own = describe_raster(vrt).geobox
    shifted = GeoBox((39, 39), own.affine @ Affine.translation(0.5, 0.5), "EPSG:32632")
    read, valid = _read_whole(vrt, shifted)
    assert not valid[10:19, 10:19].any()
    assert (~valid).sum() <= 100
    np.testing.assert_allclose(read[:, valid], 500)


def test_nodata_in_one_band_hides_the_pixel_when_warped(write_raster):
    pixels = np.full((2, 40, 40), 500, np.uint16)
    pixels[1, 10:20, 10:20] = 0
    path = write_raster("p.tif", pixels, nodata=0)
    own = describe_raster(path).geobox
    shifted = GeoBox((39, 39), own.affine @ Affine.translation(0.5, 0.5), "EPSG:32632")
    read, valid = _read_whole(path, shifted)
    assert not valid[11:19, 11:19].any()
    np.testing.assert_allclose(read[:, valid], 500)


@pytest.mark.parametrize("shift", [0.0, 0.4])
@pytest.mark.parametrize(
    ("dtype", "stored", "declared"),
    [
        ("float32", -3.4028234663852886e38, "-3.40282e+38"),
        ("float32", -3.4028234663852886e38, "-3.4028235e+38"),
        ("float32", -3.4028234663852886e38, "-1.79769313486232e+308"),
        ("float64", -1.7976931348623157e308, None),
        ("float64", 1e39, None),
        ("float32", 0.3, "0.3"),
    ],
)
def test_nodata_need_not_be_written_to_the_last_digit(
    write_raster, tmp_path, dtype, stored, declared, shift
):
    pixels = np.full((1, 40, 40), 500, dtype)
    pixels[:, 10:20, 10:20] = stored
    write_raster("p.tif", pixels)
    nodata = f"<NoDataValue>{declared}</NoDataValue>" if declared else ""
    vrt = tmp_path / "p.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="40" rasterYSize="40"><SRS>EPSG:32632</SRS><GeoTransform>'
        f'500000,10,0,5000000,0,-10</GeoTransform><VRTRasterBand dataType="{dtype.title()}" '
        f'band="1">{nodata}<SimpleSource><SourceFilename relativeToVRT="1">p.tif</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    own = describe_raster(vrt).geobox
    grid = GeoBox((39, 39), own.affine @ Affine.translation(shift, shift), "EPSG:32632")
    read, valid = _read_whole(vrt, grid)
    assert not valid[11:19, 11:19].any()
    assert valid[25:].all()
    if declared or not shift:
        np.testing.assert_allclose(read[:, valid], 500)


def test_a_rewritten_source_of_a_vrt_is_read_anew(write_raster, tmp_path):
    vrt = tmp_path / "v.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="30" rasterYSize="20"><VRTRasterBand dataType="UInt16" band="1">'
        '<SimpleSource><SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    for value in (1, 77):
        write_raster("a.tif", np.full((1, 20, 30 + value), value, np.uint16))
        assert (_read_whole(vrt)[0] == value).all()

from __future__ import annotations

import pickle

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.crs import CRS as OdcCRS
from odc.geo.geobox import GeoBox
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from geochange.alignment.grid import gsd_m
from geochange.alignment.pair import open_pair
from geochange.errors import (
    BandError,
    DataWarning,
    GridError,
    InputError,
    InputNotFoundError,
    UsageError,
)
from geochange.tiles import TilePlan, Window

HERE = Affine(10, 0, 500000, 0, -10, 5000000)


def _image(bands=3, height=50, width=70, seed=0, dtype=np.uint16):
    return np.random.default_rng(seed).integers(1, 3000, (bands, height, width)).astype(dtype)


def _whole(pair):
    return pair.read_window(Window(0, 0, *pair.shape))


def test_equal_grids_are_read_as_they_are(write_raster):
    first, second = _image(), _image(seed=1)
    pair = open_pair(write_raster("b.tif", first), write_raster("a.tif", second))
    block = _whole(pair)
    np.testing.assert_array_equal(block.before, first)
    np.testing.assert_array_equal(block.after, second)
    assert block.valid.all()
    assert pair.geobox == GeoBox((50, 70), HERE, "EPSG:32632")
    assert pickle.loads(pickle.dumps(pair)).shape == (50, 70)
    assert any("no names" in note for note in pair.notes)


def test_the_grid_is_cut_to_what_both_dates_cover(write_raster):
    there = HERE @ Affine.translation(20, -10)
    pair = open_pair(
        write_raster("b.tif", _image()), write_raster("a.tif", _image(), transform=there)
    )
    assert pair.shape == (40, 50)
    assert pair.geobox.affine == HERE @ Affine.translation(20, 0)
    block = _whole(pair)
    assert block.valid.all()
    np.testing.assert_array_equal(block.before, _image()[:, :40, 20:])
    np.testing.assert_array_equal(block.after, _image()[:, 10:, :50])
    assert any("cut from 50 x 70" in note for note in pair.notes)


@pytest.mark.parametrize(("grid", "size"), [("before", 10), ("after", 4), ("finest", 4)])
def test_the_reference_grid_can_be_chosen(write_raster, grid, size):
    fine = HERE @ Affine.scale(0.4)
    before = write_raster("b.tif", _image())
    after = write_raster("a.tif", _image(), transform=fine)
    assert open_pair(before, after, grid=grid).geobox.affine.a == pytest.approx(size)
    target = write_raster("g.tif", _image(1, 5, 5), transform=HERE @ Affine.scale(2.5))
    assert open_pair(before, after, grid=target).geobox.affine.a == 25
    with pytest.raises(UsageError, match="did you mean 'finest'"):
        open_pair(before, after, grid="finnest")


def test_bands_are_matched_by_name_then_role_then_order(write_raster):
    first = write_raster("b.tif", _image(), names=("Blue", "Green", "NIR"))
    second = write_raster("a.tif", _image(seed=1), names=("NIR", "Green", "Blue"))
    pair = open_pair(first, second)
    np.testing.assert_array_equal(_whole(pair).after, _image(seed=1)[::-1])
    assert pair.traits.roles == ("blue", "green", "nir")

    sentinel = write_raster("s.tif", _image(seed=2), names=("B03", "B08", "B02"))
    pair = open_pair(first, sentinel)
    np.testing.assert_array_equal(_whole(pair).after, _image(seed=2)[[2, 0, 1]])
    assert any("matched by role" in note for note in pair.notes)

    other = write_raster("o.tif", _image(seed=3), names=("x", "y", "z"))
    with pytest.warns(DataWarning, match="which is a guess"):
        pair = open_pair(first, other)
    assert any("which is a guess" in note for note in pair.notes)

    pair = open_pair(first, second, bands=["nir", "1"])
    assert pair.before.bands == ("NIR", "Blue")
    with pytest.raises(BandError, match="no band 'nirr'"):
        open_pair(first, second, bands=["nirr"])


def test_different_band_counts_keep_all_bands_and_say_so(write_raster):
    with pytest.warns(DataWarning, match="2 and 3 bands"):
        pair = open_pair(write_raster("b.tif", _image(2)), write_raster("a.tif", _image(3)))
    assert (len(pair.before.bands), len(pair.after.bands)) == (2, 3)
    assert any("only methods for different sensors" in note for note in pair.notes)


def test_a_date_may_be_a_folder_of_bands_at_several_resolutions(write_raster):
    sizes = {"B02": 10, "B11": 20, "B01": 60}
    for when, shift in (("before", 0), ("after", 5)):
        for seed, (name, size) in enumerate(sizes.items()):
            image = _image(1, 600 // size, 1200 // size, seed)
            grid = HERE @ Affine.translation(0, shift) @ Affine.scale(size / 10)
            write_raster(f"{when}/T32_{name}.tif", image, transform=grid)
        write_raster(f"{when}/SCL.tif", _image(1, 30, 60, dtype=np.uint8))
    folder = write_raster("x.tif", _image(1)).parent
    pair = open_pair(folder / "before", folder / "after")
    assert pair.shape == (55, 120)
    assert pair.before.bands == ("B01", "B02", "B11")
    block = _whole(pair)
    np.testing.assert_array_equal(block.before[1], _image(1, 60, 120)[0, 5:])
    np.testing.assert_array_equal(block.after[1], _image(1, 60, 120)[0, :55])
    assert block.valid.all()
    assert any("not read as bands: SCL.tif" in note for note in pair.notes)
    files = [folder / "before" / f"T32_{name}.tif" for name in ("B11", "B02")]
    assert open_pair(files, folder / "after").before.bands == ("B11", "B02")


def test_masks_aoi_and_nodata_make_pixels_invalid(write_raster, tmp_path):
    image = _image()
    image[:, :5] = 0
    before = write_raster("b.tif", image, nodata=0)
    after = write_raster("a.tif", _image(seed=1))
    codes = np.full((1, 25, 35), 4, np.uint8)
    codes[0, 10:15, 10:15] = 9
    scl = write_raster("SCL.tif", codes, transform=HERE @ Affine.scale(2))
    pair = open_pair(before, after, mask_after=scl)
    expected = np.ones((50, 70), bool)
    expected[:5] = False
    expected[20:30, 20:30] = False
    np.testing.assert_array_equal(_whole(pair).valid, expected)
    valid = _whole(open_pair(before, after, mask_after=scl, mask_codes=[4])).valid
    np.testing.assert_array_equal(valid[5:], ~expected[5:])

    polygon = shapely.box(500100, 4999700, 500400, 4999900)
    frame = geopandas.GeoDataFrame(geometry=[polygon], crs="EPSG:32632")
    frame.to_file(tmp_path / "area.gpkg")
    frame.to_crs("EPSG:4326").to_file(tmp_path / "area.geojson")
    masked = _whole(open_pair(before, after, mask_before=tmp_path / "area.gpkg")).valid
    assert not masked[10:30, 10:40].any()
    assert masked[5:].sum() == 45 * 70 - 20 * 30
    cut = open_pair(before, after, aoi=tmp_path / "area.geojson")
    assert cut.shape[0] in (20, 21, 22)
    assert _whole(cut).valid.sum() == pytest.approx(600, abs=3)
    box = ",".join(map(str, frame.to_crs("EPSG:4326").total_bounds))
    assert open_pair(before, after, aoi=box).shape[1] in (30, 31, 32)


def test_a_mask_of_another_size_is_warped_when_georeferenced_else_refused(write_raster):
    before, after = write_raster("b.tif", _image()), write_raster("a.tif", _image(seed=1))
    bare = write_raster("m.tif", np.ones((1, 50, 70), np.uint8), crs=None)
    assert not _whole(open_pair(before, after, mask_before=bare)).valid.any()
    small = write_raster("s.tif", np.ones((1, 9, 9), np.uint8), crs=None)
    with pytest.raises(GridError, match="9 x 9 px without georeferencing"):
        open_pair(before, after, mask_before=small)


def test_a_pair_without_crs_keeps_pixel_coordinates(write_raster):
    before = write_raster("b.tif", _image(), crs=None)
    after = write_raster("a.tif", _image(seed=1), crs=None)
    pair = open_pair(before, after, aoi=(10, 5, 30, 25))
    assert pair.geobox.crs is None
    assert gsd_m(pair.geobox) is None
    np.testing.assert_array_equal(_whole(pair).after, _image(seed=1)[:, 5:25, 10:30])
    moved = write_raster("c.tif", _image(seed=1), crs=None, transform=Affine(1, 0, 0.5, 0, -1, 50))
    flipped = write_raster("d.tif", _image(), crs=None, transform=Affine(1, 0, 0, 0, -1, 50))
    assert _whole(open_pair(flipped, moved)).valid.mean() > 0.9


def test_what_cannot_be_brought_together_is_one_line(write_raster, tmp_path):
    before = write_raster("b.tif", _image())
    bare = write_raster("n.tif", _image(), crs=None)
    far = write_raster("f.tif", _image(), transform=Affine(10, 0, 900000, 0, -10, 5000000))
    small = write_raster("s.tif", _image(3, 9, 9), crs=None)
    placed = write_raster("p.tif", _image(), crs=None, transform=HERE)
    local = write_raster("l.tif", _image(), crs='LOCAL_CS["x",UNIT["metre",1]]')
    other = write_raster("m.tif", _image(), crs='LOCAL_CS["y",UNIT["metre",1]]')
    gcps = write_raster("g.tif", _image(), crs=None)
    with rasterio.open(gcps, "r+") as dataset:
        points = [GroundControlPoint(r, c, 9 + c, 45 - r) for r in (0, 9) for c in (0, 9)]
        dataset.gcps = points, CRS.from_epsg(4326)
    palette = write_raster("c.tif", _image(1, dtype=np.uint8))
    with rasterio.open(palette, "r+") as dataset:
        dataset.write_colormap(1, {1: (255, 0, 0, 255)})
    cases = [
        (InputNotFoundError, "no such file", before, tmp_path / "none.tif", {}),
        (GridError, "has none; assign the missing CRS", before, bare, {}),
        (GridError, "no overlap", before, far, {}),
        (GridError, "sizes differ", bare, small, {}),
        (GridError, "has no georeferencing but the other", bare, placed, {}),
        (GridError, "different local coordinate systems", local, other, {}),
        (InputError, "ground control points .* gdalwarp", gcps, before, {}),
        (InputError, "table of colours; .* -expand rgb", before, palette, {}),
        (BandError, "chosen twice", before, before, {"bands": ["band 1", 1]}),
        (InputError, "got None", None, before, {}),
        (InputError, "got ''", before, "", {}),
        (GridError, "AOI lies outside", before, before, {"aoi": "0,0,1,1"}),
        (UsageError, "neither a vector file nor W,S,E,N", before, before, {"aoi": "1,2,x"}),
        (InputError, "empty list", before, [], {}),
        (InputNotFoundError, "holds no raster", before, tmp_path / "empty", {}),
    ]
    (tmp_path / "empty").mkdir()
    for kind, text, first, second, arguments in cases:
        with pytest.raises(kind, match=text) as caught:
            open_pair(first, second, **arguments)
        assert "\n" not in str(caught.value)


def test_tiles_together_are_the_whole_for_a_warped_pair(write_raster):
    before = write_raster("b.tif", _image(dtype=np.float32))
    turned = HERE @ Affine.translation(3.3, 4.7) @ Affine.rotation(4) @ Affine.scale(0.8)
    pair = open_pair(before, write_raster("a.tif", _image(seed=1), transform=turned))
    whole = _whole(pair)
    for tile in TilePlan(pair.shape, 16, 3):
        block = pair.read(tile)
        place = tile.core.slices_in(Window(0, 0, *pair.shape))
        np.testing.assert_array_equal(block.valid[tile.core_in_read], whole.valid[place])
        np.testing.assert_allclose(
            block.after[:, *tile.core_in_read], whole.after[:, *place], atol=0.5
        )


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326"])
def test_a_pixel_does_not_depend_on_the_tile_when_the_crs_differ(write_raster, crs):
    before = write_raster("b.tif", _image(1, 400, 500))
    x, y = OdcCRS("EPSG:32632").transformer_to_crs(OdcCRS(crs))(500000.0, 5000000.0)
    size = 1e-4 if crs == "EPSG:4326" else 10
    there = Affine(size, 0, x, 0, -size, y)
    pair = open_pair(
        before, write_raster("a.tif", _image(1, 400, 500, 1), crs=crs, transform=there)
    )
    whole = _whole(pair)
    for side in (50, 128):
        for tile in TilePlan(pair.shape, side, 3):
            place = tile.core.slices_in(Window(0, 0, *pair.shape))
            part = pair.read(tile).after[:, *tile.core_in_read]
            np.testing.assert_array_equal(part, whole.after[:, *place])


def test_a_band_number_means_the_same_band_on_both_dates(write_raster):
    names = ("Blue", "Green", "Red")
    before = write_raster("b.tif", _image(), names=names)
    turned = write_raster("a.tif", _image(seed=1), names=names[::-1])
    pair = open_pair(before, turned, bands=[1, 2])
    assert pair.after.bands == ("Blue", "Green")
    np.testing.assert_array_equal(_whole(pair).after, _image(seed=1)[[2, 1]])
    sentinel = write_raster("T32TQM_s.tif", _image(seed=1), names=("B04", "B03", "B02"))
    pair = open_pair(before, sentinel, bands=np.array([3, 1]))
    assert pair.after.bands == ("B04", "B02")
    assert pair.notes[0] == "bands chosen: Red, Blue / B04, B02"
    unnamed = write_raster("u.tif", _image())
    assert open_pair(before, unnamed, bands=[3]).after.bands == ("band 3",)


def test_most_bands_left_out_is_a_warning(write_raster):
    before = write_raster("b.tif", _image(3), names=("Red", "x", "y"))
    after = write_raster("a.tif", _image(3), names=("Red", "z", "w"))
    with pytest.warns(DataWarning, match="left out: x, y, z, w"):
        open_pair(before, after)


def test_landsat_is_compared_with_sentinel2_by_role(write_raster):
    for number in (2, 3, 4, 5):
        write_raster(f"LC08_L1TP_20150101/LC08_L1TP_20150101_B{number}.TIF", _image(1))
    folder = write_raster("x.tif", _image(1)).parent
    stack = write_raster("s2/S2A.tif", _image(5), names=("B02", "B03", "B04", "B05", "B08"))
    pair = open_pair(folder / "LC08_L1TP_20150101", stack)
    assert pair.before.bands == ("B2", "B3", "B4", "B5")
    assert pair.traits.roles == ("blue", "green", "red", "nir")
    assert pair.after.bands == ("B02", "B03", "B04", "B08")
    assert pair.dates[0] == "2015-01-01"


def test_local_planes_are_no_crs_when_equal(write_raster):
    plane = 'LOCAL_CS["site",UNIT["metre",1]]'
    paths = [write_raster(f"{n}.tif", _image(), crs=plane, transform=HERE) for n in "ba"]
    assert open_pair(*paths).geobox.crs is None


@pytest.mark.parametrize("fraction", [0.0, 0.4])
def test_dates_counted_from_both_sides_of_the_antimeridian_overlap(write_raster, fraction):
    here = Affine(0.01, 0, 179.4, 0, -0.01, 1)
    there = Affine(0.01, 0, 179.4 - 360 + 0.01 * fraction, 0, -0.01, 1)
    same = Affine(0.01, 0, 179.4 + 0.01 * fraction, 0, -0.01, 1)
    before = write_raster("b.tif", _image(), crs="EPSG:4326", transform=here)
    after = write_raster("a.tif", _image(seed=1), crs="EPSG:4326", transform=there)
    usual = write_raster("u.tif", _image(seed=1), crs="EPSG:4326", transform=same)
    pair, expected = open_pair(before, after), open_pair(before, usual)
    assert pair.shape == expected.shape
    np.testing.assert_allclose(_whole(pair).after, _whole(expected).after, atol=0.01)


def test_a_mask_elsewhere_is_a_warning_and_nan_masks(write_raster, tmp_path):
    before, after = write_raster("b.tif", _image()), write_raster("a.tif", _image(seed=1))
    far = write_raster("m.tif", np.ones((1, 50, 70), np.uint8), crs="EPSG:32655")
    area = tmp_path / "far.gpkg"
    geopandas.GeoDataFrame(geometry=[shapely.box(1, 1, 2, 2)], crs="EPSG:4326").to_file(area)
    for mask in (far, area):
        with pytest.warns(DataWarning, match="masks nothing"):
            assert _whole(open_pair(before, after, mask_after=mask)).valid.all()
    values = np.zeros((1, 20, 70), np.float32)
    values[:, :5] = np.nan
    valid = _whole(open_pair(before, after, mask_after=write_raster("f.tif", values))).valid
    assert not valid[:5].any()
    assert valid[5:].all()


def test_a_lazy_pair_survives_a_change_of_folder(write_raster, tmp_path, monkeypatch):
    write_raster("b.tif", _image())
    monkeypatch.chdir(tmp_path)
    pair = open_pair("b.tif", "b.tif")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_array_equal(_whole(pair).after, _image())


def test_transparency_is_noted(write_raster):
    path = write_raster("n.tif", _image(4, dtype=np.uint8), photometric="RGB", alpha="YES")
    notes = open_pair(path, path).notes
    assert any("band 4 of n.tif" in note and "transparency" in note for note in notes)


def test_nodata_and_days_can_be_told(write_raster):
    image = _image()
    image[:, :7] = 9
    before, after = write_raster("b.tif", image), write_raster("a.tif", _image(seed=1))
    pair = open_pair(before, after, nodata=9, date_before="1985-06-01", date_after="2020-06-01")
    assert not _whole(pair).valid[:7].any()
    assert pair.dates == ("1985-06-01", "2020-06-01")
    with pytest.raises(UsageError, match="YYYY-MM-DD"):
        open_pair(before, after, date_before="1985")


def test_an_aoi_outside_says_where_the_dates_are(write_raster):
    before = write_raster("b.tif", _image())
    with pytest.raises(GridError, match=r"W,S,E,N in degrees, longitude first"):
        open_pair(before, before, aoi="45.1,9.0,45.2,9.1")


def test_single_bands_of_different_roles_are_a_doubtful_match(write_raster):
    red, nir = (write_raster(f"{n}.tif", _image(1)) for n in ("B04", "B08"))
    with pytest.warns(DataWarning, match="which is a guess"):
        open_pair(red, nir)


def test_of_a_damaged_file_what_can_be_read_is_salvaged(write_raster):
    tiling = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
    image = _image(height=256, width=256)
    before = write_raster("before.tif", image, interleave="pixel", **tiling)
    after = write_raster("after.tif", image)
    content = bytearray(before.read_bytes())
    first = content.index(b"\x78\x9c")  # where deflate begins
    content[first : first + 200] = bytes(200)
    before.write_bytes(content)
    pair = open_pair(before, after)
    with pytest.raises(InputError, match="damaged"):
        pair.read_window(Window(0, 0, 128, 128))
    block = pair.salvage(Window(0, 0, 128, 128))
    assert not block.valid[:64, :64].any()
    assert block.valid[64:].all()
    np.testing.assert_array_equal(block.before[:, 64:], image[:, 64:128, :128])
    lost = pair.salvage(Window(10, 10, 20, 20))
    assert lost.before.shape == lost.after.shape == (3, 20, 20)
    assert not lost.valid.any()

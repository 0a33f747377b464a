"""Reading a date where its content lies: same pixels for any tiling, right to 0.01 px."""

from __future__ import annotations

import pickle
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from scipy import ndimage

from geochange.io.grids.displacement import Displacement
from geochange.io.grids.pixelgrid import pixel_to_pixel
from geochange.io.grids.sourcepixels import locate_pixels
from geochange.io.grids.splinefield import SplineField
from geochange.io.rasters.geotiff import GridReader
from geochange.io.rasters.masks import open_mask
from geochange.io.rasters.rasterfile import describe_raster
from geochange.io.rasters.scene import describe_date, read_date
from geochange.tiles import TilePlan, Window

HERE = Affine(10, 0, 500000, 0, -10, 5000000)
SHAPE = (120, 150)
TURNED = Displacement((1.002, -0.01, 1.7, 0.01, 0.998, -2.4))


def _bend(amount=1.0, cells=(3, 3)):
    """A smooth field, ``amount`` px strong."""
    rows, cols = np.indices((cells[0] + 3, cells[1] + 3))
    dx, dy = amount * np.sin(0.3 * rows + 0.2 * cols), amount * np.cos(0.2 * rows - 0.3 * cols)
    tables = (tuple(tuple(map(float, row)) for row in table) for table in (dx, dy))
    return Displacement(field=SplineField(SHAPE, *tables))


def _shift_field(dx, dy):
    tables = (((value,) * 4,) * 4 for value in (dx, dy))
    return Displacement(field=SplineField(SHAPE, *tables))


@pytest.fixture
def image():
    noise = np.random.default_rng(0).normal(size=(2, *SHAPE))
    smooth = np.stack([ndimage.gaussian_filter(band, 2) for band in noise])
    return (5000 + 3000 * smooth).astype(np.float32)


@pytest.fixture
def file(write_raster, image):
    return describe_raster(write_raster("a.tif", image, tiled=True, blockxsize=32, blockysize=32))


def _whole(reader):
    return reader.read(Window(0, 0, *reader.geobox.shape))


@pytest.mark.parametrize("displacement", [Displacement.shift(1.3, -0.6), TURNED, _bend()])
def test_content_is_read_where_the_displacement_says(file, image, displacement):
    pixels, valid = _whole(GridReader(file, file.geobox, "cubic", displacement))
    rows, cols = np.indices(SHAPE) + 0.5
    x, y = displacement.locate(np.column_stack([cols.ravel(), rows.ravel()])).T
    inner = ndimage.binary_erosion(valid, iterations=3)
    for band, wanted in zip(pixels, image, strict=True):
        there = ndimage.map_coordinates(wanted.astype(float), [y - 0.5, x - 0.5], order=5)
        difference = (band - there.reshape(SHAPE))[inner]
        assert abs(difference).max() < 0.05 * wanted.std()
    assert inner.mean() > 0.85


def test_a_whole_shift_is_read_without_resampling(file, image):
    reader = GridReader(file, file.geobox, "cubic", Displacement.shift(3, -2))
    assert reader.shift == (-2, 3)
    pixels, valid = _whole(reader)
    np.testing.assert_array_equal(pixels[:, 2:, :-3], image[:, :-2, 3:])
    assert not valid[:2].any()
    assert not valid[:, -3:].any()


@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic", "lanczos", "average"])
@pytest.mark.parametrize("finer", [1.0, 2.3])
def test_our_kernels_and_those_of_gdal_give_the_same(file, resampling, finer):
    """A field that is a shift goes through our kernels, the same as an affine through GDAL."""
    affine = HERE @ Affine.translation(5.2, 4.1) @ Affine.scale(finer)
    grid = GeoBox((40, 50), affine, "EPSG:32632")
    readers = [
        GridReader(file, grid, resampling, moved)
        for moved in (_shift_field(1.3, -0.6), Displacement.shift(1.3, -0.6))
    ]
    (ours, known), (theirs, known2) = map(_whole, readers)
    both = ndimage.binary_erosion(known & known2, iterations=2, border_value=1)
    assert (known == known2).mean() > 0.99
    assert np.sqrt(((ours - theirs)[:, both] ** 2).mean()) < 0.02 * theirs[:, both].std()


@pytest.mark.parametrize("displacement", [TURNED, _bend()])
def test_the_same_bytes_come_for_any_tile_size_and_from_a_pickle(file, displacement):
    affine = HERE @ Affine.translation(0.3, -0.4) @ Affine.rotation(2)
    reader = GridReader(file, GeoBox(SHAPE, affine, "EPSG:32632"), "cubic", displacement)
    whole, valid = _whole(reader)
    copied = pickle.loads(pickle.dumps(reader))
    for size, halo in ((50, 0), (33, 7), (16, 3)):
        for tile in TilePlan(SHAPE, size, halo):
            part, known = copied.read(tile.read)
            inner, place = tile.core_in_read, tile.core.slices_in(Window(0, 0, *SHAPE))
            assert (known[inner] == valid[place]).all()
            if displacement.field is None:
                np.testing.assert_allclose(part[:, *inner], whole[:, *place], rtol=1e-5)
            else:
                assert (part[:, *inner] == whole[:, *place]).all()


def test_a_hole_far_away_moves_no_byte(write_raster, image):
    image[:, 90:, 100:] = -1
    file = describe_raster(write_raster("h.tif", image, nodata=-1))
    reader = GridReader(file, file.geobox, "cubic", _bend())
    whole, valid = _whole(reader)
    for tile in TilePlan(SHAPE, 30):
        part, known = reader.read(tile.read)
        place = tile.core.slices_in(Window(0, 0, *SHAPE))
        inner = tile.core_in_read
        assert (known[inner] == valid[place]).all()
        assert (part[:, *inner] == whole[:, *place]).all()


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:32633", "EPSG:4326"])
def test_coordinates_between_the_nodes_are_right_to_a_hundredth_of_a_pixel(crs):
    grid = GeoBox(SHAPE, HERE, "EPSG:32632")
    x, y = grid.crs.transformer_to_crs(CRS(crs))(500000.0, 5000000.0)
    size = 1e-4 if crs == "EPSG:4326" else 10.0
    own = GeoBox((500, 500), Affine(size, 0, x - 90 * size, 0, -size, y + 90 * size), crs)
    displacement = _bend(2.0)
    window = Window(-7, 5, 90, 101)
    cols, rows = locate_pixels(window, grid, own, displacement)
    there = np.indices(window.shape) + np.array([window.row, window.col])[:, None, None] + 0.5
    points = displacement.locate(np.column_stack([there[1].ravel(), there[0].ravel()]))
    exact = pixel_to_pixel(grid, own, points)
    error = np.hypot(cols.ravel() - exact[:, 0], rows.ravel() - exact[:, 1])
    assert error.max() < 0.2  # this field bends within 40 px
    gentle = Displacement(field=replace(displacement.field, shape=(1200, 1500)))
    cols, rows = locate_pixels(window, grid, own, gentle)
    exact = pixel_to_pixel(
        grid, own, gentle.locate(np.column_stack([there[1].ravel(), there[0].ravel()]))
    )
    assert np.hypot(cols.ravel() - exact[:, 0], rows.ravel() - exact[:, 1]).max() < 0.01


def test_nodata_moves_with_the_content_and_outside_is_invalid(write_raster, image):
    image[:, 40:60, 50:80] = -1
    file = describe_raster(write_raster("n.tif", image, nodata=-1))
    for moved in (_shift_field(5.3, 2.6), Displacement.shift(5.3, 2.6)):
        pixels, valid = _whole(GridReader(file, file.geobox, "cubic", moved))
        assert not valid[38:57, 45:74].any()
        assert valid[34:37, 45:74].all()
        assert not valid[:, -5:].any()
        assert pixels[:, valid].min() > 0
    far, seen = GridReader(file, file.geobox, "cubic", _shift_field(500.0, 0.0)).read(
        Window(0, 0, 20, 20)
    )
    assert not seen.any()
    assert not far.any()


@pytest.mark.parametrize("displacement", [Displacement.shift(4, -3), _shift_field(4.0, -3.0)])
def test_masks_of_the_date_move_with_it(write_raster, tmp_path, image, displacement):
    codes = np.zeros((1, *SHAPE), np.uint8)
    codes[:, 50:70, 60:90] = 1
    left, top = HERE @ (60, 50)
    square = geopandas.GeoDataFrame(
        geometry=[shapely.box(left, top - 200, left + 300, top)], crs="EPSG:32632"
    )
    square.to_file(tmp_path / "m.gpkg")
    scene = describe_date(write_raster("a.tif", image))
    for path in (write_raster("m.tif", codes), tmp_path / "m.gpkg"):
        mask, _ = open_mask(path, scene.geobox, scene.geobox)
        date = read_date(scene, [0, 1], scene.geobox, masks=(mask,)).displace(displacement)
        _, valid = _whole(date)
        assert not valid[53:73, 56:86].any()
        assert valid[5:52, :140].all()
        assert valid[74:110, :140].all()


def test_bands_that_are_not_wanted_are_not_read(write_raster, image):
    scene = describe_date([write_raster(n, image) for n in ("2020-01-01_x.tif", "y.tif")])
    date = read_date(scene, [2, 0, 3], scene.geobox)
    kept = date.take([2, 0])
    assert kept.bands == (date.bands[2], date.bands[0])
    assert [len(reader.bands) for reader in kept.readers] == [2]
    np.testing.assert_array_equal(_whole(kept)[0], _whole(date)[0][[2, 0]])


def test_auto_blurs_least_what_is_only_moved(write_raster):
    rng = np.random.default_rng(0)
    fine = ndimage.gaussian_filter(rng.normal(size=(1, 640, 640)), (0, 3, 3))
    blurred = ndimage.uniform_filter(fine, (0, 4, 4))
    there = blurred[:, 10:-10:4, 10:-10:4]
    moved = blurred[:, 11:-9:4, 8:-12:4]  # a quarter of a pixel down, half a one to the left
    place = {"transform": HERE, "crs": "EPSG:32632"}
    file = describe_raster(write_raster("m.tif", moved.astype(np.float32), **place))
    inner = np.s_[:, 8:-8, 8:-8]
    left = {}
    for resampling in ("auto", "lanczos", "cubic"):
        reader = GridReader(file, file.geobox, resampling, Displacement.shift(0.5, -0.25))
        left[resampling] = (_whole(reader)[0] - there)[inner].std() / there.std()
    assert left["auto"] == left["lanczos"] < 0.6 * left["cubic"]


@pytest.mark.parametrize(("finer", "kernel"), [(1.0, "lanczos"), (0.9, "lanczos"), (0.5, "cubic")])
def test_auto_depends_on_the_size_of_the_pixels(file, finer, kernel):
    grid = GeoBox((40, 50), HERE @ Affine.scale(finer), "EPSG:32632")
    assert GridReader(file, grid, displacement=Displacement.shift(0.5, 0)).kernel == kernel
    assert GridReader(file, grid).kernel == "cubic"
    assert GridReader(file, grid, "average").kernel == "average"

import numpy as np
import pytest
import rasterio
from affine import Affine

from geochange.errors import GridError, UsageError
from geochange.exports.rasters.vrt import write_stack_vrt


def band_file(write_raster, name, value, gsd, size, **options):
    pixels = np.full((1, size, size), value, np.uint16)
    return write_raster(name, pixels, transform=Affine(gsd, 0, 5e5, 0, -gsd, 5e6), **options)


def test_bands_of_several_resolutions_lie_on_the_finest_grid(write_raster, tmp_path):
    red = band_file(write_raster, "in/B04.tif", 100, 10, 60, nodata=0, names=("red",))
    edge = band_file(write_raster, "in/B05.tif", 200, 20, 30, scales=(0.5,), offsets=(3.0,))
    coast = band_file(write_raster, "in/B01.tif", 300, 60, 10)
    (tmp_path / "out").mkdir()
    path = write_stack_vrt([(edge, 1), (red, 1), (coast, 1)], tmp_path / "out" / "before.vrt")
    assert "../in/B04.tif" in path.read_text()
    with rasterio.open(path) as file:
        assert file.shape == (60, 60)
        assert file.transform == Affine(10, 0, 5e5, 0, -10, 5e6)
        assert file.crs.to_epsg() == 32632
        assert file.descriptions == ("B05", "red", "B01")
        assert (file.scales, file.offsets) == ((0.5, 1.0, 1.0), (3.0, 0.0, 0.0))
        assert file.nodatavals == (None, 0, None)
        pixels = file.read()
    for band, value in enumerate((200, 100, 300)):
        assert (pixels[band] == value).all()


def test_content_lies_where_the_bands_say(write_raster, tmp_path):
    coarse = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    fine = np.zeros((1, 8, 8), np.float32)
    paths = [
        write_raster("a.tif", fine, transform=Affine(10, 0, 500, 0, -10, 900)),
        write_raster("b.tif", coarse, transform=Affine(20, 0, 520, 0, -20, 900)),
    ]
    path = write_stack_vrt([(paths[0], 1), (paths[1], 1)], tmp_path / "s.vrt")
    with rasterio.open(path) as file:
        band = file.read(2)
    assert (band[:, :2] == 0).all()  # the coarse band starts two pixels further east
    assert band[0, 2] == 0
    assert band[7, 7] == pytest.approx(14, abs=1)


def test_bands_of_one_file_may_be_reordered(write_raster, tmp_path):
    pixels = np.stack([np.full((5, 5), v, np.uint8) for v in (1, 2, 3, 4)])
    source = write_raster("a.tif", pixels)
    with rasterio.open(write_stack_vrt([(source, 3), (source, 1)], tmp_path / "s.vrt")) as file:
        assert file.read()[:, 0, 0].tolist() == [3, 1]


def test_without_crs(write_raster, tmp_path):
    source = write_raster("a.tif", np.ones((1, 5, 5), np.uint8), crs=None)
    with rasterio.open(write_stack_vrt([(source, 1)], tmp_path / "s.vrt")) as file:
        assert file.crs is None
        assert file.read(1).all()


@pytest.mark.parametrize(
    "other",
    [
        {"crs": "EPSG:32633"},
        {"transform": Affine(8, 6, 5e5, 6, -8, 5e6)},
        {"transform": Affine(10, 0, 5e5, 0, 10, 5e6)},
    ],
)
def test_bands_of_other_projections_are_refused(other, write_raster, tmp_path):
    pixels = np.ones((1, 5, 5), np.uint8)
    first = write_raster("a.tif", pixels)
    second = write_raster("b.tif", pixels, **other)
    with pytest.raises(GridError, match="differ in CRS or rotation"):
        write_stack_vrt([(first, 1), (second, 1)], tmp_path / "s.vrt")
    assert not (tmp_path / "s.vrt").exists()


def test_no_bands(tmp_path):
    with pytest.raises(UsageError, match="at least one band"):
        write_stack_vrt([], tmp_path / "s.vrt")

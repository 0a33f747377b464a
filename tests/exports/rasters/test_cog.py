import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from rio_cogeo import cog_validate

from geochange.errors import OutputError
from geochange.exports.rasters.cog import write_cog, write_mask, write_score
from geochange.io.stores import tiff
from geochange.io.stores.score import SCORE_SCALE, encode_score

CUSTOM = "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +ellps=GRS80 +units=m +no_defs"
GRIDS = {
    "utm": GeoBox((700, 1100), Affine(10, 0, 5e5, 0, -10, 4e6), "EPSG:32633"),
    "no crs": GeoBox((700, 1100), Affine.identity(), None),
    "south up": GeoBox((700, 1100), Affine(10, 0, 5e5, 0, 10, 4e6), "EPSG:32633"),
    "rotated": GeoBox((700, 1100), Affine(8, 6, 5e5, 6, -8, 4e6), "EPSG:32633"),
    "one pixel": GeoBox((1, 1), Affine(10, 0, 5e5, 0, -10, 4e6), "EPSG:32633"),
    "degrees": GeoBox((600, 513), Affine(1e-4, 0, 179.99, 0, -1e-4, 10), "EPSG:4326"),
    "odd": GeoBox((513, 511), Affine(0.1, 0, 0.3, 0, -0.1, 7), "EPSG:32633"),
    "no code": GeoBox((513, 1700), Affine(30, 0, -2e6, 0, -30, 3e6), CUSTOM),
    "line": GeoBox((1, 1300), Affine(10, 0, 5e5, 0, -10, 4e6), "EPSG:32633"),
}


def random_score(geobox, rng):
    score = rng.random(geobox.shape, dtype=np.float32)
    score[: geobox.shape[0] // 3, : geobox.shape[1] // 2] = np.nan
    score[0, 0] = 1.0
    return score


@pytest.mark.parametrize("name", GRIDS)
def test_score_is_a_valid_cog_on_any_grid(name, tmp_path, rng, make_store):
    geobox = GRIDS[name]
    stored = encode_score(random_score(geobox, rng))
    path = write_score(
        make_store(tmp_path / "tiles", geobox, stored, 65535, 256),
        tmp_path / "score.tif",
        tags={"GEOCHANGE_VERSION": "1 < 2"},
    )
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), stored)
        assert file.transform.almost_equals(geobox.affine)
        assert (file.crs is None) == (geobox.crs is None)
        assert file.crs is None or CRS(file.crs.to_wkt()) == geobox.crs
        assert file.nodata == 65535
        assert file.descriptions == ("change score",)
        assert file.scales[0] * 65534 == pytest.approx(1.0, abs=1e-9)
        assert file.offsets == (0.0,)
        assert file.tags()["GEOCHANGE_VERSION"] == "1 < 2"
        assert file.compression.name.lower() == "zstd"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["score.tif", "tiles"]


def test_overviews_average_valid_pixels_only(tmp_path, rng, make_store):
    geobox = GRIDS["utm"]
    score = random_score(geobox, rng)
    score[500:503, 700:703] = np.nan
    store = make_store(tmp_path / "tiles", geobox, encode_score(score), 65535, 256)
    with rasterio.open(write_score(store, tmp_path / "score.tif", tags={})) as file:
        assert file.overviews(1) == [2, 4]
    with rasterio.open(tmp_path / "score.tif", overview_level=0) as file:
        half = file.read(1, masked=True) * SCORE_SCALE
    blocks = score.reshape(350, 2, 550, 2)
    count = (~np.isnan(blocks)).sum(axis=(1, 3))
    expected = np.nansum(blocks, axis=(1, 3)) / np.maximum(count, 1)
    np.testing.assert_array_equal(half.mask, count == 0)
    np.testing.assert_allclose(half[count > 0], expected[count > 0], atol=2e-5)


def test_missing_tiles_are_nodata(tmp_path, make_store):
    geobox = GRIDS["utm"]
    zeros = np.zeros(geobox.shape, np.uint16)
    store = make_store(tmp_path / "tiles", geobox, zeros, 65535, 256, skip=(1,))
    with rasterio.open(write_score(store, tmp_path / "score.tif", tags={})) as file:
        pixels = file.read(1)
    assert (pixels[:256, 256:512] == 65535).all()
    assert np.count_nonzero(pixels) == 256 * 256


def test_mask_keeps_its_colours_and_the_share_of_change(tmp_path, rng, make_store):
    geobox = GRIDS["utm"]
    mask = (rng.random(geobox.shape) < 0.1).astype(np.uint8)
    mask[:, :64] = 255
    store = make_store(tmp_path / "tiles", geobox, mask, 255, 256)
    path = write_mask(store, tmp_path / "mask.tif", tags={})
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), mask)
        colors = file.colormap(1)
        assert file.nodata == 255
        assert file.descriptions == ("change",)
    assert colors[1] == (228, 26, 28, 255)
    assert colors[0] == (255, 255, 255, 255)
    assert colors[255][3] == 0
    with rasterio.open(path, overview_level=1) as file:
        quarter = file.read(1)
    assert set(np.unique(quarter)) == {0, 1, 255}
    assert (quarter == 1).sum() / (quarter != 255).sum() == pytest.approx(0.1, abs=0.01)
    assert (quarter[:, :16] == 255).all()


@pytest.mark.parametrize("name", ["odd", "rotated", "no crs", "no code", "one pixel"])
def test_same_pixels_give_same_bytes_whatever_the_tiles(name, tmp_path, rng, make_store):
    geobox = GRIDS[name]
    stored = encode_score(random_score(geobox, rng))
    written = set()
    for size in (100, 256, 512, 1000, 1024):
        store = make_store(tmp_path / f"tiles{size}", geobox, stored, 65535, size)
        path = write_score(store, tmp_path / "score.tif", tags={"a": "b"})
        written.add(path.read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize("write", [write_score, write_mask])
def test_same_bytes_from_threads(write, tmp_path, rng, make_store):
    geobox = GeoBox((2500, 2100), Affine(10, 0, 5e5, 0, -10, 4e6), "EPSG:32633")
    score = write is write_score
    pixels = rng.integers(0, 3, geobox.shape).astype("uint16" if score else "uint8")
    store = make_store(tmp_path / "tiles", geobox, pixels, 65535 if score else 255, 1024)
    one = write(store, tmp_path / "one.tif", tags={})
    with ThreadPoolExecutor(3) as pool:
        other = write(store, tmp_path / "other.tif", tags={}, run=pool.map)
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["utm", "odd", "line", "no code"])
def test_every_overview_is_made_of_the_one_before(name, tmp_path, rng, make_store):
    geobox = GRIDS[name]
    level = encode_score(random_score(geobox, rng))
    store = make_store(tmp_path / "tiles", geobox, level, 65535, 256)
    path = write_score(store, tmp_path / "score.tif", tags={})
    with rasterio.open(path) as file:
        count = len(file.overviews(1))
    assert count == (max(geobox.shape) - 1).bit_length() - 9
    for index in range(count):
        level = halve(np.pad(level, [(0, n % 2) for n in level.shape], constant_values=65535))
        with rasterio.open(path, overview_level=index) as file:
            np.testing.assert_array_equal(file.read(1), level)
            assert file.nodata == 65535


def halve(level):
    """Take the mean of the valid of every 2 x 2 pixels, halves rounded up."""
    quads = level.reshape(level.shape[0] // 2, 2, level.shape[1] // 2, 2).astype(np.int64)
    valid = quads != 65535
    total, count = (quads * valid).sum(axis=(1, 3)), valid.sum(axis=(1, 3))
    return np.where(count, (2 * total + count) // np.maximum(2 * count, 1), 65535).astype(np.uint16)


def test_a_file_of_more_than_4_gb_is_a_bigtiff(tmp_path, rng, make_store, monkeypatch):
    geobox = GRIDS["utm"]
    stored = encode_score(random_score(geobox, rng))
    store = make_store(tmp_path / "tiles", geobox, stored, 65535, 256)
    small = write_score(store, tmp_path / "small.tif", tags={"a": "b"})
    limit = small.stat().st_size
    monkeypatch.setattr(tiff, "CLASSIC_BYTES", limit)
    assert write_score(store, small, tags={"a": "b"}).read_bytes()[:4] == b"II*\0"
    monkeypatch.setattr(tiff, "CLASSIC_BYTES", limit - 1)
    big = write_score(store, tmp_path / "big.tif", tags={"a": "b"})
    assert big.read_bytes()[:4] == b"II+\0"
    assert cog_validate(big, strict=True) == (True, [], [])
    with rasterio.open(big) as file, rasterio.open(small) as other:
        np.testing.assert_array_equal(file.read(1), stored)
        assert file.profile == other.profile
        assert file.tags() == other.tags()
        assert file.overviews(1) == other.overviews(1) == [2, 4]


def test_failure_leaves_the_old_file_alone(tmp_path, rng, make_store):
    geobox = GRIDS["one pixel"]
    store = make_store(tmp_path / "tiles", geobox, np.zeros((1, 1), np.uint16), 65535)
    old = tmp_path / "score.tif"
    old.write_text("old")
    store.path(0).write_bytes(b"not a tile")
    with pytest.raises(OutputError, match="is damaged"):
        write_cog(store, old, description="x")
    assert old.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["score.tif", "tiles"]
    assert sorted(p.name for p in store.folder.rglob("*")) == ["00000", "00000.tile"]


def test_missing_folder_is_one_clear_line(tmp_path, make_store):
    store = make_store(tmp_path / "tiles", GRIDS["one pixel"], np.zeros((1, 1), np.uint16), 65535)
    with pytest.raises(OutputError, match="is its folder there and writable") as caught:
        write_cog(store, tmp_path / "missing" / "score.tif", description="x")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="gdalinfo (gdal-bin) not installed")
def test_another_gdal_reads_it(tmp_path, rng, make_store):
    geobox = GRIDS["utm"]
    stored = encode_score(random_score(geobox, rng))
    store = make_store(tmp_path / "tiles", geobox, stored, 65535, 256)
    path = write_score(store, tmp_path / "score.tif", tags={})
    run = subprocess.run(
        ["gdalinfo", "-json", "-stats", "--config", "GDAL_PAM_ENABLED", "NO", path],
        capture_output=True,
        text=True,
        check=True,
    )
    info = json.loads(run.stdout)
    assert run.stderr == ""
    valid = stored[stored != 65535]
    assert info["bands"][0]["mean"] == pytest.approx(valid.mean(), rel=1e-6)
    assert info["bands"][0]["maximum"] == valid.max()
    assert info["metadata"]["IMAGE_STRUCTURE"]["LAYOUT"] == "COG"
    band = info["bands"][0]
    assert (band["noDataValue"], band["description"]) == (65535, "change score")
    assert band["scale"] == pytest.approx(1 / 65534)
    assert len(band["overviews"]) == 2


MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from geochange.exports.rasters.cog import write_score
from geochange.io.stores.tilestore import TileStore

folder, size = Path(sys.argv[1]), int(sys.argv[2])
grid = GeoBox((size, size), Affine(1, 0, 0, 0, -1, 0), None)
folder.mkdir(exist_ok=True)
store = TileStore(folder / "tiles", grid, 256, "uint16", 65535)
pixels = np.random.default_rng(0).integers(0, 1000, (256, 256)).astype(np.uint16)
for tile in store.plan:
    store.write(tile, pixels)
write_score(store, folder / "score.tif", tags={})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory in KiB, as Linux does")
def test_memory_does_not_follow_the_size(tmp_path):
    peaks = []
    for size in (2048, 8192):
        run = subprocess.run(
            [sys.executable, "-c", MEASURE, tmp_path / str(size), str(size)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(float(run.stdout))
    assert peaks[1] - peaks[0] < 20  # MiB; the larger raster alone has 128

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rio_cogeo import cog_validate

from geochange.errors import OutputError
from geochange.exports.cog import write_cog, write_mask, write_score
from geochange.io.score import SCORE_SCALE, encode_score

GRIDS = {
    "utm": GeoBox((700, 1100), Affine(10, 0, 5e5, 0, -10, 4e6), "EPSG:32633"),
    "no crs": GeoBox((700, 1100), Affine.identity(), None),
    "south up": GeoBox((700, 1100), Affine(10, 0, 5e5, 0, 10, 4e6), "EPSG:32633"),
    "rotated": GeoBox((700, 1100), Affine(8, 6, 5e5, 6, -8, 4e6), "EPSG:32633"),
    "one pixel": GeoBox((1, 1), Affine(10, 0, 5e5, 0, -10, 4e6), "EPSG:32633"),
    "degrees": GeoBox((600, 513), Affine(1e-4, 0, 179.99, 0, -1e-4, 10), "EPSG:4326"),
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
        assert file.crs is None or file.crs == geobox.crs.to_wkt()
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


def test_same_store_gives_same_bytes(tmp_path, rng, make_store):
    geobox = GRIDS["utm"]
    stored = encode_score(random_score(geobox, rng))
    files = []
    for size in (256, 100):
        store = make_store(tmp_path / f"tiles{size}", geobox, stored, 65535, size)
        files.append(write_score(store, tmp_path / f"score{size}.tif", tags={"a": "b"}))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_failure_leaves_the_old_file_alone(tmp_path, rng, make_store):
    geobox = GRIDS["one pixel"]
    store = make_store(tmp_path / "tiles", geobox, np.zeros((1, 1), np.uint16), 65535)
    old = tmp_path / "score.tif"
    old.write_text("old")
    store.path(0).write_bytes(b"not a tiff")
    with pytest.raises(OutputError, match="cannot write"):
        write_cog(store, old, description="x")
    assert old.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["score.tif", "tiles"]


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
        ["gdalinfo", "-json", "-checksum", path], capture_output=True, text=True, check=True
    )
    info = json.loads(run.stdout)
    assert run.stderr == ""
    assert info["metadata"]["IMAGE_STRUCTURE"]["LAYOUT"] == "COG"
    band = info["bands"][0]
    assert (band["noDataValue"], band["description"]) == (65535, "change score")
    assert band["scale"] == pytest.approx(1 / 65534)
    assert len(band["overviews"]) == 2


MEASURE = """
import re, sys
from pathlib import Path
import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from geochange.exports.cog import write_score
from geochange.io.tilestore import TileStore

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

folder = Path(sys.argv[1])
grid = GeoBox((4096, 4096), Affine(1, 0, 0, 0, -1, 0), None)
store = TileStore(folder / "tiles", grid, 256, "uint16", 65535)
pixels = np.random.default_rng(0).integers(0, 1000, (256, 256)).astype(np.uint16)
for tile in store.plan:
    store.write(tile, pixels)
start = peak()
write_score(store, folder / "score.tif", tags={})
print(peak() - start)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to measure memory")
def test_memory_does_not_follow_the_number_of_tiles(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path], capture_output=True, text=True, check=True
    )
    assert float(run.stdout) < 140  # MiB; 213 when GDAL keeps all 256 tiles open

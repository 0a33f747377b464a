"""What other software knows comes in, and what went out comes in again as it was."""

import json

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from geochange.annotation.importing import import_labels
from geochange.annotation.labels import read_labels
from geochange.annotation.opening import create_project
from geochange.cli import main
from geochange.errors import DataWarning, GridError, InputError, UsageError
from geochange.labels.conversion import export
from geochange.labels.mask import LabelMask
from geochange.tiles import Window

from .conftest import PLACES, SHAPE, annotation, edit, tile_op, write_dates

WHOLE = Window(0, 0, *SHAPE)
RING = shapely.box(140, 20, 180, 60).difference(shapely.box(150, 30, 160, 40))
DRAWN = [
    (1, 1, shapely.box(10, 10, 40, 33)),
    (1, 2, shapely.Point(30.25, 30.5).buffer(7.3, 4)),  # ignored, on top of the first
    (2, 1, RING),
    (2, 1, shapely.Polygon([(120.5, 100.1), (200.2, 101.3), (170.7, 127.9)])),  # reaches tile 5
    (6, 1, shapely.box(300, 140, 310, 150)),  # nobody finished this tile
]
STATES = {1: "labelled", 2: "labelled", 3: "no_change", 4: "unsure", 7: "unusable", 9: "no_change"}


def make(folder, place, name="labels.gcproj"):
    """A project without labels."""
    return create_project(
        folder / name, folder / "before.tif", folder / "after.tif", tile_size=128,
        register_mode="off",
    )  # fmt: skip


@pytest.fixture(params=PLACES)
def labelled(request, tmp_path):
    """A project with labels, in each kind of place."""
    write_dates(tmp_path, request.param)
    project = make(tmp_path, request.param)
    for number, (tile, kind, geometry) in enumerate(DRAWN):
        geom = shapely.geometry.mapping(geometry)
        geom = {"type": geom["type"], "coordinates": [[list(map(float, p)) for p in ring]
                                                     for ring in geom["coordinates"]]}  # fmt: skip
        base = {str(tile): project.database.read().execute(
            "SELECT rev FROM tile WHERE id = ?", (tile,)).fetchone()[0]}  # fmt: skip
        op = annotation(tile, f"a{number}", geom=geom, **{"class": kind})
        project.save(edit([op], base), "ann")
    revs = dict(project.database.read().execute("SELECT id, rev FROM tile").fetchall())
    ops = [tile_op(tile, state) for tile, state in STATES.items()]
    project.save(edit(ops, {str(tile): revs[tile] for tile in STATES}, "tile"), "ann")
    yield project
    project.close()


@pytest.mark.filterwarnings("ignore:.*holds pixels")
@pytest.mark.filterwarnings("ignore:.crs. was not provided")
@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "tif"])
def test_out_and_in_again_is_the_same(labelled, suffix, tmp_path):
    labels = read_labels(labelled)
    path = export(labels, tmp_path / f"out.{suffix}")
    other = make(tmp_path, None, "other.gcproj")
    done = import_labels(other, path, verdict="accepted")
    back = read_labels(other)
    assert np.array_equal(LabelMask(back).read(WHOLE), LabelMask(labels).read(WHOLE))
    assert (done.outside, done.clipped, done.unknown_classes) == (0, 0, {})
    if suffix != "tif":
        assert done.added == len(DRAWN)
        states = dict(zip(back.tiles["id"], back.tiles["state"], strict=True))
        assert {tile: states[tile] for tile in STATES} == STATES
        for drawn, found in zip(labels.pixels, back.pixels, strict=True):
            corners = (shapely.get_coordinates(shapely.normalize(g)) for g in (drawn, found))
            assert np.abs(np.subtract(*corners)).max() <= 1e-6
        assert back.polygons["class"].tolist() == labels.polygons["class"].tolist()
    other.close()


def test_labels_to_judge_leave_the_tiles_alone(labelled, tmp_path):
    path = export(read_labels(labelled), tmp_path / "out.tif")
    other = make(tmp_path, None, "other.gcproj")
    done = import_labels(other, path)
    back = read_labels(other)
    assert set(back.polygons["verdict"]) == {"pending"}
    assert set(back.tiles["state"]) == {"todo"}
    assert done.tiles == 0
    assert (LabelMask(back).read(WHOLE) == 255).all()
    other.close()


def test_what_the_file_calls_rejected_is_not_accepted(project, tmp_path):
    project.save(
        edit([annotation(1, "no", verdict="rejected"), annotation(1, "yes")], {"1": 0}), "a"
    )
    path = export(read_labels(project), tmp_path / "out.gpkg", verdicts=["accepted", "rejected"])
    other = create_project(tmp_path / "o", run=None, before=project.settings["before"],
                           after=project.settings["after"], tile_size=128)  # fmt: skip
    import_labels(other, path, verdict="accepted")
    assert sorted(read_labels(other).polygons["verdict"]) == ["accepted", "rejected"]
    other.close()


def write_mask(path, pixels, transform, crs="EPSG:32632", nodata=None):
    with rasterio.open(
        path, "w", driver="GTiff", height=pixels.shape[0], width=pixels.shape[1], count=1,
        dtype=pixels.dtype, crs=crs, transform=transform, nodata=nodata,
    ) as dataset:  # fmt: skip
        dataset.write(pixels, 1)
    return path


def test_a_mask_of_another_grid_is_read_by_its_nearest_pixel(project, tmp_path):
    pixels = np.zeros((SHAPE[0] // 2, SHAPE[1] // 2), np.uint8)
    pixels[10:20, 30:50], pixels[100:104, 5:9], pixels[60:70, 60:70] = 1, 7, 255
    path = write_mask(tmp_path / "m.tif", pixels, Affine(4, 0, 500000, 0, -4, 5000000))
    done = import_labels(project, path, verdict="accepted")
    assert (done.added, done.unknown_classes) == (3, {"7": 1})
    codes = LabelMask(read_labels(project)).read(WHOLE)
    wanted = np.where(pixels == 7, 1, pixels).repeat(2, 0).repeat(2, 1)
    assert np.array_equal(codes, wanted)


def test_what_a_mask_cannot_be(project, tmp_path):
    grid = Affine(2, 0, 500000, 0, -2, 5000000)
    black = np.zeros(SHAPE, np.uint8)
    black[:9, :9] = 255
    with pytest.warns(DataWarning, match="255 is taken as change"):
        done = import_labels(project, write_mask(tmp_path / "b.tif", black, grid))
    assert done.added == 1
    far = write_mask(tmp_path / "far.tif", black, Affine(2, 0, 9e5, 0, -2, 5e6))
    with pytest.raises(GridError, match="does not overlap"):
        import_labels(project, far)
    small = write_mask(tmp_path / "small.tif", black[:50], Affine.identity(), None)
    with pytest.raises(InputError, match="they must be equal"):
        import_labels(project, small)
    parts = write_mask(tmp_path / "f.tif", black.astype(np.float32) / 2, grid)
    with pytest.raises(InputError, match=r"holds 127\.5, which is no class"):
        import_labels(project, parts)
    with pytest.raises(UsageError, match="unknown verdict"):
        import_labels(project, tmp_path / "b.tif", verdict="sure")


def test_labels_of_another_place_are_refused(project, tmp_path):
    far = geopandas.GeoDataFrame(geometry=[shapely.box(9e5, 5e6, 9e5 + 9, 5e6 + 9)], crs=32632)
    far.to_file(tmp_path / "far.gpkg")
    line = geopandas.GeoDataFrame(
        geometry=[shapely.LineString([(500000, 5000000), (500100, 4999900)])], crs=32632
    )
    line.to_file(tmp_path / "line.gpkg")
    for name in ("far", "line"):
        with pytest.raises(GridError, match=r"none of the 1 features .* is a polygon that reaches"):
            import_labels(project, tmp_path / f"{name}.gpkg")


@pytest.mark.parametrize(
    "tiles",
    [5, [3], [{"row": None}], [{"row": "x"}], [{"row": []}], [{"row": 1e999}]],
    ids=str,
)
def test_damaged_tiles_of_a_file_are_one_line(project, tmp_path, tiles):
    whole = {"col": 0, "height": 128, "width": 128, "state": "labelled"}
    if isinstance(tiles, list):
        tiles = [whole | row if isinstance(row, dict) else row for row in tiles]
    box = geopandas.GeoSeries([shapely.box(500010, 4999900, 500050, 4999950)], crs=32632)
    content = json.loads(box.to_crs(4326).to_json()) | {"geochange": {"tiles": tiles}}
    path = tmp_path / "l.geojson"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="are damaged") as refused:
        import_labels(project, path, verdict="accepted")
    assert "\n" not in str(refused.value)
    assert len(read_labels(project).polygons) == 0


def test_the_command_line_says_what_it_took(project, folder, tmp_path, capsys):
    pixels = np.zeros(SHAPE, np.uint8)
    pixels[5:20, 5:20], pixels[100:120, 100:120] = 1, 9
    path = write_mask(tmp_path / "m.tif", pixels, Affine(2, 0, 500000, 0, -2, 5000000))
    words = ["annotate", "-o", str(folder), "--import", str(path), "--no-server"]
    assert main([*words, "--import-as", "accepted"]) == 0
    out = capsys.readouterr().out
    assert "2 labels" in out
    assert "9 tiles are done" in out
    assert "no class is called 9 (1)" in out

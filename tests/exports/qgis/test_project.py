import datetime
import zipfile
from xml.etree import ElementTree as ET

import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.exports.qgis.project import ShownDate, list_bookmarks, write_project
from geochange.exports.vectors.changes import best_changes
from geochange.exports.vectors.gpkg import write_gpkg

STRETCH = ((800.0, 2500.0), (700.0, 2400.0), (600.0, 2300.0))


def scene(path, grid, day, bands=(3, 2, 1)):
    return ShownDate(str(path), bands, STRETCH[: len(bands)], grid.crs, day)


def write(path, grid, fields, **options):
    days = options.pop("days", (datetime.date(2018, 3, 1), datetime.date(2020, 6, 9)))
    settings = {
        "before": scene(path.parent.parent / "in" / "before.tif", grid, days[0]),
        "after": scene(path.parent.parent / "in" / "after.tif", grid, days[1]),
        "geobox": grid,
        "classes": ["change"],
        "fields": fields,
    }
    return write_project(path, **(settings | options))


def read(path):
    with zipfile.ZipFile(path) as archive:
        [name] = archive.namelist()
        text = archive.read(name).decode("utf-8")
    assert name == f"{path.stem}.qgs"
    return ET.fromstring(text.partition("'SYSTEM'>")[2])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_layers_are_named_relative_to_the_project(folder, grid, fields):
    root = read(write(folder / "changes.qgz", grid, fields))
    sources = {
        layer.find("id").text: layer.find("datasource").text for layer in root.iter("maplayer")
    }
    assert sources == {
        "geochange_before_layer": "../in/before.tif",
        "geochange_after_layer": "../in/after.tif",
        "geochange_score_layer": "./score.tif",
        "geochange_mask_layer": "./mask.tif",
        "geochange_changes_layer": "./changes.gpkg|layername=changes",
    }
    assert all(len(name) > 10 for name in sources)
    in_tree = {layer.get("id") for layer in root.iter("layer-tree-layer")}
    in_themes = {layer.get("id") for layer in root.find("visibility-presets").iter("layer")}
    assert in_tree == set(sources)
    assert in_themes <= set(sources)


def test_uncertainty_is_a_layer_and_a_theme_when_asked_for(folder, grid, fields):
    root = read(write(folder / "changes.qgz", grid, fields, uncertainty=True))
    [layer] = [n for n in root.iter("maplayer") if n.find("layername").text == "Uncertainty"]
    assert layer.find("datasource").text == "./uncertainty.tif"
    items = list(layer.iter("item"))
    assert [float(i.get("value")) for i in items] == [0, 0.25, 0.5, 0.75, 1]
    assert [int(i.get("alpha")) for i in items] == [0, 64, 128, 192, 255]
    themes = {n.get("name"): n for n in root.iter("visibility-preset")}
    shown = {n.get("id") for n in themes["After + uncertainty"].iter("layer")}
    assert shown == {"geochange_uncertainty_layer", "geochange_after_layer"}
    order = [n.get("id") for n in root.find("layerorder")]
    assert order.index("geochange_score_layer") + 1 == order.index("geochange_uncertainty_layer")


def test_remote_images_keep_their_address(folder, grid, fields):
    before = scene("https://example.org/a&b.tif", grid, None)
    root = read(write(folder / "changes.qgz", grid, fields, before=before))
    sources = [layer.find("datasource").text for layer in root.iter("maplayer")]
    assert "/vsicurl/https://example.org/a&b.tif" in sources


def test_both_dates_have_one_stretch(folder, grid, fields):
    root = read(write(folder / "changes.qgz", grid, fields))
    stretches = [
        [(float(e.find("minValue").text), float(e.find("maxValue").text)) for e in renderer]
        for renderer in root.iter("rasterrenderer")
        if renderer.get("type") == "multibandcolor"
    ]
    assert stretches == [list(STRETCH)] * 2


def test_single_band_is_grey(folder, grid, fields):
    after = scene("/data/sar.tif", grid, None, bands=(1,))
    root = read(write(folder / "changes.qgz", grid, fields, after=after))
    kinds = [renderer.get("type") for renderer in root.iter("rasterrenderer")]
    assert kinds == ["multibandcolor", "singlebandgray", "singlebandpseudocolor", "paletted"]


def test_themes_groups_and_time(folder, grid, fields):
    root = read(write(folder / "changes.qgz", grid, fields))
    themes = [theme.get("name") for theme in root.iter("visibility-preset")]
    assert themes[:4] == ["Before", "After", "Before + change", "After + change"]
    groups = [group.get("name") for group in root.iter("layer-tree-group") if group.get("name")]
    assert groups == ["After 2020-06-09", "Before 2018-03-01"]
    assert root.find("ProjectTimeSettings/TemporalRange/start").text == "2018-03-01T00:00:00Z"


def test_without_dates_there_is_no_time(folder, grid, fields):
    root = read(write(folder / "changes.qgz", grid, fields, days=(None, None)))
    groups = [group.get("name") for group in root.iter("layer-tree-group") if group.get("name")]
    assert groups == ["After", "Before"]
    assert root.find("ProjectTimeSettings") is None
    rasters = [layer for layer in root.iter("maplayer") if layer.get("type") == "raster"]
    assert [layer.find("temporal").get("enabled") for layer in rasters] == ["0"] * 4


def test_without_crs_there_is_no_projection(folder, fields, make_changes):
    grid = GeoBox((150, 230), Affine.identity(), None)
    bookmarks = list_bookmarks(make_changes(grid), grid)
    root = read(write(folder / "changes.qgz", grid, fields, bookmarks=bookmarks))
    assert not list(root.iter("spatialrefsys"))
    assert root.find("properties/SpatialRefSys/ProjectionsEnabled").text == "0"


def test_bookmarks_go_from_the_highest_score_down(folder, grid, fields, changes, hostile):
    path = write_gpkg([changes], folder / "best.gpkg", fields=fields, geobox=grid)
    best = best_changes(path, limit=5)
    assert list(best["id"]) == [12, 11, 10, 9, 8]
    bookmarks = list_bookmarks(best, grid)
    root = read(write(folder / "changes.qgz", grid, fields, bookmarks=bookmarks))
    names = [bookmark.get("name") for bookmark in root.iter("Bookmark")]
    assert names[:3] == [f"001 {hostile} 0.61", "002 vanished 0.60", "003 appeared 0.59"]
    for bookmark, shape in zip(bookmarks, best.geometry, strict=True):
        w, _, e, _ = bookmark.bounds
        assert (w + e) / 2 == pytest.approx(shape.centroid.x)
        assert e - w == pytest.approx(30 + 2 * 320)


def test_nothing_found_has_no_bookmarks(tmp_path, grid, fields):
    path = write_gpkg([], tmp_path / "changes.gpkg", fields=fields, geobox=grid)
    assert list_bookmarks(best_changes(path, limit=5), grid) == []


def test_hostile_words_stay_words(folder, grid, fields, hostile):
    root = read(write(folder / "changes.qgz", grid, fields, classes=[hostile], title=hostile))
    assert root.find("title").text == hostile
    values = [category.get("value") for category in root.iter("category")]
    assert values == [hostile, ""]


def test_same_run_gives_same_bytes(folder, grid, fields):
    first = write(folder / "changes.qgz", grid, fields).read_bytes()
    assert write(folder / "changes.qgz", grid, fields).read_bytes() == first

import sqlite3
import warnings
from contextlib import closing
from itertools import pairwise

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.errors import GridError, InputError, InputNotFoundError
from geochange.io import vector
from geochange.io.vector import read_batches, read_vector, write_layer

UTM = GeoBox((100, 100), Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32633")
PLAIN = GeoBox((100, 100), Affine.identity(), None)
FIELDS = {"id": "int64", "name": "str", "share": "float64", "day": "datetime64[D]"}


def squares(count, crs="EPSG:32633"):
    boxes = [shapely.box(500000 + 20 * i, 4999900, 500010 + 20 * i, 4999910) for i in range(count)]
    columns = {"id": range(count), "name": [f"n{i}" for i in range(count)]}
    return geopandas.GeoDataFrame(columns, geometry=boxes, crs=crs)


def write_file(frame, path):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        frame.to_file(path)
    return path


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "shp", "fgb"])
def test_features_come_in_the_crs_of_the_grid(suffix, tmp_path):
    path = write_file(squares(3).to_crs("EPSG:4326"), tmp_path / f"a.{suffix}")
    frame = read_vector(path, geobox=UTM)
    assert frame.crs == "EPSG:32633"
    np.testing.assert_allclose(frame.total_bounds, squares(3).total_bounds, atol=0.01)


def test_first_layer_with_geometry_is_read(tmp_path):
    path = tmp_path / "a.gpkg"
    table = squares(2).drop(columns="geometry")
    pyogrio.write_dataframe(table, path, layer="styles")
    pyogrio.write_dataframe(squares(3), path, layer="areas")
    assert len(read_vector(path)) == 3
    with pytest.raises(InputError, match="has a table but no geometry"):
        read_vector(path, layer="styles")


def test_features_without_geometry_are_left_out(tmp_path):
    frame = squares(3)
    frame.loc[1, "geometry"] = None
    assert len(read_vector(write_file(frame, tmp_path / "a.gpkg"), geobox=UTM)) == 2


def test_grid_without_crs_takes_coordinates_as_they_are(tmp_path):
    frame = geopandas.GeoDataFrame(geometry=[shapely.box(1, 2, 3, 4)])
    path = write_file(frame, tmp_path / "a.gpkg")
    assert tuple(read_vector(path, geobox=PLAIN).total_bounds) == (1, 2, 3, 4)


@pytest.mark.parametrize(("crs", "geobox"), [("EPSG:32633", PLAIN), (None, UTM)])
def test_one_crs_missing_is_refused(crs, geobox, tmp_path):
    path = write_file(squares(1, crs), tmp_path / "a.gpkg")
    with pytest.raises(GridError, match="give both a CRS, or neither"):
        read_vector(path, geobox=geobox)


def test_bad_files_get_one_line(tmp_path):
    with pytest.raises(InputNotFoundError, match="no vector file at"):
        read_vector(tmp_path / "missing.gpkg")
    broken = tmp_path / "broken.gpkg"
    broken.write_bytes(b"SQLite format 3\0 but not really")
    for path in (broken, tmp_path):
        with pytest.raises(InputError, match=r"cannot read .* as vector features") as caught:
            read_vector(path)
        assert "\n" not in str(caught.value)
    path = write_file(squares(1), tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="cannot read"):
        read_vector(path, layer="nothing")


@pytest.mark.parametrize("sizes", [(), (4,), (3, 0, 5)])
def test_layer_is_written_batch_by_batch(sizes, tmp_path):
    path = tmp_path / "a.gpkg"
    options = {"layer": "a", "fields": FIELDS, "geometry_type": "Polygon", "geobox": UTM}
    count = write_layer(path, (squares(size) for size in sizes), **options)
    assert count == sum(sizes)
    info = pyogrio.read_info(path, layer="a")
    assert list(info["fields"]) == list(FIELDS)
    assert info["ogr_types"] == ["OFTInteger64", "OFTString", "OFTReal", "OFTDate"]
    assert (info["geometry_type"], info["features"]) == ("Polygon", count)
    back = geopandas.read_file(path)
    assert back["share"].isna().all()
    assert back["day"].isna().all()
    assert list(back["id"]) == [number for size in sizes for number in range(size)]


@pytest.mark.parametrize("sizes", [(10,), (1, 2, 3, 4), (0, 9, 1), (4, 6)])
def test_the_file_does_not_depend_on_the_batches(sizes, tmp_path, monkeypatch):
    monkeypatch.setattr(vector, "BATCH_SIZE", 4)
    whole = squares(10)
    bounds = np.cumsum([0, *sizes])
    options = {"layer": "a", "fields": FIELDS, "geometry_type": "Polygon", "geobox": UTM}
    for name, cuts in (("cut", bounds), ("whole", [0, 10])):
        batches = (whole.iloc[first:last] for first, last in pairwise(cuts))
        write_layer(tmp_path / f"{name}.gpkg", batches, **options)
    dumps = [dump(tmp_path / f"{name}.gpkg") for name in ("cut", "whole")]
    assert dumps[0] == dumps[1]


def dump(path):
    """All pages of a GeoPackage but for the time of writing."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE gpkg_contents SET last_change = ''")
    return path.read_bytes()


def test_empty_layer_gives_one_empty_batch(tmp_path):
    path = tmp_path / "a.gpkg"
    write_layer(path, [], layer="a", fields=FIELDS, geometry_type="Polygon", geobox=UTM)
    [batch] = read_batches(path)
    assert batch.empty
    assert list(batch.columns) == [*FIELDS, "geometry"]

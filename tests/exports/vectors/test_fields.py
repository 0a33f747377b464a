import sqlite3
from contextlib import closing

import geopandas

from geochange.exports.vectors.fields import delta_fields, polygon_fields, unique_names
from geochange.exports.vectors.gpkg import write_gpkg


def test_bands_that_differ_in_capitals_stay_apart(tmp_path, grid, changes):
    bands = ("red", "Red", "RED", "Red_2")
    names = delta_fields(bands)
    assert names == ["delta_red", "delta_Red_2", "delta_RED_3", "delta_Red_2_2"]
    for position, name in enumerate(names):
        changes[name] = float(position)
    fields = polygon_fields(bands)
    path = write_gpkg([changes], tmp_path / "changes.gpkg", fields=fields, geobox=grid)
    with closing(sqlite3.connect(path)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(changes)")]
    assert columns[-5:] == [*names, "status"]
    back = geopandas.read_file(path, layer="changes")
    assert [back[name].iloc[0] for name in names] == [0, 1, 2, 3]


def test_short_names_never_meet():
    short = unique_names(["abcdefgh" + str(i) for i in range(120)], length=8)
    assert len({name.lower() for name in short}) == 120
    assert all(len(name) <= 8 for name in short)

import numpy as np
import pytest

from geochange.exports.vectors.changes import ClassTotal, best_changes, total_classes
from geochange.exports.vectors.gpkg import write_gpkg


@pytest.fixture
def path(tmp_path, grid, fields, changes):
    changes.loc[4, "score_mean"] = np.nan
    changes.loc[7:9, "score_mean"] = 0.9
    return write_gpkg([changes], tmp_path / "changes.gpkg", fields=fields, geobox=grid)


def test_the_best_come_first_ties_by_id_and_unknown_scores_last(path, changes):
    best = best_changes(path, limit=5)
    assert list(best["id"]) == [8, 9, 10, 12, 11]
    expected = changes.set_index("id").loc[best["id"]]
    assert list(best["class"]) == list(expected["class"])
    assert best.geometry.union_all().equals(expected.geometry.union_all())
    assert best.crs == changes.crs
    assert list(best_changes(path, limit=99)["id"])[-2:] == [1, 5]


def test_totals_by_class(path, hostile):
    assert total_classes(path) == [
        ClassTotal(name, 4, 36, 3600.0) for name in sorted([hostile, "appeared", "vanished"])
    ]


def test_nothing_found(tmp_path, grid, fields):
    path = write_gpkg([], tmp_path / "changes.gpkg", fields=fields, geobox=grid)
    best = best_changes(path, limit=5)
    assert best.empty
    assert {"id", "class", "score_mean", "geometry"} <= set(best.columns)
    assert total_classes(path) == []

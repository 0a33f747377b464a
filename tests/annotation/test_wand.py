"""A click becomes the polygon that a person would have drawn."""

import pytest
import rasterio
import shapely

from geochange.annotation.refusals import RefusedError
from geochange.annotation.wand import wave

from .conftest import SQUARES


@pytest.fixture
def scored(project, tmp_path):
    """The project's run, its score 0.9 in one square and 0.1 elsewhere."""
    import shutil

    from geochange.maps.changemap import ChangeMap

    result = project.newest_result()
    folder = shutil.copytree(result.path, tmp_path / "run")
    with rasterio.open(folder / "score.tif") as dataset:
        profile, stored = dataset.profile, dataset.read(1)
    stored[:] = round(0.1 * 65534)
    stored[100:140, 150:190] = round(0.9 * 65534)
    profile |= {"driver": "GTiff"}
    (folder / "score.tif").unlink()
    with rasterio.open(folder / "score.tif", "w", **profile) as dataset:
        dataset.write(stored, 1)
    return ChangeMap(folder)


def overlap(one, other):
    return one.intersection(other).area / one.union(other).area


def test_the_score_gives_the_square(project, scored):
    found = wave(project.pair, scored, "score", (160.5, 110.5), 0.5)
    assert overlap(found, shapely.box(150, 100, 190, 140)) >= 0.98
    assert len(found.exterior.coords) <= 12
    assert wave(project.pair, scored, "score", (10, 10), 0.05).area > 40 * 40


def test_the_difference_gives_the_square(project):
    row, col, size = SQUARES[2]
    found = wave(project.pair, None, "difference", (col + 20, row + 20), 0.5)
    assert overlap(found, shapely.box(col, row, col + size, row + size)) >= 0.9
    assert found.is_valid


@pytest.mark.parametrize(
    ("point", "words"), [((-5, 10), "outside"), ((10, 10**6), "outside"), ((5, 5), "lower here")]
)
def test_a_click_on_nothing_is_one_line(project, scored, point, words):
    with pytest.raises(RefusedError, match=words):
        wave(project.pair, scored, "score", point, 0.5)


def test_without_a_run_there_is_no_score(project):
    with pytest.raises(RefusedError, match="no score yet"):
        wave(project.pair, None, "score", (50, 50), 0.5)

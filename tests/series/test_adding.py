"""Dates that are added to a state: as if they had been there from the beginning."""

import json
import shlex
from datetime import date
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from geochange.errors import OutputExistsError, UsageError
from geochange.timeline import detect_series, update_series

from .conftest import SIZE, days_from, make_images

CUSUM = {"method": "cusum", "options": {"history": 3}}
DAYS = days_from(date(2010, 6, 1), 8, 365)


@pytest.fixture
def paths(write_series):
    return write_series(make_images(8, 5), DAYS)


def read_states(folder: Path) -> np.ndarray:
    """How many observations of each pixel the state holds."""
    (file,) = (folder / "tiles").rglob("*.npz")
    with np.load(file) as stored:
        return stored["kept"]


def test_added_dates_count_inside_the_area_of_interest_alone(paths, tmp_path):
    with rasterio.open(paths[0]) as dataset:
        corners = [dataset.transform * corner for corner in ((0, 0), (30, 0), (0, 30))]
        area = geopandas.GeoDataFrame(geometry=[shapely.Polygon(corners)], crs=dataset.crs)
    area.to_file(tmp_path / "area.gpkg")
    aoi, state = tmp_path / "area.gpkg", tmp_path / "state"
    first = detect_series(paths[:5], tmp_path / "a", state=state, aoi=aoi, **CUSUM)
    aoi.unlink()
    later = update_series(state, paths[5:], tmp_path / "b")
    unknown = [np.isnan(one.read("score")) for one in (first, later)]
    assert 0.3 < unknown[0].mean() < 0.7
    np.testing.assert_array_equal(*unknown)
    outside = unknown[0].ravel()
    assert read_states(state)[outside].max() == 0


def test_masks_hide_what_is_added(paths, write_raster, tmp_path):
    cloud = np.zeros((1, SIZE, SIZE), np.uint8)
    cloud[:, :, :20] = 3
    mask = write_raster("cloud.tif", cloud)
    state, plain = tmp_path / "state", tmp_path / "plain"
    for folder in (state, plain):
        detect_series(
            paths[:5], tmp_path / f"{folder.name}-out", state=folder, mask_codes=[3], **CUSUM
        )
    update_series(plain, [paths[5]], tmp_path / "a")
    result = update_series(state, [paths[5]], tmp_path / "b", masks=[mask])
    assert result.read("score")[:, :20].max() < 0.5
    assert any("cloud.tif" in note for note in result.run["notes"])
    with pytest.raises(UsageError, match="2 masks for 1 images"):
        update_series(state, [paths[6]], tmp_path / "c", masks=[mask, mask])
    words = shlex.split(result.run["command"])
    assert words[words.index("--masks") + 1] == str(mask)


def test_bands_keep_the_names_of_the_state(paths, write_raster, tmp_path):
    state = tmp_path / "state"
    detect_series(paths[:5], tmp_path / "a", state=state, **CUSUM)
    nameless = [
        write_raster(f"nameless/{day}.tif", image, nodata=0)
        for image, day in zip(make_images(8, 5)[5:], DAYS[5:], strict=True)
    ]
    with pytest.warns(UserWarning, match="order"):
        result = update_series(state, nameless, tmp_path / "b")
    with rasterio.open(result.locate("magnitude")) as dataset:
        assert dataset.descriptions == ("blue", "green", "red", "nir")
    assert "delta_nir" in result.polygons().columns


def test_a_state_never_costs_the_output(paths, tmp_path):
    for folder in (tmp_path / "out", tmp_path / "out" / "inside"):
        with pytest.raises(UsageError, match="give two folders"):
            detect_series(paths, folder, state=tmp_path / "out", **CUSUM)
        assert not (tmp_path / "out").exists()
    state = tmp_path / "state"
    detect_series(paths[:5], tmp_path / "a", state=state, **CUSUM)
    with pytest.raises(UsageError, match="give two folders"):
        update_series(state, paths[5:], state / "b")
    assert len(json.loads((state / "state.json").read_text())["days"]) == 5


def test_a_run_stopped_before_its_state_was_in_place_is_resumed(paths, tmp_path, monkeypatch):
    state, out = tmp_path / "state", tmp_path / "out"
    detect_series(paths[:5], tmp_path / "a", state=state, **CUSUM)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("geochange.timeline.put_state", stop)
        with pytest.raises(KeyboardInterrupt):
            update_series(state, paths[5:], out)
    assert len(json.loads((state / "state.json").read_text())["days"]) == 5
    update_series(state, paths[5:], out, resume=True)
    assert len(json.loads((state / "state.json").read_text())["days"]) == 8
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_a_finished_run_with_a_state_can_be_resumed(paths, tmp_path):
    state = tmp_path / "state"
    first = detect_series(paths, tmp_path / "out", state=state, **CUSUM)
    again = detect_series(paths, tmp_path / "out", state=state, resume=True, **CUSUM)
    assert again.run == first.run


def test_dates_of_two_runs_at_a_time_are_not_lost(paths, tmp_path, monkeypatch):
    from geochange import timeline

    state = tmp_path / "state"
    detect_series(paths[:5], tmp_path / "a", state=state, **CUSUM)
    find_changes = timeline.find_changes

    def find_slowly(*arguments: object) -> object:
        facts = find_changes(*arguments)
        monkeypatch.setattr(timeline, "find_changes", find_changes)
        update_series(state, paths[5:6], tmp_path / "quick")
        return facts

    monkeypatch.setattr(timeline, "find_changes", find_slowly)
    with pytest.raises(OutputExistsError, match="another run has added dates"):
        update_series(state, paths[6:], tmp_path / "slow")
    assert json.loads((state / "state.json").read_text())["days"][-1] == DAYS[5].isoformat()


def test_the_command_names_files_masks_and_days_of_each_date(paths, write_raster, tmp_path):
    bands = [
        [write_raster(f"{name}/{band}.tif", image[band][None], nodata=0) for band in (0, 1)]
        for name, image in zip(("x", "y", "z"), make_images(3, 2), strict=True)
    ]
    mask = write_raster("mask.tif", np.zeros((1, SIZE, SIZE), np.uint8))
    table = tmp_path / "days.csv"
    rows = [f"{bands[n][0]},2020-0{3 - n}-01" for n in range(3)]
    table.write_text("\n".join(["path,date", *rows]))
    sources = [[str(file) for file in files] for files in bands]
    result = detect_series(
        sources, tmp_path / "out", dates=table, masks=[mask, None, None], method="step"
    )
    words = shlex.split(result.run["command"])
    assert words[2:5] == [",".join(files) for files in sources[::-1]]
    assert words[words.index("--masks") + 1] == f"-,-,{mask}"
    assert words[words.index("--dates") + 1] == str(table)

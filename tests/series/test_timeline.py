"""The job for series from files to files."""

import json
from datetime import date

import geopandas
import numpy as np
import pytest
import rasterio

from geochange.errors import DataWarning, InputError, OutputExistsError, UsageError
from geochange.timeline import detect_series, update_series

from .conftest import BUILT, SIZE, days_from, make_images

PRODUCTS = (
    "date.tif",
    "score.tif",
    "magnitude.tif",
    "mask.tif",
    "changes.gpkg",
    "changes.geojson",
    "changes.qgz",
    "animation.gif",
    "report.html",
)


@pytest.fixture
def paths(write_series):
    images = make_images(9, 5)
    images[5, :, 14:16, 14:18] = 0  # a gap at the first date that shows it
    return write_series(images, days_from(date(2010, 6, 1), 9, 365))


def test_a_run_leaves_when_how_surely_and_how_much(paths, tmp_path):
    result = detect_series(paths, tmp_path / "out")
    for name in (*PRODUCTS, "item.json", "run.json"):
        assert (result.path / name).exists(), name
    days = result.read_days()
    built = np.datetime64(result.days[5])
    truth = np.zeros((SIZE, SIZE), bool)
    truth[BUILT] = True
    assert (days[truth] == built).mean() > 0.9
    assert np.isnat(days[~truth]).mean() > 0.99
    years = result.read("date")
    assert np.nanmedian(years[BUILT]) == pytest.approx(2015.41, abs=0.01)
    assert np.nanmin(result.read("score")[BUILT]) > 0.5
    magnitude = result.read("magnitude")
    assert magnitude.shape == (4, SIZE, SIZE)
    assert np.nanmedian(magnitude) == pytest.approx(1500, abs=60)
    assert np.isnan(magnitude[:, ~truth]).mean() > 0.99
    polygons = result.polygons()
    largest = polygons.sort_values("pixels").iloc[-1]
    assert str(largest["date_start"])[:10] == result.days[4].isoformat()
    assert str(largest["date_end"])[:10] == result.days[5].isoformat()
    assert largest["delta_nir"] == pytest.approx(1500, abs=60)
    assert result.count == len(polygons)
    world = geopandas.read_file(result.path / "changes.geojson")
    assert len(world) == len(polygons)
    assert "9 dates" in repr(result)
    assert "data:image/gif" in result._repr_html_()
    report = (result.path / "report.html").read_text()
    assert '<svg class="series"' in report
    assert "data:image/gif" in report


def test_an_animation_in_all_colours_stands_for_the_other(paths, tmp_path):
    result = detect_series(paths, tmp_path / "out", animation="apng")
    assert (result.path / "animation.png").exists()
    assert not (result.path / "animation.gif").exists()
    assert "data:image/png" in result._repr_html_()
    assert "--animation apng" in result.run["command"]
    with pytest.raises(UsageError, match="unknown animation"):
        detect_series(paths, tmp_path / "out2", animation="avi")


def test_rasters_are_cogs_with_names(paths, tmp_path):
    result = detect_series(paths, tmp_path / "out")
    for name in ("date", "magnitude", "score", "mask"):
        with rasterio.open(result.locate(name)) as dataset:
            assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    with rasterio.open(result.locate("magnitude")) as dataset:
        assert dataset.descriptions == ("blue", "green", "red", "nir")


def read_all(folder):
    return {name: (folder / name).read_bytes() for name in PRODUCTS}


@pytest.mark.parametrize("method", ["step", "cusum"])
def test_tiles_threads_and_workers_change_no_byte(paths, tmp_path, method):
    options = {"history": 3} if method == "cusum" else {}
    whole = detect_series(paths, tmp_path / "a", method=method, options=options, threads=1)
    tiled = detect_series(
        paths, tmp_path / "b", method=method, options=options, tile_size=16, threads=3
    )
    first, second = read_all(whole.path), read_all(tiled.path)
    first.pop("report.html"), second.pop("report.html")  # names the tile size of the machine
    assert [name for name in first if first[name] != second[name]] == []


@pytest.mark.slow
def test_processes_change_no_byte(paths, tmp_path):
    here = detect_series(paths, tmp_path / "a", tile_size=16, threads=1)
    there = detect_series(paths, tmp_path / "b", tile_size=16, workers=2)
    first, second = read_all(here.path), read_all(there.path)
    assert [name for name in first if first[name] != second[name]] == []


def test_a_stopped_run_goes_on_and_ends_alike(paths, tmp_path):
    whole = detect_series(paths, tmp_path / "whole", tile_size=16)

    def stop(stage, done, total):
        if stage == "score" and done == 5 and total > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        detect_series(paths, tmp_path / "out", tile_size=16, on_progress=stop)
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "out.partial").exists()
    with pytest.raises(OutputExistsError, match="unfinished run"):
        detect_series(paths, tmp_path / "out", tile_size=16)
    resumed = detect_series(paths, tmp_path / "out", tile_size=16, resume=True)
    first, second = read_all(whole.path), read_all(resumed.path)
    first.pop("report.html"), second.pop("report.html")
    assert first == second
    again = detect_series(paths, tmp_path / "out", tile_size=16, resume=True)
    assert again.run == resumed.run


def test_new_dates_join_a_state_without_the_archive(paths, tmp_path):
    """All at once, and in two additions with the archive gone: the same rasters and polygons."""
    options = {"history": 3}
    noise = detect_series(paths[:6], tmp_path / "n", method="cusum", options=options)
    assert noise.run["method"]["noise"]
    state = tmp_path / "state"
    detect_series(paths[:6], tmp_path / "o6", method="cusum", options=options, state=state)
    before = json.loads((state / "state.json").read_text())
    assert len(before["days"]) == 6
    for path in paths[:6]:
        path.unlink()
    update_series(state, [paths[6]], tmp_path / "o7")
    result = update_series(state, paths[7:], tmp_path / "o9")
    assert len(json.loads((state / "state.json").read_text())["days"]) == 9
    assert len(result.days) == 9
    built = np.datetime64(result.days[5])
    assert (result.read_days()[BUILT] == built).mean() > 0.85
    for name in PRODUCTS:
        assert (result.path / name).exists(), name


def test_adding_equals_detecting_at_once(write_series, tmp_path):
    """With the same learned noise a state that was added to is that of all dates, bit by bit."""
    from geochange.series.cumulative import Ewma
    from geochange.series.protocol import SeriesBlock

    images = make_images(12, 8).astype(np.float32)
    valid = np.random.default_rng(0).random((12, SIZE, SIZE)) < 0.8
    days = np.array([730_000 + 30 * n for n in range(12)])
    method = Ewma(history=4).fit([SeriesBlock(images[:8], valid[:8], days[:8])])
    other = Ewma(history=4).recall(method.describe())
    state = other.start(SIZE * SIZE, 4)
    for image, known, day in zip(images, valid, days.tolist(), strict=True):
        other.update(state, image.reshape(4, -1), known.ravel(), day)
        state = {name: array.copy() for name, array in state.items()}
    once = method.score_series(images, valid, days)
    later = other.report(state)
    np.testing.assert_array_equal(once.score.ravel(), later.score)
    np.testing.assert_array_equal(once.day.ravel(), later.day)


def test_states_are_guarded(paths, tmp_path):
    state = tmp_path / "state"
    options = {"history": 3}
    with pytest.raises(UsageError, match="has no state"):
        detect_series(paths, tmp_path / "out", method="step", state=state)
    with pytest.raises(UsageError, match="--denoise"):
        detect_series(
            paths, tmp_path / "out", method="cusum", options=options, denoise="median", state=state
        )
    detect_series(paths[:7], tmp_path / "out", method="cusum", options=options, state=state)
    with pytest.raises(OutputExistsError, match="holds a state"):
        detect_series(paths, tmp_path / "out2", method="cusum", options=options, state=state)
    with pytest.raises(InputError, match="later dates"):
        update_series(state, [paths[3]], tmp_path / "out3")
    with pytest.raises(InputError, match="no state of a series"):
        update_series(tmp_path / "none", [paths[8]], tmp_path / "out4")
    damaged = next((state / "tiles").rglob("*.npz"))
    damaged.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="missing or damaged"):
        update_series(state, [paths[8]], tmp_path / "out5")
    assert not (tmp_path / "out5").exists()
    assert len(json.loads((state / "state.json").read_text())["days"]) == 7


def test_bad_series_leave_nothing(paths, write_raster, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="unknown method 'stepp'; did you mean 'step'"):
        detect_series(paths, out, method="stepp")
    with pytest.raises(UsageError, match="method 'step' has no option 'windw'"):
        detect_series(paths, out, method="step", options={"windw": 3})
    with pytest.raises(InputError, match="needs 18 dates"):
        detect_series(paths, out, method="harmonic-break")
    with pytest.raises(InputError, match=r"needs 3 dates or more, got 2.* two of them and"):
        detect_series(paths[:2], out)
    empty = np.zeros((1, SIZE, SIZE), np.uint8)
    cloudy = write_raster("clouds.tif", empty + 1)
    with pytest.raises(InputError, match="all cloudy"):
        detect_series(paths, out, masks=[cloudy] * 9)
    assert not out.exists()
    assert not out.with_name("out.partial").exists()


@pytest.mark.slow
def test_dates_are_registered_and_normalised_to_the_reference(write_series, tmp_path):
    rng = np.random.default_rng(3)
    from scipy.ndimage import gaussian_filter, shift

    ground = 1500 + 2500 * gaussian_filter(rng.standard_normal((200, 200)), 2)
    images = []
    for number in range(4):
        moved = shift(ground, (0.6 * number, -0.4 * number), order=3, mode="nearest")
        if number >= 2:
            moved[100:110, 100:110] += 220
        images.append(np.repeat(moved[None] * (1 + 0.1 * number) + 60 * number, 3, axis=0))
    images = np.stack(images) + 8 * rng.standard_normal((4, 3, 200, 200))
    paths = write_series(images.astype(np.uint16), days_from(date(2015, 1, 1), 4, 400))
    plain = detect_series(paths, tmp_path / "plain")
    brought = detect_series(paths, tmp_path / "brought", register="auto", normalize="auto")
    square = np.s_[101:109, 101:109]
    found = [(one.read("score")[square] > 0.5).mean() for one in (plain, brought)]
    assert found[0] < 0.1
    assert found[1] > 0.8
    assert (brought.read("score")[10:-10, 10:-10] > 0.5).mean() < 0.01
    assert any("registration" in note for note in brought.run["notes"])
    assert any("radiometry" in note for note in brought.run["notes"])


def test_time_filters_go_through_the_job(paths, tmp_path):
    result = detect_series(
        paths, tmp_path / "out", denoise="median", denoise_window=3, fill="linear"
    )
    assert (result.read_days()[BUILT] == np.datetime64(result.days[5])).mean() > 0.9


def test_clouds_that_cannot_be_looked_for_are_told(paths, write_series, tmp_path):
    images = make_images(4, 2)[:, 1:3]
    bare = write_series(images, days_from(date(2021, 6, 1), 4, 365), names=("a", "b"))
    with pytest.warns(DataWarning, match="3 of 3 dates: clouds: not looked for"):
        detect_series(bare, tmp_path / "out", mask_clouds=True)

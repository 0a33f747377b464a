"""Both dates side by side, over one another, in turn: always the source's colours."""

import io

import numpy as np
import pytest
import rasterio
from PIL import Image

from .conftest import SQUARES

PLACE = (SQUARES[1][1] + 15, SQUARES[1][0] + 15)
"""Column and row of a pixel that changed."""


@pytest.fixture
def page(visit):
    found = visit()
    found.tell("geochange.views.setLabels(false)")
    zoom(found, 1 / 8)
    return found


def zoom(page, resolution):
    col, row = PLACE
    page.tell(
        f"(geochange.views.view.setResolution({resolution}),"
        f" geochange.views.view.setCenter([{col + 0.5}, {-row - 0.5}]))"
    )
    drawn(page)


def drawn(page):
    """Wait until both maps have drawn all they have."""
    page.tell(
        "Promise.all(geochange.views.maps.filter((own) => !own.target.hidden).map((own) =>"
        " new Promise((done) => { own.map.once('rendercomplete', done); own.map.render(); })))"
    )


def colour(page, name="main"):
    x, y = page.at(PLACE[0] + 0.5, PLACE[1] + 0.5, name)
    clip = {"x": round(x) + 2, "y": round(y) + 2, "width": 1, "height": 1}
    picture = Image.open(io.BytesIO(page.page.screenshot(clip=clip)))
    return picture.convert("RGB").getpixel((0, 0))


def expected(page, served, date):
    shown = page.tell(f"geochange.display.of('{date}')")
    path = served.project.settings[date]
    with rasterio.open(path) as dataset:
        pixel = dataset.read([b + 1 for b in shown["bands"]])[:, PLACE[1], PLACE[0]].astype(float)
    low, high = np.array(shown["limits"]).T
    return np.clip((pixel - low) / (high - low), 0, 1) * 255


def assert_shows(page, served, date, name="main"):
    np.testing.assert_allclose(colour(page, name), expected(page, served, date), atol=2)


def test_every_way_of_looking_shows_the_pixels_of_its_date(page, served):
    before, after = (expected(page, served, date) for date in ("before", "after"))
    assert np.abs(before - after).min() > 40
    for split, date in ((0, "after"), (1, "before"), (0.45, "after"), (0.55, "before")):
        page.tell(f"geochange.views.setSplit({split})")
        drawn(page)
        assert_shows(page, served, date)
    page.tell("geochange.views.setMode('side')")
    drawn(page)
    assert_shows(page, served, "before")
    assert_shows(page, served, "after", "second")
    page.tell("geochange.views.setMode('flicker')")
    drawn(page)
    assert_shows(page, served, "after")
    seen = len(page.requests)
    page.press("Space")
    drawn(page)
    assert_shows(page, served, "before")
    page.page.keyboard.down("Space")
    drawn(page)
    assert_shows(page, served, "before")
    page.page.wait_for_timeout(300)
    page.page.keyboard.up("Space")
    pictures = [url for url in page.requests[seen:] if "/api/image/" in url]
    assert pictures == []
    assert all(url.startswith((served.url, "data:")) for url in page.requests)


def test_the_crosshair_is_mirrored(page):
    page.tell("geochange.views.setMode('side')")
    drawn(page)
    page.page.mouse.move(*page.at(PLACE[0], PLACE[1]))
    box = page.page.locator(".map.second .cross").bounding_box()
    x, y = page.at(PLACE[0], PLACE[1], "second")
    assert abs(box["x"] - x) < 2
    assert abs(box["y"] - y) < 2


def test_the_bar_is_dragged(page):
    box = page.page.locator(".bar").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 300
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x - 200, y, steps=4)
    page.page.mouse.up()
    width = page.page.locator(".map.main").bounding_box()["width"]
    assert page.tell("geochange.views.split") == pytest.approx(0.5 - 200 / width, abs=0.01)


def test_the_threshold_moves_at_once_without_a_request(page):
    page.press("h")
    page.until("geochange.score.tiles.size > 0")
    drawn(page)
    tile = "[...geochange.score.tiles.values()]"
    painted = (
        f"{tile}.reduce((sum, t) => sum + new Uint32Array(t.context.getImageData(0, 0, 256, 256)"
        ".data.buffer).filter((v) => v).length, 0)"
    )
    seen = len(page.requests)
    counts, times = [], []
    for value in (0.05, 0.5, 0.99):
        took = page.tell(
            f"((start) => {{ geochange.setThreshold({value}); return performance.now() - start; }})"
            "(performance.now())"
        )
        counts.append(page.tell(painted))
        times.append(took)
    assert counts[0] > counts[1] > counts[2]
    assert min(times) < 100
    assert page.tell("document.querySelectorAll('#candidates li[data-key]').length") == 0
    assert [url for url in page.requests[seen:] if "/api/score" in url] == []


def test_bands_and_stretch_change_both_dates(page, served):
    page.tell("geochange.views.setMode('side')")
    page.page.select_option("#bands", "NIR · Red · Green")
    page.page.select_option("#stretch", "Min – max")
    drawn(page)
    assert page.tell("geochange.display.of('after').bands") == [3, 2, 1]
    assert "token" not in page.page.url
    assert_shows(page, served, "before")
    assert_shows(page, served, "after", "second")
    page.page.wait_for_timeout(300)
    page.load()
    assert page.tell("geochange.display.combo") == "NIR · Red · Green"


def test_the_after_date_is_nudged_and_the_tile_tells_it(page, served):
    page.tell("geochange.tour.go(3)")
    zoom(page, 1 / 8)
    page.tell("geochange.views.setSplit(0)")
    drawn(page)
    assert_shows(page, served, "after")
    for _ in range(2 * 20):
        page.press("Shift+ArrowRight")
    drawn(page)
    moved = np.abs(np.array(colour(page)) - expected(page, served, "after"))
    assert moved.max() > 40, "what lies twenty columns to the left is shown here now"
    assert page.page.input_value("#dx") == "20"
    page.until("geochange.model.made.length === 1")
    page.saved()
    tiles = served.project.database.read().execute("SELECT dx, dy FROM tile WHERE id = 3")
    assert tuple(tiles.fetchone()) == (20, 0)
    page.press("Control+z")
    drawn(page)
    assert_shows(page, served, "after")

"""Verdicts, drawing, undo, tiles: with the keys and the mouse of a person."""

import pytest
import shapely
from shapely.geometry import shape

from geochange.annotation.labels import read_labels
from geochange.labels.schema import parse_schema

from .conftest import SQUARES


@pytest.fixture
def page(visit):
    found = visit()
    tile = found.tell("geochange.tour.go(1)")
    assert tile is None
    found.page.wait_for_timeout(300)
    return found


def draw(page, corners):
    page.press("n")
    for corner in corners[:-1]:
        page.click(*corner)
        page.page.wait_for_timeout(40)
    page.page.mouse.dblclick(*page.at(*corners[-1]))
    page.until("geochange.selection.keys.size === 1")
    page.press("Escape")


def test_keys_rest_while_one_types(page):
    page.press("Tab")
    assert page.tell("geochange.selection.keys.size") == 1
    page.press("c")
    page.page.keyboard.type("a dead wood, 1 b")
    assert page.tell("geochange.model.made.length") == 0
    assert page.tell("geochange.tools.name") == "select"
    assert page.page.input_value("#comment") == "a dead wood, 1 b"
    page.press("Escape")
    page.saved()


def test_verdicts_by_key_and_the_next_candidate(page):
    page.press("Tab", "a")
    page.saved()
    assert [one["verdict"] for one in page.labels().values()] == ["accepted"]
    page.press("Control+z")
    assert page.labels() == {}
    page.press("Control+Shift+z")
    page.saved()
    page.press("Control+z")
    page.press("Tab", "d")
    page.saved()
    [label] = page.labels().values()
    assert (label["verdict"], label["source"]) == ("rejected", "model")


def test_drawing_editing_painting_deleting_undone_and_redone(page, served):
    # One finger's worth of everything, five edits.
    draw(page, [(60, 70), (100, 70), (100, 110), (60, 110)])
    page.saved()
    page.press("e")
    page.page.wait_for_timeout(100)
    x, y = page.at(100, 70)
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + 30, y - 30, steps=6)
    page.page.mouse.up()
    page.until("geochange.model.made.length === 2")
    page.press("Escape", "2")
    page.until("geochange.model.made.length === 3")
    page.press("b")
    x, y = page.at(80, 108)
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + 10, y + 60, steps=6)
    page.page.mouse.up()
    page.until("geochange.model.made.length === 4")
    painted = page.labels()
    page.press("Escape", "x")
    page.until("geochange.model.made.length === 5")
    assert page.tell("geochange.model.made.map((e) => e.kind)") == [
        "draw", "edit", "class", "brush", "delete",
    ]  # fmt: skip
    assert page.labels() == {}
    page.press(*["Control+z"] * 5)
    page.saved()
    assert page.labels() == {}
    page.press(*["Control+Shift+z"] * 5)
    page.saved()
    assert page.labels() == {}
    page.press("Control+z")
    page.saved()
    assert page.labels() == painted
    page.load()
    assert page.labels() == painted
    [label] = painted.values()
    polygon = shape(label["geom"])
    assert polygon.is_valid
    assert polygon.area > 1600
    assert label["class"] == 2
    page.press(*["Control+z"] * 4)
    page.saved()
    assert page.labels() == {}
    stored = [r["after_json"] for r in served.project.database.read().execute("SELECT * FROM op")]
    for text in filter(None, stored):
        assert shapely.from_geojson(text[text.index('{"type"') : text.index("]]]") + 4]).is_valid


def test_wand_hole_split_and_merge(page):
    row, col, size = SQUARES[0]
    page.press("w")
    page.click(col + 10, row + 10)
    page.until("geochange.tools.found")
    page.press("Enter")
    page.until("geochange.model.annotations.size === 1")
    [label] = page.labels().values()
    assert label["source"] == "wand"
    whole = shape(label["geom"])
    assert whole.intersection(shapely.box(col, row, col + size, row + size)).area > 0.9 * size**2
    page.press("Escape", "s")
    page.page.mouse.click(*page.at(col - 20, row + 12.3))
    page.page.wait_for_timeout(50)
    page.page.mouse.dblclick(*page.at(col + size + 20, row + 12.3))
    page.until("geochange.model.annotations.size === 2")
    page.until("geochange.tools.name === 'select'")
    assert sum(shape(one["geom"]).area for one in page.labels().values()) == pytest.approx(
        whole.area
    )
    page.press("j")
    page.until("geochange.model.annotations.size === 1")
    assert shape(next(iter(page.labels().values()))["geom"]).area == pytest.approx(whole.area)
    page.saved()


def test_superpixels_paint_add_and_take_away(page):
    row, col, size = SQUARES[0]
    page.press("p", *["["] * 4)
    page.until("geochange.tools.superpixels.source.getFeatures().length > 120")
    page.page.mouse.move(*page.at(col + 4, row + 4))
    page.page.mouse.down()
    for step in (8, 12, 16, 20):
        page.page.mouse.move(*page.at(col + step, row + step), steps=3)
        page.page.mouse.move(*page.at(col + step, row + 4), steps=3)
    page.page.mouse.up()
    page.until("geochange.model.annotations.size === 1")
    [label] = page.labels().values()
    square = shapely.box(col, row, col + size, row + size)
    whole = shape(label["geom"])
    assert whole.intersection(square).area > 0.6 * size**2
    assert whole.difference(square).area < 0.15 * size**2
    page.page.keyboard.down("Alt")
    page.click(col + 12, row + 12)
    page.page.keyboard.up("Alt")
    page.until("geochange.model.made.length === 2")
    [label] = page.labels().values()
    assert shape(label["geom"]).area < whole.area
    page.saved()


def test_flags_and_comments_are_listed_and_lead_there(page):
    page.press("f")
    page.press("c")
    page.page.keyboard.type("cloud at the edge")
    page.press("Enter")
    page.saved()
    page.tell("geochange.tour.go(5)")
    page.page.click("#notebook summary")
    row = page.page.locator("#notes li")
    assert "cloud at the edge" in row.inner_text()
    row.click()
    page.until("geochange.model.active === 1")


def test_no_change_is_one_key_and_is_counted(page, served):
    for done in (1, 2, 3):
        page.press("Shift+Enter")
        page.until(f"document.querySelector('#progress').dataset.done === '{done}'")
    page.saved()
    assert len(read_labels(served.project).negatives) == 3
    page.load()
    page.until("document.querySelector('#progress').dataset.done === '3'")
    page.press("u")
    page.until("document.querySelector('#progress').dataset.done === '4'")
    page.press("Backspace")


def test_done_with_candidates_left_asks_once(page):
    assert page.tell("geochange.actions.open().length") == 1
    page.press("Enter")
    assert page.tell("geochange.model.made.length") == 0
    page.press("Enter")
    page.saved()
    kinds = page.tell("geochange.model.made.map((e) => [e.kind, e.ops.length])")
    assert kinds == [["tile", 2]]
    page.tell("geochange.tour.go(1)")
    page.page.wait_for_timeout(300)
    page.press("r")
    draw(page, [(60, 70), (100, 70), (100, 110), (60, 110)])
    page.saved()
    assert page.tell("geochange.model.tiles.get(1).state") == "todo"


def test_a_stale_page_is_told_and_can_keep_both(page, visit):
    draw(page, [(60, 70), (100, 70), (100, 110), (60, 110)])
    page.saved()
    stale = visit()
    key = page.tell("geochange.selection.first")
    assert list(stale.labels()) == [key[1:]]
    page.press("2")
    page.saved()
    stale.tell(f"geochange.selection.set(['{key}'])")
    stale.press("c")
    stale.page.keyboard.type("mine")
    stale.press("Enter")
    stale.page.wait_for_selector("dialog.clash[open]")
    assert "ann" in stale.page.inner_text("dialog.clash")
    stale.page.click("dialog.clash [data-choice=both]")
    stale.saved()
    stale.until("geochange.model.annotations.size === 2")
    labels = stale.labels()
    assert sorted(one["note"] for one in labels.values()) == ["", "mine"]
    assert labels[key[1:]]["class"] == 2


def test_edits_of_two_pages_that_do_not_meet_are_both_kept(page, visit):
    other = visit()
    other.tell("geochange.tour.go(1)")
    other.page.wait_for_timeout(300)
    draw(page, [(60, 70), (100, 70), (100, 110), (60, 110)])
    page.saved()
    draw(other, [(30, 90), (50, 90), (50, 110), (30, 110)])
    other.saved()
    other.until("geochange.model.annotations.size === 2")


def test_two_people_work_on_different_tiles(page, visit):
    held = page.tell("geochange.model.active")
    bob = visit("other")
    assert bob.tell("geochange.model.project.annotator") == "bob"
    assert bob.tell("geochange.model.active") != held
    bob.tell(f"geochange.tour.go({held})")
    bob.until("document.querySelector('#toast').textContent.includes('held by ann')")
    bob.tell("geochange.actions.setTile('note', { note: 'mine' })")
    bob.until("!geochange.model.waiting")
    page.page.wait_for_timeout(200)
    page.load()
    assert page.tell(f"geochange.model.tiles.get({held}).note") == ""


def test_a_class_name_is_shown_as_text(served, visit):
    name = "<img src=x onerror=window.hacked=1>"
    served.project.schema = parse_schema({"classes": [{"name": name}, {"name": "b"}]})
    page = visit()
    assert page.page.inner_text(".class .name >> nth=0") == name
    assert page.tell("window.hacked") is None
    assert page.page.locator(".class img").count() == 0


def test_the_help_shows_and_hides(page):
    page.press("?")
    page.page.wait_for_selector("dialog.help[open]")
    assert "no change in this tile" in page.page.inner_text("dialog.help")
    page.press("a", "Escape")
    assert page.tell("geochange.model.made.length") == 0
    assert page.page.locator("dialog.help[open]").count() == 0


@pytest.mark.parametrize("size", [(1920, 1080), (1100, 700), (760, 900)])
def test_nothing_is_cut_off_at_this_size(page, size):
    page.page.set_viewport_size({"width": size[0], "height": size[1]})
    page.page.wait_for_timeout(200)
    for name in ("header .segments", ".panel", ".palette", "#link", ".map.main"):
        box = page.page.locator(name).bounding_box()
        assert box["width"] > 30
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0] + 1
    assert page.tell("document.documentElement.scrollWidth") <= size[0]


def test_all_parts_of_the_page_are_reached_by_keys(page):
    seen = []
    for _ in range(4):
        page.press("F6")
        seen.append(
            page.tell("document.activeElement.closest('header, nav, aside, footer').tagName")
        )
    assert seen == ["HEADER", "NAV", "ASIDE", "FOOTER"]
    page.press("Shift+F6", "Tab")
    assert page.tell("document.activeElement.closest('aside') !== null")
    assert page.tell("geochange.selection.keys.size") == 0
    page.press("Escape", "Tab")
    assert page.tell("geochange.selection.keys.size") == 1

"""A14 in Chromium: the offer, the button, and candidates that come anew beside the verdicts."""

import pytest

from geochange.annotation import improving
from geochange.annotation.improving import write_every

from .test_improving import SEEN, keep_model, label_tiles


@pytest.fixture
def page(served, visit):
    label_tiles(served.project)
    write_every(served.project, 4)
    return visit()


def test_the_offer_can_wait_and_comes_back(page, served):
    page.page.wait_for_selector("#offer:not([hidden])")
    assert "4 newly labelled tiles" in page.page.inner_text("#offer")
    page.page.click("#offer button:has-text('Later')")
    assert page.page.is_hidden("#offer")
    page.tell("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.page.fill("#improve-every", "3")
    page.page.press("#improve-every", "Enter")
    page.until("geochange.improver.facts.every === 3")
    assert improving.read_every(served.project) == 3
    assert page.page.is_enabled("#improve")
    page.load()
    page.page.wait_for_selector("#offer:not([hidden])")


def test_a_tile_that_is_done_counts(page):
    assert page.tell("geochange.tour.go(7)") is None
    page.page.wait_for_timeout(300)
    page.press("Shift+Enter")
    page.until("geochange.improver.facts.labelled === 5")


def test_a_model_that_was_kept_back_is_told_and_offered(page, served):
    keep_model(served.project, better=False)
    page.load()
    page.tell("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.page.wait_for_selector("#improve-anyway:not([hidden])")
    said = page.page.inner_text("#improvement")
    assert "Model 1: F1 0.50 on 2 tiles held out, before 0.70; the old one was kept." in said


@pytest.mark.slow
def test_the_page_improves_the_model(page, served, monkeypatch):
    monkeypatch.setattr(improving, "SECONDS", 3.0)
    monkeypatch.setattr(improving, "is_better", lambda found: True)
    before = page.labels()
    page.page.click("#offer button:has-text('Improve')")
    page.until("geochange.jobs.list.some((one) => one.kind === 'improve')")
    assert page.page.is_hidden("#offer")
    page.page.wait_for_function("() => geochange.model.project.runs[0].id === 2", timeout=240_000)
    page.until("geochange.model.leftOut === 0")
    assert page.labels() == before
    assert page.tell("geochange.model.project.runs[0].name") == "labels 1"
    tiles = page.tell("[...geochange.model.candidates.values()].map((one) => one.tile)")
    assert not set(tiles) & set(SEEN)
    assert page.tell("geochange.improver.facts.fresh") == 0
    assert "Model 1: F1" in page.page.text_content("#improvement")


@pytest.mark.slow
def test_the_page_can_stop_it(page, served, monkeypatch):
    monkeypatch.setattr(improving, "SECONDS", 600.0)
    page.tell("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.page.click("#improve")
    page.page.wait_for_selector("#improve:has-text('Stop learning')")
    page.page.click("#improve")
    page.page.wait_for_selector("#improve:has-text('Improve the model')", timeout=60_000)
    assert page.tell("geochange.jobs.list[0].state") == "stopped"
    assert improving.list_improvements(served.project) == []

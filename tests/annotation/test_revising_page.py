"""Runs are fused and a threshold is set, in Chromium."""

from .test_improving import label_tiles
from .test_revising import second_run  # noqa: F401


def test_the_page_fuses_runs_and_sets_a_threshold(served, visit, second_run):  # noqa: F811
    served.project.add_run(second_run)
    page = visit()
    page.tell("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert " ".join(page.page.inner_text("#runs").split()) == "2 · log-ratio 4 1 · cva 4"
    assert page.page.is_disabled("#fuse")
    page.page.click("#tune")
    page.page.wait_for_selector("#tuned:has-text('no unchanged pixel')")
    for box in page.page.query_selector_all("#runs input"):
        box.check()
    page.page.select_option("#fusion-rule", "max")
    page.page.click("#fuse")
    page.until("geochange.model.project.runs[0].id === 3")
    assert page.tell("geochange.model.project.runs[0].name") == "max of log-ratio, cva"
    page.page.wait_for_selector("#runs li:nth-child(3)")
    assert page.page.is_hidden("#tuned")
    assert page.page.is_enabled("#fuse")  # what is ticked stays so
    label_tiles(served.project)
    page.load()
    page.tell("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.page.click("#tune")
    page.page.wait_for_selector("#tuned:has-text('precision')")
    said = page.page.inner_text("#tuned")
    assert f"Threshold {page.tell('geochange.scores.threshold'):.2f}: precision" in said
    assert "Few labels" in said
    assert "Candidates were cut at 0.50; there are none between" in said
    assert page.page.input_value("#threshold") == f"{page.tell('geochange.scores.threshold'):.2f}"

import dataclasses
import datetime
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from PIL import Image

from geochange.exports.reports.cartography import frame_of
from geochange.exports.reports.report import (
    ClassTotal,
    ReportData,
    ReportedChange,
    draw_histogram,
    write_report,
)

VOID = {"meta", "input", "img", "br", "link"}


class Page(HTMLParser):
    """Collects what a browser would see: elements, their attributes and the text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.text += " " if tag in ("dd", "td") else ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            if self.open and self.open[-1] not in ("li", "p", "dt", "dd"):
                msg = f"{tag} closes {self.open}"
                raise AssertionError(msg)

    def handle_data(self, text):
        self.text += text

    def find(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def picture(width=20, height=15):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 4), np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def data(grid, hostile):
    change = ReportedChange(
        7, hostile, 0.91, 0.99, 45, 30.0, 40.0, 4500.0, 280.0, picture(), picture()
    )
    return ReportData(
        geobox=grid,
        before_name=hostile,
        after_name="after.tif",
        before=picture(),
        after=picture(),
        change=picture(),
        changes=(change, dataclasses.replace(change, number=8, before=b"", after=b"")),
        classes=(ClassTotal(hostile, 2, 90, 9000.0), ClassTotal("road", 1, 10, 1000.0)),
        valid_pixels=30000,
        changed_pixels=100,
        histogram=np.bincount([10, 40000, 60000], minlength=65535),
        threshold=0.5,
        method=hostile,
        threshold_method=hostile,
        changed_area_m2=10000.0,
        method_reason=hostile,
        date_before=datetime.date(2018, 3, 1),
        date_after=datetime.date(2020, 6, 9),
        parameters={hostile: hostile},
        notes=(hostile,),
        run={"inputs": [hostile, "</pre></script>"]},
        command=f"geochange detect '{hostile}'",
        title=hostile,
        version=hostile,
    )


def test_everything_is_escaped(data, tmp_path, hostile):
    text = write_report(data, tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert all(image["src"].startswith("data:image/") for image in page.find("img"))
    assert len(page.find("script")) == 1
    assert page.text.count(hostile) >= 10
    assert "</pre></script>" in page.text


def test_what_cannot_be_shown_is_said(data, tmp_path):
    text = write_report(data, tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("picture not readable") == 2, "both dates of the second change"


def test_page_needs_nothing_else(data, tmp_path):
    text = write_report(data, tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    [policy] = [m["content"] for m in page.find("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'; img-src data:;")
    links = re.findall(r'(?:href|src)="([^"]*)"', text)
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "http" not in text.replace("http-equiv", "")
    assert not page.find("link")


def test_numbers_are_those_of_the_data(data, tmp_path):
    page = Page(write_report(data, tmp_path / "report.html").read_text(encoding="utf-8"))
    text = " ".join(page.text.split())
    for expected in (
        "Mapped change 1.00 ha 0.33 % of the area seen at both dates",
        "Changes 3 in 2 classes",
        "87.0 % 30,000 of 34,500 px",
        "2018-03-01",
        "2020-06-09",
        "WGS 84 / UTM zone 33N (EPSG:32633)",
        "The 2 changes of the highest score",
        "0.91 max 0.99",
        "4,500 m²",
        "threshold 0.500",
    ):
        assert expected in text
    pins = [a for a in page.find("a") if a.get("class") == "pin"]
    assert [pin["href"] for pin in pins] == ["#change-7", "#change-8"]
    assert pins[0]["style"] == f"left: {round(100 * 40 / 230, 3)}%; top: 20.0%"
    assert {row.get("id") for row in page.find("tr")} >= {"change-7", "change-8"}


def test_pictures_have_words_and_a_change_without_thumbnail_has_none(data, tmp_path):
    page = Page(write_report(data, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert [image["alt"] for image in page.find("img")] == ["Change 1, before", "Change 1, after"]
    drawn = [svg for svg in page.find("svg") if svg.get("aria-hidden") != "true"]
    assert drawn
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in drawn)
    assert all(control.get("aria-label") or control.get("id") for control in page.find("input"))


def test_pair_without_crs_has_pixels_instead_of_metres(data, tmp_path):
    geobox = GeoBox((150, 230), Affine.identity(), None)
    changes = tuple(dataclasses.replace(c, area_m2=None, perimeter_m=None) for c in data.changes)
    data = dataclasses.replace(data, geobox=geobox, changed_area_m2=None, changes=changes)
    page = Page(write_report(data, tmp_path / "report.html").read_text(encoding="utf-8"))
    text = " ".join(page.text.split())
    assert "Mapped change 100 px" in text
    assert "no CRS (pixel coordinates)" in text
    assert not [svg for svg in page.find("svg") if svg.get("class") == "north"]
    assert not [span for span in page.find("span") if span.get("class") == "scale-bar"]


def test_nothing_changed(data, tmp_path):
    data = dataclasses.replace(
        data, changes=(), classes=(), changed_pixels=0, changed_area_m2=0.0, threshold=None
    )
    page = Page(write_report(data, tmp_path / "report.html").read_text(encoding="utf-8"))
    text = " ".join(page.text.split())
    assert "Mapped change 0 m² 0.0 %" in text
    assert "No change was found." in text
    assert "threshold 0.5" not in text


def test_report_stays_small(data, tmp_path):
    large = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(large).save(stream, "PNG")
    change = dataclasses.replace(data.changes[0], before=stream.getvalue(), after=stream.getvalue())
    many = tuple(dataclasses.replace(change, number=number) for number in range(100))
    path = write_report(dataclasses.replace(data, changes=many), tmp_path / "report.html")
    assert path.stat().st_size < 5_000_000
    page = Page(path.read_text(encoding="utf-8"))
    assert len([row for row in page.find("tr") if "id" in row]) == 100
    assert 0 < len(page.find("img")) < 100


def test_same_data_gives_same_bytes(data, tmp_path):
    first = write_report(data, tmp_path / "a.html").read_bytes()
    assert write_report(data, tmp_path / "b.html").read_bytes() == first


def test_histogram_counts_every_pixel():
    counts = np.random.default_rng(0).integers(0, 50, 65535)
    picture = draw_histogram(counts, 0.25)
    decades = 5
    pooled = [10 ** (bar["height"] * decades / 100) - 1 for bar in picture["bars"]]
    assert sum(pooled) == pytest.approx(counts.sum(), rel=2e-3)
    assert picture["ticks"][-1] == ("100,000", 100)
    assert sum(bar["change"] for bar in picture["bars"]) == 90


@pytest.mark.parametrize(
    ("affine", "expected"),
    [
        (Affine(10, 0, 5e5, 0, -10, 5e6), 0.0),
        (Affine(10, 0, 5e5, 0, 10, 5e6), 180.0),
        (Affine(0, -10, 5e5, -10, 0, 5e6), -90.0),  # up is east, so left is north
    ],
)
def test_north_turns_with_the_grid(affine, expected):
    frame = frame_of(GeoBox((10, 10), affine, "EPSG:32633"))
    assert np.cos(np.radians(frame.north_degrees - expected)) == pytest.approx(1, abs=1e-6)
    assert frame.width_m == pytest.approx(100, rel=1e-3)


def test_what_differs_when_a_run_is_made_again_is_left_out(data, tmp_path):
    pages = [
        write_report(
            dataclasses.replace(data, run={"fingerprint": "f00d", "created": now, "seconds": now}),
            tmp_path / f"{now}.html",
        ).read_bytes()
        for now in ("yesterday", "today")
    ]
    assert pages[0] == pages[1]
    assert b"f00d" in pages[0]

"""A small pair, a run on it, a project of labels and its web application."""

from __future__ import annotations

import shutil
import uuid

import numpy as np
import pytest
import rasterio
from affine import Affine

from geochange.pipeline import detect

from .chromium import TOKEN, Page, Served, find_chromium

pytest.importorskip("starlette", reason="the annotation tool is not installed")

SHAPE = (320, 384)
TILE = 128
SQUARES = ((40, 40, 24), (40, 300, 30), (200, 60, 40), (210, 210, 20))
"""Row, column and edge of what changed."""
PLACES = {
    "utm": ("EPSG:32632", Affine(2, 0, 500000, 0, -2, 5000000)),
    "geographic": ("EPSG:4326", Affine(2e-5, 0, 11.5, 0, -1.4e-5, 48.1)),
    "rotated": (
        "EPSG:32632",
        Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(2, -2),
    ),
    "none": (None, Affine.identity()),
}


def write_dates(folder, place="utm"):
    """Write before.tif and after.tif; the after date is brighter in the squares."""
    rng = np.random.default_rng(3)
    before = rng.integers(900, 1000, (4, *SHAPE)).astype(np.uint16)
    after = before + rng.integers(0, 20, before.shape).astype(np.uint16)
    for row, col, size in SQUARES:
        after[:, row : row + size, col : col + size] += np.uint16(900)
    crs, transform = PLACES[place]
    for name, pixels in (("before", before), ("after", after)):
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", height=SHAPE[0], width=SHAPE[1], count=4,
            dtype="uint16", crs=crs, transform=transform, tiled=True, blockxsize=128,
            blockysize=128,
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
            dataset.descriptions = ("Blue", "Green", "Red", "NIR")
    return folder / "before.tif", folder / "after.tif"


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """The two files."""
    return write_dates(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="session")
def run(pair, tmp_path_factory):
    """A finished run on them."""
    folder = tmp_path_factory.mktemp("runs") / "cva"
    return detect(*pair, folder, method="cva", register="off", threads=1, threshold=0.5).path


@pytest.fixture(scope="session")
def template(run, tmp_path_factory):
    """A project with the run's candidates, to copy."""
    from geochange.annotation.opening import create_project

    folder = tmp_path_factory.mktemp("template") / "labels.gcproj"
    create_project(folder, run=run, tile_size=TILE).close()
    return folder


@pytest.fixture
def folder(template, tmp_path):
    """A copy of the project on disk."""
    return shutil.copytree(template, tmp_path / "labels.gcproj")


@pytest.fixture
def project(folder):
    """The project, open."""
    from geochange.annotation.opening import open_project

    opened = open_project(folder)
    yield opened
    opened.close()


def square(col, row, size=10):
    """A square as GeoJSON."""
    ring = [[col, row], [col + size, row], [col + size, row + size], [col, row + size], [col, row]]
    return {"type": "Polygon", "coordinates": [[list(map(float, p)) for p in ring]]}


def annotation(tile, given="", **state):
    """An op that sets a label."""
    after = {"geom": square(20, 20), "class": 1} | state
    return {"target": "annotation", "id": given or str(uuid.uuid4()), "tile": tile, "after": after}


def tile_op(tile, state, **more):
    """An op that sets the state of a tile."""
    return {"target": "tile", "id": str(tile), "after": {"state": state} | more}


def edit(ops, base, kind="draw", **more):
    """A request that saves ops."""
    content = {"uuid": str(uuid.uuid4()), "session": "page", "kind": kind, "base": base, "ops": ops}
    return content | {"view": "swipe", "seconds": 1.5} | more


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window, once for all tests of a worker."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = find_chromium()
    if not path:
        pytest.skip("no Chromium here (install it, or set GEOCHANGE_CHROMIUM)")
    with driver.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def served(folder):
    """The project of the tests, served."""
    one = Served(folder)
    yield one
    if one.running:
        one.stop()


@pytest.fixture
def visit(browser, served):
    """Open pages: ``visit()``; whatever goes wrong on one fails the test."""
    pages: list[Page] = []

    def open_page(token: str = TOKEN) -> Page:
        pages.append(Page(browser, served, token))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()
    assert [p for page in pages for p in page.problems] == []

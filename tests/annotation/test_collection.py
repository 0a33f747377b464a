"""Several pairs behind one link: made whole, served side by side, gone through in turn."""

import json
import warnings

import pytest

from geochange.annotation.app import make_app
from geochange.annotation.collection import create_collection, open_collection
from geochange.annotation.labels import read_labels
from geochange.annotation.opening import open_project
from geochange.batch import read_manifest
from geochange.cli import main
from geochange.errors import GeochangeError, InputError, InputNotFoundError, OutputExistsError

from .chromium import PEOPLE, TOKEN, Page, serve_app
from .conftest import annotation, edit, tile_op

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    TestClient = pytest.importorskip("starlette.testclient").TestClient

HEADERS = {"X-Geochange-Token": TOKEN}


@pytest.fixture(scope="module")
def manifest(pair, tmp_path_factory):
    path = tmp_path_factory.mktemp("manifest") / "pairs.csv"
    rows = [f"{name},{pair[0]},{pair[1]}" for name in ("north", "south")]
    path.write_text("\n".join(["id,before,after", *rows]) + "\n")
    return path


@pytest.fixture
def collection(manifest, tmp_path):
    made = create_collection(tmp_path / "labels.gcproj", read_manifest(manifest), tile_size=256)
    yield made
    made.close()


@pytest.fixture
def client(collection):
    app = make_app(collection, tokens=PEOPLE, reviewers=["carl"])
    return TestClient(app, base_url="http://127.0.0.1", headers=HEADERS, follow_redirects=False)


def test_each_pair_is_a_project_of_its_own(collection, client):
    content = edit([annotation(1, "a"), tile_op(1, "labelled")], {"1": 0}, "tile")
    assert client.post("/p/2/api/edits", json=content).status_code == 200
    assert [len(read_labels(collection.project(n)).polygons) for n in collection.names] == [0, 1]
    found = client.get("/p/1/api/pairs").json()["pairs"]
    assert [(p["name"], p["done"], p["total"]) for p in found] == [("north", 0, 4), ("south", 1, 4)]
    again = open_collection(collection.folder)
    assert again.names == ("north", "south")
    assert again.progress("ann") == found
    assert [pair["waiting"] for pair in again.progress("carl")] == [0, 1]
    carl = client.get("/", headers={"X-Geochange-Token": "third"})
    assert carl.headers["location"] == "p/2/", "where there is something to review"


def test_one_link_leads_to_a_pair_and_no_token_to_none(collection, client):
    lead = client.get(f"/?token={TOKEN}", headers={"X-Geochange-Token": ""})
    assert (lead.status_code, lead.headers["location"]) == (303, "p/1/")
    assert "HttpOnly" in lead.headers["set-cookie"]
    stranger = TestClient(client.app, base_url="http://127.0.0.1")
    for path in ("/p/1/", "/p/1/api/project", "/p/2/api/tiles", "/"):
        assert stranger.get(path, follow_redirects=False).status_code == 403
    assert stranger.get("/p/1/static/app.js").status_code == 200
    for path in (
        "/p/3/",
        "/p/0/",
        "/p/1",
        "/p/x/",
        "/p/1/p/1/api/tiles",
        "/p/1/static/..%2fapp.py",
    ):
        assert client.get(path).status_code == 404


def test_the_page_switches_and_goes_on_with_the_next_pair(browser, collection):
    with serve_app(make_app(collection, tokens=PEOPLE)) as served:
        page = Page(browser, served, TOKEN)
        assert page.page.url.endswith("/p/1/")
        page.until("document.querySelector('#pairs').options.length === 2")
        page.page.select_option("#pairs", "1")
        page.page.wait_for_url("**/p/2/")
        page.ready()
        for done in (1, 2, 3, 4):
            page.press("Shift+Enter")
            page.until(f"document.querySelector('#progress').dataset.done === '{done}'")
        page.page.wait_for_url("**/p/1/")
        page.ready()
        page.until("document.querySelector('#pairs').options[1].text.startsWith('✓')")
        page.context.close()
        assert page.problems == []


def test_a_manifest_with_a_bad_row_leaves_nothing(manifest, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text(manifest.read_text() + "west,none.tif,none.tif\n")
    with pytest.raises(GeochangeError):
        create_collection(tmp_path / "labels", read_manifest(bad))
    bad.write_text("id,before,after\n")
    with pytest.raises(InputError, match="no rows"):
        create_collection(tmp_path / "labels", read_manifest(bad))
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


def test_what_is_no_collection_is_one_line(collection, tmp_path, manifest, capsys):
    with pytest.raises(OutputExistsError):
        create_collection(collection.folder, read_manifest(manifest))
    with pytest.raises(InputNotFoundError, match=r"no collection\.json"):
        open_collection(tmp_path)
    with pytest.raises(InputNotFoundError, match="holds 2 pairs; give one of them"):
        open_project(collection.folder)
    assert main(["export", str(collection.folder), str(tmp_path / "all.gpkg")]) == 4
    assert "holds 2 pairs; give one of them" in capsys.readouterr().err
    with pytest.raises(InputNotFoundError, match="no pair 'west'"):
        collection.project("west")
    (collection.folder / "collection.json").write_text(json.dumps({"pairs": ["west"]}))
    with pytest.raises(InputError, match="west"):
        open_collection(collection.folder)
    (collection.folder / "collection.json").write_text("[")
    with pytest.raises(InputError, match="damaged"):
        open_collection(collection.folder)

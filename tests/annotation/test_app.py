"""The application without a socket: what it gives, and what it refuses."""

import json
import warnings

import pytest

from geochange.annotation.app import make_app
from geochange.annotation.security import MAX_BODY

from .conftest import annotation, edit, square

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    TestClient = pytest.importorskip("starlette.testclient").TestClient

TOKEN = {"X-Geochange-Token": "secret"}


@pytest.fixture
def client(project):
    app = make_app(project, tokens={"secret": "ann", "other": "bob"})
    return TestClient(app, base_url="http://127.0.0.1:8000", headers=TOKEN)


@pytest.fixture
def stranger(client):
    return TestClient(client.app, base_url="http://127.0.0.1:8000")


def test_what_the_page_asks_for_is_there(client):
    project = client.get("/api/project").json()
    assert (project["width"], project["height"], project["annotator"]) == (384, 320, "ann")
    assert project["display_bands"] == {"before": [2, 1, 0], "after": [2, 1, 0]}
    assert project["stretch"]["shared"] is not None
    picture = client.get("/api/image/before/0/0/0?b=2,1,0&s=0:2000,0:2000,0:2000&v=1")
    assert picture.headers["content-type"] == "image/png"
    assert "immutable" in picture.headers["cache-control"]
    assert client.get("/api/score/1/0/0/0").status_code == 200
    assert len(client.get("/api/tiles").json()["tiles"]) == 9
    assert client.get("/api/tiles/3").json()["col"] == 256
    assert len(client.get("/api/features?box=0,0,384,320").json()["candidates"]) == 4
    assert client.post("/api/edits", json=edit([annotation(1)], {"1": 0})).json()["revs"] == {
        "1": 1
    }
    assert [e["kind"] for e in client.get("/api/history").json()["undo"]] == ["draw"]
    assert client.get("/api/progress").json()["total"] == 9
    assert client.post("/api/tiles/1/lease", json={"session": "p"}).json()["seconds"] == 600
    assert client.request("DELETE", "/api/tiles/1/lease", json={"session": "p"}).json() == {}
    assert client.get("/api/jobs").json() == {"jobs": [], "cached": True}
    assert "cva" in client.get("/api/detectors").json()["methods"]
    ordered = client.post("/api/queue", json={"order": "random", "seed": 3}).json()["tiles"]
    assert {tile["reason"] for tile in ordered} == {"random"}
    client.put("/api/settings", json={"mode": "side"})
    assert client.get("/api/project").json()["settings"] == {"mode": "side"}


def test_drawing_tools(client):
    def compute(action, **more):
        return client.post("/api/geometry", json={"action": action, **more})

    two = [square(10, 10), square(15, 10)]
    assert len(compute("union", geometries=two).json()["geometries"]) == 1
    assert len(compute("subtract", geometries=two).json()["geometries"]) == 1
    assert compute("subtract", geometries=[two[0], square(5, 5, 90)]).json()["geometries"] == []
    cut = compute("split", geometries=two[:1], line=[[5, 15], [30, 15]])
    assert len(cut.json()["geometries"]) == 2
    assert compute("split", geometries=two[:1], line=[[0, 0], [1, 1]]).status_code == 422
    assert len(compute("buffer", line=[[30, 30]], tolerance=5).json()["geometries"]) == 1
    assert compute("explode", geometries=two).status_code == 422
    found = client.post("/api/wand", json={"on": "score", "x": 50, "y": 50, "tolerance": 0.5})
    assert found.json()["geom"]["type"] == "Polygon"


def test_a_wrong_host_is_refused(client, project):
    for host in ("evil.example", "127.0.0.1.evil.example", "", "evil.example:8000"):
        assert client.get("/api/project", headers={"host": host}).status_code == 400
    assert client.get("/api/project", headers={"host": "[::1]:8000"}).status_code == 200
    named = make_app(project, tokens={"secret": "a"}, hosts=["hub"])
    hub = TestClient(named, base_url="http://hub", headers=TOKEN)
    assert hub.get("/api/progress").status_code == 200


def test_without_the_token_nothing_is_told(stranger):
    answer = stranger.get("/api/project")
    assert answer.status_code == 403
    assert "geochange annotate" in answer.json()["error"]
    for token in ("", "secre", "secrets", "ä"):
        wrong = {"X-Geochange-Token": token.encode()}
        assert stranger.get("/api/tiles", headers=wrong).status_code == 403
    assert stranger.get("/").status_code == 403
    assert stranger.get("/static/app.js").status_code == 200


def test_the_link_brings_a_cookie_that_shows_but_does_not_write(stranger):
    page = stranger.get("/?token=secret")
    assert page.status_code == 200
    assert "HttpOnly" in page.headers["set-cookie"]
    assert "SameSite=strict" in page.headers["set-cookie"]
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert stranger.get("/api/project").status_code == 200
    assert stranger.post("/api/edits", json=edit([annotation(1)], {"1": 0})).status_code == 403


def test_other_sites_are_refused(client):
    for site in ("cross-site", "same-site"):
        headers = {"sec-fetch-site": site}
        assert client.get("/api/project", headers=headers).status_code == 403
        assert client.post("/api/edits", json={}, headers=headers).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/?token=secret", headers=link).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/static/..%2f..%2fapp.py", "/static/../app.py", "/static/%2e%2e/app.py", "/static/index.html",
     "/static//etc/passwd", "/api/tiles/..%2f..%2fetc%2fpasswd", "/api/nothing", "/etc/passwd"],
)  # fmt: skip
def test_nothing_else_of_the_disk_can_be_asked_for(client, path):
    assert client.get(path).status_code in (400, 404)


def test_bodies_are_bounded(client):
    big = b'{"a": "' + b"x" * (MAX_BODY + 1) + b'"}'
    kind = {"content-type": "application/json"}
    assert client.post("/api/edits", content=big, headers=kind).status_code == 413
    parts = client.post("/api/edits", content=iter([b"{", b"}"]), headers=kind)
    assert parts.status_code == 413  # a body that does not say how long it is
    deep = b"[" * 100_000 + b"]" * 100_000
    assert client.post("/api/edits", content=deep, headers=kind).status_code in (400, 422)
    assert client.post("/api/edits", content=b"{", headers=kind).status_code == 400
    assert client.post("/api/edits", content=b'{"a": NaN}', headers=kind).status_code == 400
    assert client.post("/api/edits", content="a=b").status_code == 415
    assert client.post("/api/edits", json=None, headers=kind).status_code == 422


@pytest.mark.parametrize("half", [rb"\ud800", b"\xed\xa0\x80"])
def test_half_a_character_is_refused_and_blocks_nothing(client, half):
    kind = {"content-type": "application/json"}
    settings = b'{"a": "' + half + b'"}'
    assert client.put("/api/settings", content=settings, headers=kind).status_code == 400
    assert client.get("/api/project").json()["settings"] == {}
    content = json.dumps(edit([annotation(1, note="NOTE")], {"1": 0})).encode()
    content = content.replace(b"NOTE", half)
    assert client.post("/api/edits", content=content, headers=kind).status_code == 400
    whole = json.dumps(edit([annotation(1, note="\U0001f6d6")], {"1": 0})).encode()
    assert client.post("/api/edits", content=whole, headers=kind).status_code == 200


def test_a_number_beyond_the_store_is_refused(client):
    sent = edit([annotation(1, candidate=2**70)], {"1": 0})
    answer = client.post("/api/edits", json=sent)
    assert (answer.status_code, answer.json()["error"]) == (422, "candidate is a number")


@pytest.mark.parametrize(
    "path",
    [
        *("/api/image/before/0/0/0?b=9&s=0:1", "/api/image/now/0/0/0?b=0&s=0:1"),
        *("/api/image/before/0/0/0?b=0,1&s=0:1,0:1", "/api/image/before/0/0/0?b=0&s=1:0"),
        *("/api/image/before/0/0/0?b=0&s=nan:1", "/api/image/before/x/0/0?b=0&s=0:1"),
        *("/api/image/before/0/0/0?b=0&s=0:1&g=99", "/api/image/before/0/-1/0?b=0&s=0:1"),
        *("/api/features?box=1,2,3", "/api/features?box=a,b,c,d"),
    ],
)
def test_a_wrong_address_is_one_line(client, path):
    answer = client.get(path)
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]


def test_people_are_told_apart_by_their_token(client):
    client.post("/api/tiles/1/lease", json={"session": "p"})
    bob = TestClient(
        client.app, base_url="http://localhost", headers={"X-Geochange-Token": "other"}
    )
    answer = bob.post("/api/edits", json=edit([annotation(1)], {"1": 0}))
    assert answer.status_code == 423
    assert answer.json()["holder"] == "ann"
    assert bob.get("/api/project").json()["annotator"] == "bob"
    assert bob.get("/api/history").json() == {"undo": [], "redo": []}


def test_a_class_name_is_only_text(folder):
    from geochange.annotation.opening import open_project
    from geochange.labels.schema import parse_schema

    name = "<img src=x onerror=alert(1)>"
    project = open_project(folder)
    project.schema = parse_schema({"classes": [{"name": name}]})
    client = TestClient(make_app(project, tokens={"secret": "ann"}), base_url="http://localhost")
    page = client.get("/?token=secret")
    assert "onerror" not in page.text
    assert json.loads(client.get("/api/project").text)["schema"]["classes"][0]["name"] == name
    project.close()

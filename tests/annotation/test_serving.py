"""The command: it starts, tells its link, is stopped, and goes on where it was."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from importlib import resources
from pathlib import Path

import pytest

from geochange.annotation.serving import serve
from geochange.cli import main
from geochange.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]


def start(*words):
    """Start the command and return it with the link that it printed."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "geochange", "annotate", "--no-browser", *map(str, words)]
    started = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    return started, started.stdout.readline().strip()


def stop(started):
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=30)
    return started.returncode, err


@pytest.mark.slow
def test_the_command_serves_and_ends(run, tmp_path):
    folder = tmp_path / "labels"
    started, link = start("--run", run, "-o", folder, "--annotator", "ann")
    try:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", link)
        with urllib.request.urlopen(link) as answer:
            assert b"geochange" in answer.read()
        request = urllib.request.Request(link.split("?")[0] + "api/project")
        request.add_header("X-Geochange-Token", link.split("=")[1])
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["runs"][0]["candidates"] == 4
    finally:
        code, err = stop(started)
    assert code == 0
    assert err == "Ctrl-C ends it; everything is saved.\n"
    again, same = start("-o", folder, "--annotator", "ann")
    stop(again)
    assert same == link


def test_wrong_use_is_one_line(capsys, tmp_path, run):
    def call(*words):
        code = main(["annotate", "-o", str(tmp_path / "labels"), *map(str, words)])
        return code, capsys.readouterr().err

    assert call()[0] == 2
    assert call("none.tif", "none.tif")[0] == 4
    code, err = call("--run", tmp_path)
    assert (code, err.count("\n")) == (4, 1)
    assert call("--run", run, "--classes", tmp_path / "none.json")[0] == 4
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("geochange.annotation.serving.find_spec", lambda _: None)
    assert main(["annotate", "a.tif", "b.tif", "-o", str(tmp_path / "labels")]) == 2
    assert "pip install 'geochange[annotate]'" in capsys.readouterr().err


def test_a_wrong_public_address_is_one_line(project):
    with pytest.raises(UsageError, match="is not an address"):
        serve(project, public_url="hub", on_ready=print)


def test_the_page_is_small_and_loads_nothing_from_elsewhere():
    static = resources.files("geochange.annotation").joinpath("static")
    sizes = {f.name: len(f.read_bytes()) for f in static.iterdir()}
    assert set(sizes) == {"app.js", "app.css", "icon.svg", "index.html", "THIRD_PARTY_NOTICES.txt"}
    assert sizes["app.js"] <= 600_000
    for name in ("index.html", "app.css"):
        assert "http" not in static.joinpath(name).read_text()
    assert "eval(" not in static.joinpath("app.js").read_text()
    for source in (ROOT / "geochange/annotation/frontend/src").glob("*.js"):
        assert "innerHTML" not in source.read_text()


@pytest.mark.slow
def test_the_built_page_is_that_of_its_source(tmp_path):
    frontend = ROOT / "geochange/annotation/frontend"
    node = shutil.which("node")
    if node is None or not (frontend / "node_modules").is_dir():
        pytest.skip(
            "the front end's packages are not here (npm ci in geochange/annotation/frontend)"
        )
    subprocess.run([node, "build.mjs", str(tmp_path)], cwd=frontend, check=True)
    for built in sorted(tmp_path.iterdir()):
        assert built.read_bytes() == (frontend.parent / "static" / built.name).read_bytes()


def test_the_lock_file_names_no_host():
    lock = (ROOT / "geochange/annotation/frontend/package-lock.json").read_text()
    assert "resolved" not in lock

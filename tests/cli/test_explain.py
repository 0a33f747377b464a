"""``geochange explain`` as a user meets it, on the sample scene with a network trained there."""

from __future__ import annotations

import json

import pytest

import geochange as gc
from geochange.cli import main


def run(capsys, *words):
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_from_a_run_to_a_picture(capsys, samples, shelf, tmp_path):
    shelf("rgbn", ("blue", "green", "red", "nir"), gsd_m=(0.5, 0.7), threshold=0.3)
    dates = [samples / "vhr" / name for name in ("before.tif", "after.tif")]
    words = ["-o", tmp_path / "out", "--model", "rgbn", "-q"]
    assert run(capsys, "detect", *dates, *words)[0] == 0
    bounds = gc.open_map(tmp_path / "out").geobox[40:80, 40:100].boundingbox
    box = ["--bbox", ",".join(map(str, bounds)), "--crs", "EPSG:32632"]
    code, out, err = run(capsys, "explain", tmp_path / "out", *box, "-o", tmp_path / "why")
    assert code == 0
    assert "attribute: " in err
    assert str(tmp_path / "why" / "explanation.png") in out
    assert "without after NIR" in out
    for method in ("grad-cam", "occlusion"):
        words = ["--method", method, "-o", tmp_path / method, "--json", "-q"]
        code, out, err = run(capsys, "explain", tmp_path / "out", *box, *words)
        assert (code, err) == (0, "")
        facts = json.loads(out)
        assert facts["method"] == method
        assert facts["detector"]["model"] == "rgbn"
        assert facts["window"]["width"] == 60
        assert {row["band"] for row in facts["bands"]} == {"Blue", "Green", "Red", "NIR"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere", "--bbox", "0,0,1,1"], 4, "not the output directory of a run"),
        (["nowhere"], 2, "Missing option '--bbox'"),
    ],
)
def test_errors_are_one_line_with_a_code(capsys, tmp_path, words, code, said):
    found, out, err = run(capsys, "explain", *words, "-o", tmp_path / "why")
    assert (found, out) == (code, "")
    assert said in err
    assert err.count("\n") == 1

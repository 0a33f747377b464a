import json

import pytest

import geochange as gc
from geochange.cli import main


@pytest.fixture
def runs(tmp_path, samples):
    place = samples / "sentinel2"
    few = {"products": ("score", "mask"), "register": "off", "normalize": "off", "threads": 1}
    for method in ("cva", "mad"):
        gc.detect(place / "before", place / "after", tmp_path / method, method=method, **few)
    return [str(tmp_path / "cva"), str(tmp_path / "mad")]


def test_the_command_and_what_it_says(runs, tmp_path, capsys):
    out = str(tmp_path / "out")
    words = ["fuse", *runs, "-o", out, "-q", "--min-area", "9px", "--connectivity", "4"]
    assert main([*words, "--rule", "mean", "--weights", "2,1"]) == 0
    assert "mean of 2 runs (cva, mad)" in capsys.readouterr().out
    settings = gc.open_map(out).run["settings"]
    assert (settings["min_area"], settings["connectivity"]) == ("9px", 4)
    assert main([*words, "--rule", "vote", "--json", "--overwrite"]) == 0
    assert json.loads(capsys.readouterr().out)["learned"] == {"votes": 2}
    assert main(words) == 5
    assert main(["fuse", runs[0], "-o", out]) == 2
    assert main(["fuse", *runs, "-o", out, "--weights", "a,b"]) == 2

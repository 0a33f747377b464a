import json

import geochange as gc
from geochange.cli import main


def test_the_command_and_what_it_says(tmp_path, samples, capsys):
    place, out = samples / "sentinel2", str(tmp_path / "out")
    gc.detect(
        place / "before", place / "after", tmp_path / "run", method="cva", register="off",
        normalize="off", threads=1, products=("score", "mask"),
    )  # fmt: skip
    words = ["refine", str(tmp_path / "run"), "-o", out, "-q"]
    assert main([*words, "--radius", "2"]) == 0
    assert "guided filter" in capsys.readouterr().out
    assert main([*words, "--method", "superpixels", "--json", "--overwrite"]) == 0
    assert json.loads(capsys.readouterr().out)["method"]["options"]["radius"] == 6
    assert main(words) == 5
    assert main([*words, "--overwrite", "--radius", "0"]) == 2

import json

import geochange as gc
from geochange.cli import main


def test_the_table_and_the_new_run(tmp_path, samples, capsys):
    place, out = samples / "sentinel2", tmp_path / "out"
    gc.detect(
        place / "before", place / "after", tmp_path / "run", method="cva", register="off",
        normalize="off", threads=1, products=("score", "mask"),
    )  # fmt: skip
    words = ["threshold", str(tmp_path / "run"), "--labels", str(place / "truth.gpkg"), "-q"]
    assert main([*words, "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert "best F1" in said.out
    assert str(out / "mask.tif") in said.out
    assert "does not say where somebody looked" in said.err
    assert main([*words, "--recall", "0.8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["chosen"]["recall"] >= 0.8
    assert main([*words, "--recall", "8"]) == 2
    assert main([*words, "-o", str(out)]) == 5

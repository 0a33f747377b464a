"""The command line as a user meets it: exit codes, one-line errors, what stdout carries."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from geochange.cli import VERBS, main


@pytest.fixture
def pair(write_raster):
    rng = np.random.default_rng(3)
    ground = np.stack([gaussian_filter(rng.normal(0, 1, (90, 80)), 3) for _ in range(3)])
    before = 3000 + 6000 * ground + rng.normal(0, 20, ground.shape)
    after = before + rng.normal(0, 20, ground.shape)
    after[:, 20:40, 30:50] += 2500
    return [
        str(write_raster(f"{name}.tif", image.astype(np.uint16), names=("Blue", "Green", "Red")))
        for name, image in (("before", before), ("after", after))
    ]


def run(capsys, *words):
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_detect_prints_paths_and_leaves_them(capsys, pair, tmp_path):
    code, out, err = run(capsys, "detect", *pair, "-o", tmp_path / "out", "--threshold", "otsu")
    assert code == 0
    assert str(tmp_path / "out" / "changes.gpkg") in out
    assert "score: " in err
    assert (tmp_path / "out" / "report.html").exists()
    code, out, err = run(capsys, "detect", *pair, "-o", tmp_path / "out")
    assert code == 5
    assert err.count("\n") == 1
    code, out, err = run(
        capsys, "detect", *pair, "-o", tmp_path / "out", "--overwrite", "--json", "-q"
    )
    assert code == 0
    assert json.loads(out)["changes"]["count"] >= 1
    assert err == ""


def test_every_verb_explains_itself(capsys):
    for verb in VERBS:
        code, out, _ = run(capsys, verb, "--help")
        assert code == 0
        assert "Usage: geochange" in out


def test_info_align_vectorize_evaluate_export(capsys, pair, tmp_path):
    code, out, _ = run(capsys, "info", *pair)
    assert code == 0
    assert "EPSG:32632" in out
    assert "matched by name" in out
    code, out, _ = run(capsys, "info", pair[0], "--json")
    assert json.loads(out)["before"][0].startswith("date unknown")

    code, out, _ = run(capsys, "align", *pair, "-o", tmp_path / "aligned", "-q")
    assert code == 0
    assert out.split() == [str(tmp_path / "aligned" / f"{n}.tif") for n in ("before", "after")]

    out_dir = tmp_path / "out"
    assert run(capsys, "detect", *pair, "-o", out_dir, "--threshold", "otsu", "-q")[0] == 0
    code, out, _ = run(capsys, "vectorize", out_dir / "mask.tif", "-o", tmp_path / "v.geojson")
    assert code == 0
    assert "1 polygons" in out
    code, out, _ = run(capsys, "evaluate", out_dir, out_dir / "mask.tif", "--json")
    assert json.loads(out)["scores"]["f1"] == 1.0
    for suffix in ("shp", "fgb", "kml", "csv", "geojson", "png"):
        code, out, _ = run(capsys, "export", out_dir, tmp_path / f"x.{suffix}")
        assert code == 0, suffix
        assert (tmp_path / f"x.{suffix}").stat().st_size > 100
    code, out, _ = run(capsys, "methods")
    listed = out[out.index("For radar") : out.index("For dates of different sensors")]
    assert "ratio-clusters" in listed
    assert "irmad" not in listed
    assert "  irmad" in out
    code, out, _ = run(capsys, "methods", "irmad")
    assert "--set" in out
    code, out, _ = run(capsys, "methods", "cusum")
    assert "many dates" in out
    assert "--set history=12" in out


def test_bad_input_is_one_line_with_its_code_and_leaves_nothing(
    capsys, pair, tmp_path, write_raster
):
    before, after = pair
    text = tmp_path / "text.tif"
    text.write_text("no raster")
    names = {"names": ("Blue", "Green", "Red")}
    other = write_raster("far.tif", np.ones((3, 9, 9), np.uint8), crs="EPSG:32655", **names)
    bare = write_raster("bare.tif", np.ones((3, 90, 80), np.uint8), crs=None, **names)
    nodata = write_raster("nodata.tif", np.zeros((3, 90, 80), np.uint8), nodata=0, **names)
    nans = write_raster("nans.tif", np.full((3, 90, 80), np.nan, np.float32), **names)
    infs = write_raster("infs.tif", np.full((3, 90, 80), np.inf, np.float32), **names)
    small = write_raster("small.tif", np.ones((1, 5, 5), np.uint8), crs=None)
    cut = write_raster("cut.tif", np.random.default_rng(0).integers(0, 9, (3, 90, 80)))
    cut.write_bytes(cut.read_bytes()[:60000])
    blocker = tmp_path / "file"
    blocker.write_text("")
    cases = [
        (4, "no such file", before, tmp_path / "none.tif", []),
        (4, "not a raster", before, text, []),
        (4, "truncated or damaged", before, cut, []),
        (4, "no overlap", before, other, []),
        (4, "assign the missing CRS", before, bare, []),
        (4, "valid", before, nodata, []),
        (4, "valid", before, nans, []),
        (4, "valid", before, infs, []),
        (4, "no band 'swir'", before, after, ["--bands", "swir"]),
        (4, "5 x 5 px without georeferencing", before, after, ["--mask-after", small]),
        (2, "did you mean 'irmad'", before, after, ["--method", "irmd"]),
        (2, "has no option", before, after, ["--method", "cva", "--set", "foo=1"]),
        (2, "did you mean", before, after, ["--threshold", "otsuu"]),
        (2, "not an area", before, after, ["--min-area", "large"]),
        (2, "connectivity is 4 or 8", before, after, ["--connectivity", "6"]),
        (2, "unknown grid", before, after, ["--grid", "nowhere"]),
        (2, "No such option", before, after, ["--treshold", "1"]),
    ]
    for code, words, first, second, extra in cases:
        out = tmp_path / "out"
        found, stdout, err = run(capsys, "detect", first, second, "-o", out, "-q", *extra)
        assert (found, words in err) == (code, True), (words, found, err)
        assert stdout == ""
        lines = [line.split(":")[0] for line in err.splitlines()]
        assert lines in (["error"], ["warning", "error"]), err
        assert not out.exists()
        assert not (tmp_path / "out.partial").exists()
    found, _, err = run(capsys, "detect", *pair, "-o", blocker / "out", "-q")
    assert found == 1
    assert "cannot write" in err
    assert run(capsys, "detct")[0] == 2
    assert run(capsys, "detect")[0] == 2


def test_one_pixel_is_a_pair_too(capsys, write_raster, tmp_path):
    paths = [write_raster(f"{n}.tif", np.full((3, 1, 1), n, np.uint8)) for n in (3, 9)]
    code, _, err = run(capsys, "detect", *paths, "-o", tmp_path / "out", "-q")
    assert code in (0, 4), err
    assert err.count("\n") <= 2


def test_batch_keeps_going_resumes_and_sums_up(capsys, pair, tmp_path):
    manifest = tmp_path / "pairs.csv"
    manifest.write_text("id,before,after\na,before.tif,after.tif\nb,before.tif,none.tif\n")
    out = tmp_path / "runs"
    words = ["batch", manifest, "-o", out, "--method", "cva", "--threshold", "otsu", "-q"]
    code, stdout, _ = run(capsys, *words)
    assert code == 3
    assert "b: failed: no such file" in stdout
    assert (out / "a" / "changes.gpkg").exists()
    assert not (out / "b").exists()
    stamp = (out / "a" / "run.json").stat().st_mtime_ns
    code, stdout, _ = run(capsys, *words)
    assert "a: skipped" in stdout
    assert (out / "a" / "run.json").stat().st_mtime_ns == stamp
    assert "failed before" in run(capsys, *words, "--no-retry-failed")[1]
    assert "a: skipped" in run(capsys, *words, "--tile-size", "64")[1]
    other = [*words, "--min-area", "30px", "--limit", "1"]
    code, stdout, _ = run(capsys, *other)
    assert code == 3
    assert "other settings" in stdout
    assert (out / "a" / "run.json").stat().st_mtime_ns == stamp
    code, stdout, _ = run(capsys, *other, "--overwrite")
    assert code == 0
    assert "a: 1 changes" in stdout
    with (out / "summary.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done"]
    events = [json.loads(line) for line in (out / "batch.jsonl").read_text().splitlines()]
    assert [e["status"] for e in events[:2]] == ["done", "failed"]
    code, stdout, _ = run(capsys, *words, "--dry-run")
    assert code == 3
    assert "a: planned" in stdout
    assert "b: failed" in stdout
    with (out / "batch.jsonl").open("a") as file:
        file.write('{"id": "a", "sta')
    assert run(capsys, *words, "--no-retry-failed")[0] == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,before\nx,before.tif\n", "lacks after"),
        ("id,before,after,colour\n", "unknown colour"),
        ("id,before,after\n../x,before.tif,after.tif\n", "not a plain folder name"),
        ("id,before,after\nbatch.jsonl,before.tif,after.tif\n", "not a plain folder name"),
        ("id,before,after\nx,before.tif,after.tif,more\n", "number of cells"),
        ("id,before,after\nx,before.tif,\n", "has no after"),
        ("id,before,after\nx,a.tif,b.tif\nx,a.tif,b.tif\n", "more than once"),
        ("id,before,after\nä,a.tif,b.tif\n".encode("cp1252"), "not UTF-8"),
    ],
)
def test_a_broken_manifest_is_one_line(capsys, tmp_path, text, words):
    manifest = tmp_path / "pairs.csv"
    manifest.write_bytes(text if isinstance(text, bytes) else text.encode())
    code, _, err = run(capsys, "batch", manifest, "-o", tmp_path / "runs")
    assert (code, err.count("\n"), words in err) == (4, 1, True), err


def test_a_manifest_may_use_semicolons_spaces_and_lists_of_files(pair, tmp_path):
    from geochange.batch import read_manifest

    manifest = tmp_path / "pairs.csv"
    manifest.write_text(
        "\ufeffid; before; after; aoi\nx; before.tif|after.tif; after.tif; 1,2,3,4\n"
    )
    (item,) = read_manifest(manifest)
    assert item.before == pair
    assert item.after == pair[1]
    assert item.settings == {"aoi": "1,2,3,4"}


def test_help_is_quick_and_importing_loads_no_torch():
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "geochange", "--help"], check=True, capture_output=True)
    assert time.perf_counter() - start < 5  # a hang, not a benchmark; the target is 0.5 s
    code = (
        "import sys, geochange, geochange.cli; "
        "heavy = {'torch', 'rasterio', 'matplotlib', 'dask', 'geopandas'} & set(sys.modules); "
        "print(heavy); sys.exit(bool(heavy))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, geochange as gc; gc.detect; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_interrupt_leaves_nothing_and_says_130(capsys, pair, tmp_path, monkeypatch):
    import geochange.pipeline

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(geochange.pipeline, "score_tiles", interrupt)
    code, _, err = run(capsys, "detect", *pair, "-o", tmp_path / "out", "-q")
    assert code == 130
    assert "interrupted" in err
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(("said", "meant"), [("register", "align"), ("detct", "detect")])
def test_an_unknown_verb_names_the_one_that_was_meant(capsys, said, meant):
    code, _, err = run(capsys, said)
    assert code == 2
    assert f"did you mean '{meant}'?" in err

"""The same run made again gives the same bytes."""

import time

import pytest

import geochange as gc


@pytest.mark.slow
def test_two_runs_differ_in_run_json_alone(samples, tmp_path):
    scene = samples / "sentinel2"
    runs = []
    for name, threads in (("one", 1), ("two", 2)):
        dates = scene / "before", scene / "after"
        result = gc.detect(*dates, tmp_path / name / "out", method="cva", threads=threads)
        runs.append(result.path)
        time.sleep(1.1)  # so that a time of writing in any file would show
    files = [
        {p.relative_to(run): p.read_bytes() for p in run.rglob("*") if p.is_file()} for run in runs
    ]
    assert len(files[0]) > 8
    assert set(files[0]) == set(files[1])
    assert [str(name) for name in files[0] if files[0][name] != files[1][name]] == ["run.json"]

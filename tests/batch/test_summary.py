import json

import geopandas
import pystac
import pytest

from geochange.batch import read_manifest, run_batch
from geochange.batch.summary import write_summary
from geochange.errors import DataWarning
from geochange.exports.catalogs.stac import write_item


def test_the_map_shows_where_results_lie(make_pairs, settings, samples, tmp_path, read_table):
    manifest = make_pairs("a", absent=("gone",))
    scene = samples / "hard"
    with manifest.open("a") as file:
        file.write(f"hard,{scene / 'before.tif'},{scene / 'after.tif'}\n")
    out = tmp_path / "runs"
    list(run_batch(read_manifest(manifest), out, settings))
    frame = geopandas.read_file(out / "summary.gpkg", layer="results").set_index("id")
    assert list(frame.index) == ["a", "hard"]
    assert set(frame["status"]) == {"done"}
    assert frame.geometry.is_valid.all()
    changes = geopandas.read_file(out / "hard" / "changes.gpkg", layer="changes")
    row = frame.loc["hard"]
    assert row["changes"] == len(changes)
    assert row["area_m2"] == pytest.approx(changes["area_m2"].sum())
    assert row["area_ha"] == row["area_m2"] / 1e4
    assert 0 < row["changed_share"] < row["valid_share"] < 1
    assert row["date_before"].date().isoformat() == "2021-07-03"
    assert (out / row["output"] / "run.json").exists()
    assert changes.to_crs(4326).geometry.within(row.geometry.buffer(1e-6)).all()
    table = read_table(out / "summary.csv")["hard"]
    assert float(table["area_m2"]) == row["area_m2"]


def test_results_without_crs_are_listed_without_place(make_pairs, settings, tmp_path):
    out = tmp_path / "runs"
    with pytest.warns(DataWarning, match="no CRS"):
        list(run_batch(read_manifest(make_pairs("a", crs=None)), out, settings))
    frame = geopandas.read_file(out / "summary.gpkg", layer="results")
    assert list(frame["id"]) == ["a"]
    assert frame.geometry.isna().all()
    assert frame["area_m2"].isna().all()
    assert not (out / "collection.json").exists()


def test_a_batch_is_a_stac_collection(make_pairs, settings, tmp_path):
    items = read_manifest(make_pairs("a", "b", "c", absent=("gone",)))
    out = tmp_path / "runs"
    list(run_batch(items, out, settings))
    for name in "ab":
        write_item(json.loads((out / name / "run.json").read_text()), out / name, name)
    (out / "c" / "item.json").unlink(missing_ok=True)
    list(run_batch(items, out, settings))
    collection = pystac.Collection.from_file(out / "collection.json")
    found = {item.id: item for item in collection.get_items()}
    assert set(found) == {"a", "b"}
    assert all(
        (out / name / asset.href).exists()
        for name in found
        for asset in found[name].assets.values()
    )
    (out / "a" / "item.json").unlink()
    (out / "b" / "item.json").unlink()
    list(run_batch(items, out, settings))
    assert not (out / "collection.json").exists()


def test_a_shard_writes_no_collection(make_pairs, settings, tmp_path):
    items = read_manifest(make_pairs("a", "g"))
    out = tmp_path / "runs"
    for number in (1, 2):
        list(run_batch(items, out, settings, shard=f"{number}/2"))
    assert {path.name for path in out.glob("*.*")} == {
        f"{name}-{number}of2.{suffix}"
        for name, suffix in (("batch", "jsonl"), ("summary", "csv"), ("summary", "gpkg"))
        for number in (1, 2)
    }


def test_a_result_that_was_taken_away_is_left_out_of_the_map(make_pairs, settings, tmp_path):
    from geochange.batch.shard import Shard

    out = tmp_path / "runs"
    results = list(run_batch(read_manifest(make_pairs("a")), out, settings))
    (out / "a" / "run.json").unlink()
    write_summary(results, out, Shard())
    assert geopandas.read_file(out / "summary.gpkg", layer="results").empty

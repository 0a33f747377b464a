import pytest

from geochange.batch.manifest import read_manifest
from geochange.errors import InputError


def write(folder, text):
    path = folder / "pairs.csv"
    path.write_text(text)
    return path


def test_settings_are_places_and_days(tmp_path):
    (item,) = read_manifest(
        write(
            tmp_path,
            "id,before,after,aoi,mask_after,date_before,date_after\n"
            "x,a.tif|b.tif,/vsizip/c.zip/c.tif,part.gpkg,,2020-05-01,spring\n",
        )
    )
    assert item.before == [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
    assert item.after == "/vsizip/c.zip/c.tif"
    assert item.settings == {
        "aoi": str(tmp_path / "part.gpkg"),
        "date_before": "2020-05-01",
        "date_after": "spring",
    }


@pytest.mark.parametrize(
    "name",
    ["batch-2of8.jsonl", "summary.gpkg", "summary-1of2.csv", "collection.json", "a.partial",
     "a.old", "..", "a/b"],
)  # fmt: skip
def test_an_id_is_in_nobodys_way(name, tmp_path):
    """``a.old`` would be thrown away when ``a`` is overwritten."""
    with pytest.raises(InputError, match="not a plain folder name"):
        read_manifest(write(tmp_path, f"id,before,after\n{name},a.tif,b.tif\n"))


def test_many_rows_are_read_at_once(tmp_path):
    rows = "".join(f"tile{number},a.tif,b.tif\n" for number in range(20_000))
    assert len(read_manifest(write(tmp_path, f"id,before,after\n{rows}"))) == 20_000

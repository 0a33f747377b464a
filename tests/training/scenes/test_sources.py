"""Which files make which scene, in the layouts that data sets come in."""

from __future__ import annotations

from pathlib import Path

import pytest

from geochange.errors import DataWarning, InputError, InputNotFoundError
from geochange.training.scenes.sources import list_scenes
from geochange.training.settings.data import SourceConfig


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def listed(root, **source):
    return {s.name: s for s in list_scenes([SourceConfig(**source)], root)}


@pytest.mark.parametrize(
    ("parts", "suffix"),
    [
        (("A", "B", "label"), ".png"),
        (("A", "B", "OUT"), ".jpg"),
        (("time1", "time2", "label"), ".png"),
        (("before", "after", "label"), ".tif"),
        (("im1", "im2", "gt"), ".bmp"),
    ],
)
def test_benchmark_folders(tmp_path, parts, suffix):
    touch(tmp_path, *(f"levir/train/{p}/x_{n}{suffix}" for p in parts for n in range(3)))
    found = listed(tmp_path, path="levir/train")
    assert list(found) == [f"levir/train:x_{n}" for n in range(3)]
    scene = found["levir/train:x_1"]
    for path, part in zip((scene.before, scene.after, scene.label), parts, strict=True):
        assert Path(path) == tmp_path / "levir" / "train" / part / f"x_1{suffix}"
    assert scene.parallel


def test_folders_with_unusual_names_a_list_and_patterns(tmp_path):
    touch(tmp_path, *(f"s/{p}/{n}.png" for p in ("old", "new", "diff") for n in ("a1", "a2", "b1")))
    names = {"before": "old", "after": "new", "label": "diff"}
    assert len(listed(tmp_path, path="s", **names)) == 3
    (tmp_path / "s" / "train.txt").write_text("a1.png\n\nb1.png\n")
    assert list(listed(tmp_path, path="s", names_file="train.txt", **names)) == ["s:a1", "s:b1"]
    assert list(listed(tmp_path, path="s", scenes=("a*",), exclude=("a2",), **names)) == ["s:a1"]
    with pytest.raises(InputNotFoundError, match="no list of names"):
        listed(tmp_path, path="s", names_file="no.txt", **names)
    for layout in ("scenes", "folders"):
        with pytest.raises(InputNotFoundError, match=r"no folder .*t to take scenes from; check"):
            listed(tmp_path, path="t", layout=layout)
    with pytest.raises(InputNotFoundError, match="no folder older of before images, but diff"):
        listed(tmp_path, path="s", layout="folders", before="older", after="new")
    (tmp_path / "s" / "new" / "a2.png").unlink()
    with pytest.raises(InputError, match="1 of 3 scenes have no after image, such as a2"):
        listed(tmp_path, path="s", **names)
    assert list(listed(tmp_path, path="s", exclude=("a2",), **names)) == ["s:a1", "s:b1"]


def test_one_folder_a_scene_with_files_or_bands(tmp_path):
    touch(tmp_path, "set/x/before.tif", "set/x/after.tif", "set/x/label.tif", "set/x/label.gpkg")
    touch(tmp_path, *(f"set/y/{d}/B0{n}.tif" for d in ("before", "after") for n in (2, 3)))
    touch(tmp_path, "set/y/truth.geojson", "set/README.md", "set/z/before.tif")
    with pytest.warns(DataWarning, match="set: 1 of 3 folders hold one date only, such as z, and"):
        found = listed(tmp_path, path="set")
    assert list(listed(tmp_path, path="set", exclude=("z",))) == ["set:x", "set:y"]
    assert list(found) == ["set:x", "set:y"]
    assert found["set:x"].label.endswith("label.tif")
    assert found["set:y"].before.endswith("y/before")
    assert found["set:y"].label.endswith("truth.geojson")
    assert list(listed(tmp_path, path="set/y")) == ["y:y"]


def test_scenes_without_labels(tmp_path):
    touch(tmp_path, "p/A/1.png", "p/B/1.png", "q/1/before.tif", "q/1/after.tif")
    assert listed(tmp_path, path="p")["p:1"].label == ""
    assert listed(tmp_path, path="q")["q:1"].label == ""


def test_pairs_and_parts_of_a_pair(tmp_path):
    touch(tmp_path, "town/b.tif", "town/a.tif", "l.gpkg", "clouds.tif")
    files = {"before": "town/b.tif", "after": "town/a.tif", "label": "l.gpkg"}
    scene = listed(tmp_path, mask_after="clouds.tif", **files)["town"]
    assert scene.mask_after == str(tmp_path / "clouds.tif")
    halves = [SourceConfig(rows=rows, **files) for rows in ((0.0, 0.5), (0.5, 1.0))]
    assert [s.name for s in list_scenes(halves, tmp_path)] == ["town rows 0-0.5", "town rows 0.5-1"]
    with pytest.raises(InputError, match="scene town is listed twice"):
        list_scenes([SourceConfig(**files)] * 2, tmp_path)
    with pytest.raises(InputNotFoundError, match=r"scene town: no label at .*none.tif"):
        listed(tmp_path, **(files | {"label": "none.tif"}))
    with pytest.raises(InputError, match="a before and an after file"):
        listed(tmp_path, before="town/b.tif")


def test_manifests(tmp_path):
    touch(tmp_path, "m/1b.tif", "m/1a.tif", "m/1l.tif", "m/2b.tif", "m/2a.tif")
    path = tmp_path / "m" / "pairs.csv"
    path.write_text("id,before,after,label\none,1b.tif,1a.tif,1l.tif\n,2b.tif,2a.tif,\n")
    found = listed(tmp_path, path="m/pairs.csv")
    assert list(found) == ["pairs:one", "pairs:2"]
    assert found["pairs:one"].label == str(tmp_path / "m" / "1l.tif")
    path.write_text("before,label\n1b.tif,\n")
    with pytest.raises(InputError, match="needs columns before and after"):
        listed(tmp_path, path="m/pairs.csv")
    with pytest.raises(InputNotFoundError, match="no manifest at"):
        listed(tmp_path, path="m/none.csv")


def test_nothing_there(tmp_path):
    with pytest.raises(InputNotFoundError, match=r"no folder .*none to take scenes from"):
        listed(tmp_path, path="none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputNotFoundError, match=r"no scene in .*empty; check path"):
        listed(tmp_path, path="empty")
    touch(tmp_path, "set/x/before.tif", "set/x/after.tif")
    with pytest.raises(InputNotFoundError, match="fits nowhere, not y"):
        listed(tmp_path, path="set", scenes=("nowhere",), exclude=("y",))

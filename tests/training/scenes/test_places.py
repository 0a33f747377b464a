"""Splits by place: neighbours stay together, and nothing is validated on trained ground."""

from __future__ import annotations

import pytest

from geochange.errors import InputError, UsageError
from geochange.training.scenes.places import assign_folds, check_leakage
from geochange.training.scenes.scene import open_scene
from geochange.training.scenes.sources import list_scenes
from geochange.training.scenes.split import open_split
from geochange.training.settings.config import parse_config
from geochange.training.settings.data import DataConfig, SourceConfig

from ..conftest import tiny_table


def opened(root, **source):
    listed = list_scenes([SourceConfig(path="set", **source)], root)
    return [open_scene(files, DataConfig()) for files in listed]


def test_scenes_that_touch_share_no_ground(tmp_path, scenes):
    a, b, c = opened(tmp_path)
    check_leakage([a, b], [c])
    check_leakage([a], [b])
    with pytest.raises(InputError) as error:
        check_leakage([a, b], [c, b])
    assert str(error.value).startswith(
        "1 validation scenes show ground that is trained on: set:b on set:b; move them"
    )


@pytest.mark.parametrize(("east_px", "leaks"), [(63, True), (64, False), (62.4, True)])
def test_one_pixel_in_common_is_too_much(tmp_path, write_scene, east_px, leaks):
    write_scene("set/a")
    write_scene("set/b", east_px=east_px)
    a, b = opened(tmp_path)
    if leaks:
        with pytest.raises(InputError, match="set:b on set:a"):
            check_leakage([a], [b])
    else:
        check_leakage([a], [b])


def test_other_coordinates_do_not_hide_a_leak(tmp_path, write_scene):
    from rasterio.warp import transform

    write_scene("set/a", crs="EPSG:32632")
    (x,), (y,) = transform("EPSG:32632", "EPSG:32633", [500_000], [5_000_000])
    write_scene("set/b", crs="EPSG:32633", east_px=(x - 500_000) / 2)
    a, b = opened(tmp_path)
    north = y - 5_000_000
    moved = b.geobox.translate_pix(0, -north / 2)
    pair = type(b.pair)(**{**vars(b.pair), "geobox": moved})
    there = type(b)(**{**vars(b), "pair": pair})
    check_leakage([a], [b])
    with pytest.raises(InputError, match="set:b on set:a"):
        check_leakage([a], [there])


def test_parts_of_one_scene(tmp_path, scenes):
    top, low, all_of_it = (
        opened(tmp_path, scenes=("a",), rows=rows)[0]
        for rows in ((0.0, 0.5), (0.5, 1.0), (0.0, 1.0))
    )
    check_leakage([top], [low])
    with pytest.raises(InputError, match=r"set:a rows 0-0.5 on set:a"):
        check_leakage([all_of_it], [top])


def test_scenes_without_crs_are_told_apart_by_their_files(tmp_path, write_scene):
    for name, seed in (("a", 0), ("b", 1), ("copy", 0)):
        write_scene(f"set/{name}", seed=seed, crs=None)
    a, b, copy = opened(tmp_path)
    check_leakage([a], [b])
    with pytest.raises(InputError, match="set:copy on set:a"):
        check_leakage([a, b], [copy])


def test_folds_keep_neighbours_and_groups_together(tmp_path, write_scene):
    for name, east in (("a", 0), ("b", 30), ("c", 300), ("d", 600), ("e", 2000)):
        write_scene(f"set/{name}", seed=east, east_px=east)
    found = opened(tmp_path)
    folds = assign_folds(found, [5, 5, 6, 3, 1], 3)
    assert folds[0] == folds[1]
    assert sorted({folds[0], folds[2], folds[3]}) == [0, 1, 2]
    near = assign_folds(found, [5, 5, 6, 3, 1], 2, gap_m=2 * 400)
    assert len({*near[:4]}) == 1 != len({*near})
    grouped = assign_folds(found, [5, 5, 6, 3, 1], 3, groups=["c e"])
    assert grouped[2] == grouped[4]
    with pytest.raises(UsageError, match=r"data.groups names 'f', which is no scene"):
        assign_folds(found, [1] * 5, 2, groups=["c f"])
    with pytest.raises(InputError, match=r"at 4 separate places.*; lower data.folds to 4"):
        assign_folds(found, [1] * 5, 5)


def test_every_scene_validates_in_one_fold(tmp_path, scenes):
    table = tiny_table(tmp_path)
    table["data"] = {"root": str(tmp_path), "train": [{"path": "set"}], "folds": 3}
    seen = []
    for fold in range(3):
        table["data"]["fold"] = fold
        split = open_split(parse_config(table).data)
        names = [[s.name for s in part.scenes] for part in (split.training, split.validation)]
        assert len(names[0]) == 2
        assert not set(names[0]) & set(names[1])
        seen += names[1]
    assert sorted(seen) == ["set:a", "set:b", "set:c"]

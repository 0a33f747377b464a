"""What labels hold: counts per block, classes that must be there, codes that mean change."""

from __future__ import annotations

import numpy as np
import pytest

from geochange.errors import DataWarning, InputError
from geochange.testing import synthetic_pair
from geochange.tiles import Window
from geochange.training.scenes.scene import open_scene
from geochange.training.scenes.sources import list_scenes
from geochange.training.scenes.split import open_split
from geochange.training.scenes.survey import choose_changed, survey_scene
from geochange.training.settings.config import parse_config
from geochange.training.settings.data import DataConfig, SourceConfig

from ..conftest import save, tiny_table


def opened(root, **source):
    listed = list_scenes([SourceConfig(**source)], root)
    return [open_scene(files, DataConfig()) for files in listed]


def test_counts_of_blocks_are_those_of_the_label(tmp_path, write_scene):
    write_scene("set/a", seed=3, shape=(70, 53))
    scene = opened(tmp_path, path="set")[0]
    survey = survey_scene(scene)
    label = scene.read_label(Window(0, 0, 70, 53))
    assert survey.changed.shape == (5, 4)
    for row in range(5):
        for col in range(4):
            part = label[row * 16 : row * 16 + 16, col * 16 : col * 16 + 16]
            assert survey.changed[row, col] == (part == 1).sum()
            assert survey.known[row, col] == (part != 255).sum()
    share = survey.changed_share(Window(-5, 16, 40, 100))
    assert share == pytest.approx((label[:48, 16:] == 1).mean())


def test_scenes_without_labels_are_known_everywhere(tmp_path, write_scene):
    write_scene("set/a", label=False)
    survey = survey_scene(opened(tmp_path, path="set")[0])
    assert survey.known.sum() == 64 * 64
    assert survey.changed.sum() == 0


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"changes": 0}, "the training labels hold no changed pixel (1 scenes with labels, 0 ch"),
        ({"change": 255}, "which say nothing (ignore; 255 does unless changed names it)"),
    ],
)
def test_one_class_is_refused(tmp_path, write_scene, case, words):
    write_scene("set/a", **case)
    write_scene("set/c", east_px=64)
    table = tiny_table(tmp_path)
    table["data"]["train"] = [{"path": "set", "scenes": ["a"]}]
    with pytest.raises(InputError) as error:
        open_split(parse_config(table).data)
    assert words in str(error.value)


def test_labels_that_are_all_change_or_empty(tmp_path, write_scene):
    for name, value in (("a", 1), ("b", 255)):
        folder = write_scene(f"set/{name}", east_px=64 * (name == "b"))
        label = np.full((1, 64, 64), value, np.uint8)
        place = {"crs": "EPSG:32632", "origin": (500_000 + 128 * (name == "b"), 5_000_000)}
        save(folder / "label.tif", label, **place)
    write_scene("set/c", east_px=128)
    table = tiny_table(tmp_path)
    for name, words in (("a", "hold no unchanged pixel"), ("b", "no changed and no unchanged")):
        table["data"]["train"] = [{"path": "set", "scenes": [name]}]
        with pytest.raises(InputError, match=words):
            open_split(parse_config(table).data)


def test_benchmark_masks_of_0_and_255(tmp_path):
    for number in range(2):
        pair = synthetic_pair((32, 32), bands=3, seed=number)
        for part, image in (
            ("A", np.clip(pair.before, 0, 255)),
            ("B", np.clip(pair.after, 0, 255)),
            ("label", 255 * pair.truth[None]),
        ):
            path = tmp_path / "levir" / part / f"{number}.png"
            save(path, image.astype(np.uint8), crs=None, origin=None)
    listed = list_scenes([SourceConfig(path="levir")], tmp_path)
    changed = choose_changed(listed)
    assert changed == (255,)
    label = open_scene(listed[1], DataConfig(), changed).read(Window(0, 0, 32, 32)).label
    assert ((label == 1) == synthetic_pair((32, 32), bands=3, seed=1).truth).all()


def test_several_codes_warn(tmp_path, write_scene):
    folder = write_scene("set/a")
    label = np.array([[[0, 1], [2, 255]]], np.uint8).repeat(32, 1).repeat(32, 2)
    save(folder / "label.tif", label, crs="EPSG:32632", origin=(500_000, 5_000_000))
    listed = list_scenes([SourceConfig(path="set")], tmp_path)
    with pytest.warns(DataWarning, match="hold the values 1, 2, which all count as change"):
        assert choose_changed(listed) is None
    listed = list_scenes([SourceConfig(path="set", changed=(2,))], tmp_path)
    assert choose_changed(listed) == (2,)

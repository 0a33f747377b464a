"""Labels as chips to learn from."""

import csv
import json

import numpy as np
import pytest
import rasterio
from PIL import Image

from geochange.alignment.pair import open_pair
from geochange.errors import InputError, OutputExistsError, UsageError
from geochange.labels.chips import write_chips
from geochange.labels.content import gather
from geochange.labels.mask import LabelMask
from geochange.labels.split import parse_shares
from geochange.tiles import Window
from geochange.training.scenes.split import open_split
from geochange.training.settings.data import DataConfig, SourceConfig

from .conftest import PLACES, make_labels, write_dates


def rows_of(folder):
    with (folder / "manifest.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def names_of(folder, part):
    return (folder / "list" / f"{part}.txt").read_text().split()


@pytest.mark.parametrize("place", PLACES)
def test_tiles_become_chips_that_keep_their_place(place, tmp_path):
    pair = open_pair(*write_dates(tmp_path, place))
    labels = make_labels(pair)
    folder = write_chips(labels, tmp_path / "chips")
    rows = rows_of(folder)
    tiles = [int(row["tile"]) for row in rows]
    assert tiles == [1, 2, 3, 4, 5, 9, 10, 11]  # 4: drawn in, though nobody finished it
    assert [r["verdict"] for r in rows if r["tile"] in ("3", "10")] == ["no_change", "no_change"]
    mask = LabelMask(labels)
    for row in rows:
        window = Window(*(int(row[n]) for n in ("row", "col", "height", "width")))
        with (
            rasterio.open(folder / row["label"]) as label,
            rasterio.open(folder / row["after"]) as after,
        ):
            assert np.array_equal(label.read(1), mask.read(window))
            assert np.array_equal(after.read(), pair.after.read(window)[0])
            assert after.dtypes[0] == "uint16"
            assert after.descriptions == ("Red", "Green", "Blue")
            if place != "none":
                assert after.crs == label.crs == rasterio.open(tmp_path / "after.tif").crs
                corner = after.transform @ (0, 0)
                assert np.allclose(corner, pair.geobox.affine @ (window.col, window.row))
    listed = [name for part in ("train", "val", "test") for name in names_of(folder, part)]
    assert sorted(listed) == sorted(f"{row['id']}.tif" for row in rows)
    assert all(names_of(folder, part) for part in ("train", "val", "test"))
    facts = json.loads((folder / "manifest.json").read_text())
    assert facts["schema"]["classes"][1]["name"] == "road"
    assert facts["split"] == "70/15/15"


def test_training_reads_them_as_they_are(labels, tmp_path):
    folder = write_chips(labels, tmp_path / "chips", binary=True, split="70/30")
    train, validation = (
        (SourceConfig(path="chips", names_file=f"list/{part}.txt"),) for part in ("train", "val")
    )
    split = open_split(DataConfig(root=str(tmp_path), train=train, validation=validation))
    rows = rows_of(folder)
    changed = sum(int(r["changed_px"]) for r in rows if r["split"] == "train")
    assert split.training.changed == changed > 0
    assert split.is_separate
    assert len(split.validation.scenes) == len(names_of(folder, "val"))


def test_chips_that_share_a_polygon_stay_together(labels, tmp_path):
    folder = write_chips(labels, tmp_path / "chips", split="50/50")
    part = {row["tile"]: row["split"] for row in rows_of(folder)}
    assert part["1"] == part["2"]
    with pytest.raises(InputError, match="1 separate places"):
        write_chips(labels, tmp_path / "near", split="50/50", gap_m=100)
    assert not (tmp_path / "near").exists()
    assert not (tmp_path / "near.partial").exists()


def test_chips_of_one_size_cover_what_was_looked_at(labels, tmp_path):
    folder = write_chips(labels, tmp_path / "chips", size=40, split="100")
    rows = rows_of(folder)
    assert {(row["height"], row["width"]) for row in rows} == {("40", "40")}
    found = {}
    for row in rows:
        with rasterio.open(folder / row["label"]) as label:
            found[row["id"]] = label.read(1)
    assert (found["r00080_c00000"][16:] == 255).all()  # beyond the grid
    whole = LabelMask(labels).read(Window(0, 0, 120, 160))
    known = sum(int((codes != 255).sum()) for codes in found.values())
    assert known == (whole != 255).sum() == sum(int(row["known_px"]) for row in rows)
    assert rows[0]["verdict"] == "mixed"


def test_nothing_is_known_where_a_date_has_no_data(tmp_path):
    labels = make_labels(open_pair(*write_dates(tmp_path, "utm", nodata=0)))
    folder = write_chips(labels, tmp_path / "chips", split="100")
    with rasterio.open(folder / "label/tile0001.tif") as label:
        assert (label.read(1)[:, :3] == 255).all()
        assert (label.read(1)[4:12, 4:14] == 1).all()
    with rasterio.open(folder / "B/tile0001.tif") as after:
        assert after.nodata == 0
        assert (after.read()[:, :, :3] == 0).all()


def test_png_is_for_eight_bits(labels, tmp_path):
    with pytest.raises(UsageError, match="PNG chips hold 8 bit, the images uint16"):
        write_chips(labels, tmp_path / "chips", suffix="png")
    other = tmp_path / "8"
    other.mkdir()
    small = make_labels(open_pair(*write_dates(other, "none", dtype="uint8", bands=4)))
    folder = write_chips(small, tmp_path / "chips", suffix="png", split="100")
    with Image.open(folder / "A/tile0001.png") as picture:
        before = small.pair.before.read(Window(0, 0, 32, 32))[0]
        assert np.array_equal(np.moveaxis(np.asarray(picture), -1, 0), before[:3])
    with Image.open(folder / "label/tile0001.png") as picture:
        assert np.array_equal(np.asarray(picture), LabelMask(small).read(Window(0, 0, 32, 32)))


@pytest.mark.parametrize("preset", ["flips", "light", "strong"])
def test_only_chips_to_train_on_are_copied(preset, labels, tmp_path):
    folders = [
        write_chips(labels, tmp_path / name, augment=preset, copies=2, seed=seed)
        for name, seed in (("a", 1), ("same", 1), ("other", 2))
    ]
    rows = rows_of(folders[0])
    copies = [row for row in rows if row["copy"] != "0"]
    trained = [r for r in rows if r["copy"] == "0" and r["split"] == "train"]
    assert len(copies) == 2 * len(trained)
    assert {row["split"] for row in copies} == {"train"}
    assert len(names_of(folders[0], "train")) == 3 * len(trained)
    pixels = [
        [rasterio.open(folder / row["before"]).read() for row in copies] for folder in folders
    ]
    assert all(np.array_equal(a, b) for a, b in zip(pixels[0], pixels[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(pixels[0], pixels[2], strict=True))


def test_flips_are_the_same_pixels(labels, tmp_path):
    folder = write_chips(labels, tmp_path / "chips", augment="flips", copies=8, split="100")
    rows = {row["id"]: row for row in rows_of(folder)}
    files = {part: {} for part in ("before", "after", "label")}
    for name, row in rows.items():
        for part, found in files.items():
            with rasterio.open(folder / row[part]) as dataset:
                found[name] = dataset.read()
    seen = set()
    for number in range(1, 9):
        name = f"tile0001_copy{number}"
        fits = [
            (turns, mirror)
            for turns in range(4)
            for mirror in (1, -1)
            if all(
                np.array_equal(
                    files[part][name],
                    np.rot90(files[part]["tile0001"], turns, (1, 2))[..., ::mirror],
                )
                for part in files
            )
        ]
        assert len(fits) == 1
        seen.add(fits[0])
        assert rasterio.open(folder / rows[name]["before"]).crs is None
    assert len(seen) > 3


def test_copies_of_light_keep_the_values_of_their_bands(labels, tmp_path):
    folder = write_chips(labels, tmp_path / "chips", augment="light", copies=3, split="100")
    means = {"0": [], "1": []}
    for row in rows_of(folder):
        with rasterio.open(folder / row["after"]) as after:
            pixels = after.read(masked=True)
            assert after.dtypes[0] == "uint16"
            means["0" if row["copy"] == "0" else "1"].append(pixels.mean())
    assert np.mean(means["1"]) == pytest.approx(np.mean(means["0"]), rel=0.1)
    assert np.std(means["1"]) > np.std(means["0"])


def test_a_folder_is_replaced_only_when_it_is_one(labels, tmp_path):
    folder = write_chips(labels, tmp_path / "chips", split="100")
    with pytest.raises(OutputExistsError):
        write_chips(labels, folder, split="100")
    write_chips(labels, folder, size=64, split="100", overwrite=True)
    assert not list(folder.glob("A/tile*"))
    (folder / "mine.txt").write_text("x")
    with pytest.raises(OutputExistsError, match="mine"):
        write_chips(labels, folder, split="100", overwrite=True)


def test_what_cannot_be_chips_is_refused(labels, tmp_path):
    bare = gather(labels.polygons, labels.geobox)
    with pytest.raises(UsageError, match="chips need the images"):
        write_chips(bare, tmp_path / "chips")
    nothing = make_labels(labels.pair, [("house", "rejected", labels.pixels[0])], ["todo"] * 12)
    with pytest.raises(InputError, match="nothing to learn from"):
        write_chips(nothing, tmp_path / "chips")
    for wrong in ("70/15", "a/b", "0/100", "70/15/15/0", ""):
        with pytest.raises(UsageError, match="percent"):
            parse_shares(wrong)
    assert not (tmp_path / "chips").exists()

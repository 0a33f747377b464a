"""Task ``image``: labels of chips, thresholds that keep change, a training from end to end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geochange.errors import UsageError
from geochange.io.stores.score import SCORE_LEVELS
from geochange.nn.checkpoints.checkpoint import load_checkpoint
from geochange.training.images import ImageHistogram, count_chips, find_recalls, judge_chips
from geochange.training.run import train
from geochange.training.settings.config import parse_config
from geochange.training.settings.image import ImageConfig

NETWORK = {"name": "image", "options": {"widths": [4, 8], "depths": [0, 1], "width": 8}}


def chips(*shares, size=10):
    """Return labels whose first pixels changed."""
    label = torch.zeros(len(shares), size * size, dtype=torch.uint8)
    for row, share in zip(label, shares, strict=True):
        row[: round(share * size * size)] = 1
    return label.reshape(-1, size, size)


def test_a_chip_is_changed_above_the_share():
    judged = judge_chips(chips(0, 0.01, 0.05, 0.06), ImageConfig(changed_share=0.05))
    assert judged.flatten().tolist() == [0, 0, 0, 1]
    assert judged.shape == (4, 1, 1)


def test_the_share_is_of_what_is_known():
    label = chips(0.1, 0.1)
    label[:, 4:] = 255
    label[1, 3:] = 255
    config = ImageConfig(changed_share=0.2, known_share=0.35)
    assert judge_chips(label, config).flatten().tolist() == [1, 255]


def test_chips_and_their_changed_pixels_are_counted():
    totals = torch.zeros(3, SCORE_LEVELS, dtype=torch.int64)
    logits = torch.tensor([-20.0, 20.0, 20.0]).reshape(3, 1, 1)
    count_chips(totals, logits, chips(0, 0.5, 0.01), ImageConfig(changed_share=0.1))
    assert totals[:, 0].tolist() == [0, 1, 0]
    assert totals[:, -1].tolist() == [1, 1, 51]  # the pixel of a chip below the share counts too


def test_thresholds_keep_the_wanted_pixels_and_no_less():
    rng = np.random.default_rng(0)
    levels, pixels = rng.integers(1, SCORE_LEVELS, 500), rng.integers(0, 90, 500)
    chip = np.bincount(levels, minlength=SCORE_LEVELS)
    weight = np.bincount(levels, pixels, SCORE_LEVELS).astype(np.int64)
    histogram = ImageHistogram(chip, chip, weight)
    for point in find_recalls(histogram, 1.0):
        kept = pixels[levels / (SCORE_LEVELS - 1) >= point.threshold].sum() / pixels.sum()
        above = levels[levels / (SCORE_LEVELS - 1) >= point.threshold].min()
        fewer = pixels[levels > above].sum() / pixels.sum()
        assert kept >= point.recall > fewer
        assert point.false_alarms == (levels >= above).mean()


@pytest.fixture
def image_table(tiny):
    return tiny | {"task": "image", "model": NETWORK, "image": {"changed_share": 0.02}}


def test_training_leaves_a_network_for_images(image_table, tmp_path):
    result = train(image_table, tmp_path / "run")
    model, card = load_checkpoint(result.checkpoint)
    assert (model.task, card.task, card.image_px) == ("image", "image", 32)
    assert [point.recall for point in card.recalls][-1] == 1.0
    limits = [point.threshold for point in card.recalls]
    assert limits == sorted(limits, reverse=True)
    assert sum(result.run["best"]["images"].values()) == 4  # a scene of 64 px in chips of 32
    assert result.run["task"] == "image"
    assert any("images of 32 px" in metric.split for metric in card.metrics)


def test_the_same_training_gives_the_same_weights(image_table, tmp_path):
    found = [train(image_table, tmp_path / name).checkpoint.read_bytes() for name in "ab"]
    assert found[0] == found[1]


def test_chips_of_a_kind_are_learnt(write_scene, tmp_path, image_table):
    for number in range(4):
        write_scene(f"set/s{number}", seed=number, size=128, east_px=128 * number, changes=4)
    table = image_table | {"steps": 60, "image": {"changed_share": 0.0}}
    parts = {"train": ["s0", "s1", "s2"], "validation": ["s3"]}
    table["data"] = {"root": str(tmp_path)} | {
        name: [{"path": "set", "scenes": scenes}] for name, scenes in parts.items()
    }
    table |= {"chips": {"size_px": 32, "batch_size": 16}, "validation": {"every_steps": 60}}
    table["optimizer"] = {"warmup_steps": 5, "learning_rate": 1e-2, "ema": 0.9}
    result = train(table, tmp_path / "run")
    assert result.scores["average_precision"] > 0.8


def test_the_task_decides_on_the_network():
    assert parse_config({"task": "image"}).model.name == "image"
    assert parse_config({}).model.name == "tinysiam"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "image"}, "network 'tinysiam' is for 'pixels'"),
        ({"model": NETWORK}, "network 'image' is for 'image'"),
    ],
)
def test_a_network_for_another_task_is_refused(tiny, changes, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        train(tiny | changes, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "table",
    [
        {"task": "sound"},
        {"image": {"changed_share": 1.0}},
        {"image": {"known_share": 0.0}},
        {"task": "image", "unlabelled": {"sources": [{"path": "x"}]}},
    ],
)
def test_settings_that_cannot_be_are_refused(table):
    with pytest.raises(UsageError):
        parse_config(table)

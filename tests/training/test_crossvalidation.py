"""Folds pooled: no scene has a say in its own figures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from geochange.errors import InputError
from geochange.evaluation.ranking import ScoreHistogram
from geochange.io.stores.score import SCORE_LEVELS
from geochange.nn.checkpoints.cardfile import read_card
from geochange.training.crossvalidation import cross_validate
from geochange.training.histograms import read_histogram, write_histogram


def test_a_threshold_comes_from_the_other_folds(tiny, tmp_path):
    tiny["data"] = {"root": str(tmp_path), "train": [{"path": "set"}], "folds": 3}
    result = cross_validate(tiny | {"steps": 3}, tmp_path / "out")
    own = [read_histogram(tmp_path / "out" / f"fold-{n}" / "validation.npz") for n in range(3)]
    expected = (own[1] + own[2]).best_threshold
    assert result.run["thresholds"][0] == expected
    counts = own[0].counts_at(expected)
    for index, others in ((1, (0, 2)), (2, (0, 1))):
        counts += own[index].counts_at((own[others[0]] + own[others[1]]).best_threshold)
    assert result.run["pooled"]["f1"] == counts.f1
    assert result.run["pooled"]["f1"] <= (own[0] + own[1] + own[2]).best_f1 + 1e-12


def test_the_network_of_all_scenes_is_judged_by_the_folds(tiny, tmp_path):
    tiny["data"] = {"root": str(tmp_path), "train": [{"path": "set"}], "folds": 3}
    tiny["validation"]["patience"] = 2
    result = cross_validate(tiny | {"steps": 3}, tmp_path / "out", refit=True)
    trained = json.loads((tmp_path / "out" / "all" / "run.json").read_text())
    assert sorted(trained["training"]["scenes"]) == ["set:a", "set:b", "set:c"]
    card = read_card(tmp_path / "out" / "all" / "model.safetensors")
    found = {metric.name: metric for metric in card.metrics}
    assert found["f1"].value == pytest.approx(result.run["pooled"]["f1"])
    assert found["f1"].split == "3 folds by place, scenes unseen in training"
    refitted = result.run["refitted"]
    assert (card.threshold, card.temperature) == (refitted["threshold"], refitted["temperature"])
    assert str(tmp_path / "out" / "all" / "model.safetensors") in str(result)
    again = cross_validate(tiny | {"steps": 3}, tmp_path / "out", refit=True, resume=True)
    assert again.run == result.run


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", None])
def test_damaged_scores_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "validation.npz"
    if content is None:
        np.savez(path, changed=np.zeros(3), unchanged=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"validation\.npz"):
        read_histogram(path)


def test_scores_come_back_as_they_were(tmp_path):
    counts = np.random.default_rng(0).integers(0, 1 << 40, (2, SCORE_LEVELS))
    write_histogram(tmp_path / "a.npz", ScoreHistogram(*counts))
    back = read_histogram(tmp_path / "a.npz")
    np.testing.assert_array_equal([back.changed, back.unchanged], counts)

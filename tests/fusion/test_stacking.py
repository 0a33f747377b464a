import numpy as np
import pytest

from geochange.errors import InputError
from geochange.fusion.stacking import (
    LabelledPixels,
    average_precision,
    best_threshold,
    learn_stacking,
    split_blocks,
)


def make_pixels(count=4000, seed=0, blocks=40):
    rng = np.random.default_rng(seed)
    changed = rng.random(count) < 0.2
    good = 1 / (1 + np.exp(-(rng.normal(size=count) + 2.5 * changed - 1)))
    other = 1 / (1 + np.exp(-(rng.normal(size=count) + 1.5 * changed - 1)))
    noise = rng.random(count)
    place = rng.integers(0, blocks, count)
    return LabelledPixels(np.stack([good, other, noise], 1), changed, place, np.ones(count))


def test_a_stack_beats_its_best_map_and_ignores_noise():
    stack = learn_stacking(make_pixels())
    good, other, noise = stack.model.coefficients
    assert good > other > 5 * abs(noise)
    assert stack.average_precision > max(stack.singles) + 0.02
    assert stack.f1 > 0.5
    assert 0 < stack.threshold < 1


def test_average_precision_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    score, changed = rng.integers(0, 30, 500) / 30, rng.random(500) < 0.3
    weights = rng.random(500)
    expected = metrics.average_precision_score(changed, score, sample_weight=weights)
    assert average_precision(score, changed, weights) == pytest.approx(expected, abs=1e-12)
    threshold, f1 = best_threshold(score, changed, weights)
    assert f1 == pytest.approx(
        metrics.f1_score(changed, score >= threshold, sample_weight=weights), abs=1e-12
    )


def test_blocks_stay_whole_and_change_is_dealt_out():
    pixels = make_pixels(blocks=12)
    folds = split_blocks(pixels.blocks, pixels.changed)
    for block in range(12):
        assert np.unique(folds[pixels.blocks == block]).size == 1
    held = [pixels.changed[folds == fold].sum() for fold in range(5)]
    assert min(held) > 0


@pytest.mark.parametrize(("changed", "blocks"), [(40, 9), (400, 1)])
def test_too_few_labels_are_refused(changed, blocks):
    pixels = make_pixels(blocks=blocks)
    keep = ~pixels.changed | (np.cumsum(pixels.changed) <= changed)
    with pytest.raises(InputError, match="label more, or choose another rule"):
        learn_stacking(pixels.take(keep))

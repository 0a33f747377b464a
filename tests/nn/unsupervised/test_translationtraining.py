import numpy as np
import pytest
import torch

from geochange.nn.unsupervised.translation import RADIUS, Translator
from geochange.nn.unsupervised.translationtraining import TRAIN_PX, Recipe, train_translation


@pytest.fixture(scope="module")
def patches():
    rng = np.random.default_rng(0)
    before = rng.normal(size=(500, 1, TRAIN_PX, TRAIN_PX)).astype(np.float32)
    after = np.concatenate([-before, before**2 - 1], axis=1)
    after[:100] = rng.normal(size=(100, 2, TRAIN_PX, TRAIN_PX))
    return before, after


def errors(patches, recipe, prior=None):
    before, after = patches
    prior = np.ones(len(before), np.float32) if prior is None else prior
    weights = train_translation(before, after, prior, recipe)
    found = Translator(weights, (1, 2), variational=recipe.variational)(before, after)
    return found[:, :, 3, 3].sum(axis=0)


@pytest.mark.parametrize(
    "recipe",
    [Recipe(steps=150), Recipe(True, steps=150), Recipe(adversarial=0.1, steps=150)],
    ids=["plain", "variational", "adversarial"],
)
def test_what_does_not_follow_the_rule_stays_unexplained(patches, recipe):
    found = errors(patches, recipe)
    assert np.median(found[:100]) > 1.5 * np.median(found[100:])


def test_patches_that_probably_changed_teach_less(patches):
    before, after = patches[0], patches[1].copy()
    after[:300] = np.concatenate([before[:300], 1 - before[:300] ** 2], axis=1)
    prior = (np.arange(500) >= 300).astype(np.float32)
    told, untold = (errors((before, after), Recipe(steps=60), p) for p in (prior, None))
    assert np.median(told[300:]) < 0.5 * np.median(untold[300:])


def test_a_translation_sees_its_radius(patches):
    weights = train_translation(*patches, np.ones(500, np.float32), Recipe(steps=1))
    translator = Translator(weights, (1, 2), variational=False)
    before, after = (np.zeros((1, bands, 20, 20), np.float32) for bands in (1, 2))
    plain = translator(before, after)[0, 0]
    before[..., 10, 10] = 3
    seen = np.argwhere(translator(before, after)[0, 0] != plain)
    assert seen.min() == 10 - RADIUS
    assert seen.max() == 10 + RADIUS


def test_training_leaves_the_random_numbers_of_others_alone(patches):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train_translation(*patches, np.ones(500, np.float32), Recipe(True, 0.1, steps=1))
    assert torch.equal(torch.rand(1), expected)

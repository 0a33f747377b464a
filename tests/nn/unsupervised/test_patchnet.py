import numpy as np
import pytest
import torch

from geochange.nn.unsupervised.patchnet import PATCH_PX, PatchNet, train_patch_net


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(0)
    patches = rng.normal(size=(200, 2, PATCH_PX, PATCH_PX)).astype(np.float32)
    patches[:100] *= 3
    return train_patch_net(patches, np.arange(200) < 100, steps=150)


def test_texture_is_learned(weights):
    rng = np.random.default_rng(1)
    image = rng.normal(size=(1, 2, 40, 60)).astype(np.float32)
    image[..., 30:] *= 3
    score = PatchNet(weights)(image)[0]
    assert score[:, 36:].mean() > 0.9
    assert score[:, :24].mean() < 0.1


def test_a_pixel_sees_its_patch_only(weights):
    net, rng = PatchNet(weights), np.random.default_rng(2)
    image = rng.normal(size=(1, 2, 30, 30)).astype(np.float32)
    other = image.copy()
    other[..., 20, 20] += 5
    seen = np.argwhere(net(image)[0] != net(other)[0])
    assert seen.min() >= 20 - PATCH_PX // 2
    assert seen.max() <= 20 + PATCH_PX // 2


def test_training_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    patches = np.zeros((4, 1, PATCH_PX, PATCH_PX), np.float32)
    train_patch_net(patches, np.arange(4) < 2, steps=1)
    assert torch.equal(torch.rand(1), expected)

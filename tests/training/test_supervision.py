"""The loss of a batch: finest logits, coarser ones by their weight, features once."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import interpolate

from geochange.nn.learning.losses import build_loss
from geochange.nn.networks.registry import build_model
from geochange.training.learner import build_optimizer
from geochange.training.settings.learning import LossConfig, OptimizerConfig
from geochange.training.supervision import Supervised


@pytest.fixture
def batch():
    torch.manual_seed(1)
    label = torch.randint(0, 2, (2, 32, 32), dtype=torch.uint8)
    label[0, :4] = 255
    valid = torch.ones(2, 32, 32, dtype=torch.bool)
    return torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32), label, valid


def build(name="tinysiam"):
    torch.manual_seed(0)
    return build_model(name, 3).eval()


@pytest.mark.parametrize("deep", [0.0, 0.4])
def test_coarser_logits_share_their_weight(batch, deep):
    network, loss = build(), build_loss("bce+dice")
    before, after, label, _ = batch
    finest, *coarser = network.deep(before, after)
    assert coarser
    expected = loss(finest, label)
    for logits in coarser:
        large = interpolate(logits, (32, 32), mode="bilinear")
        expected = expected + deep / len(coarser) * loss(large, label)
    found = Supervised(network, LossConfig(name="bce+dice", deep=deep))(*batch)
    torch.testing.assert_close(found, expected)


def test_features_count_once_and_class_weights_count(batch):
    network = build("fc-siam-diff")
    plain, contrastive, weighted = (
        Supervised(network, LossConfig(name=name, class_weights=weights))(*batch).item()
        for name, weights in (("bce", ()), ("bce+contrastive", ()), ("bce", (1.0, 9.0)))
    )
    assert contrastive > plain
    assert weighted != pytest.approx(plain)
    only = Supervised(build(), LossConfig(name="contrastive"))
    assert only.coarse_loss is None
    assert torch.isfinite(only(*batch))


def test_norms_and_biases_do_not_decay():
    network = build()
    optimizer = build_optimizer(network, OptimizerConfig(weight_decay=0.3))
    decays = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    assert len(decays) == len(list(network.parameters()))
    assert all(decays[id(p)] == (0.3 if p.ndim > 1 else 0.0) for p in network.parameters())

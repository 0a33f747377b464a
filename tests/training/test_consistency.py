"""The teacher's answers, and what they count."""

from __future__ import annotations

import pytest
import torch

from geochange.nn.networks.registry import build_model
from geochange.training.chips.views import Views
from geochange.training.consistency import compare, make_targets, ramp_weight
from geochange.training.settings.learning import LossConfig
from geochange.training.supervision import Supervised


def make_views(pasted, valid):
    nothing = torch.zeros(2, 1, 1, 4)
    return Views(nothing, nothing, nothing, nothing, valid, valid, pasted)


def test_sure_answers_follow_what_was_pasted():
    logits = torch.tensor([[9.0, 9.0, 0.5, -9.0], [-9.0, -9.0, -9.0, 9.0]])[:, None, None]
    pasted = torch.tensor([[False, True, False, True], [False] * 4])[:, None]
    valid = torch.tensor([[True] * 4, [False, True, True, True]])[:, None]
    target = make_targets(logits, make_views(pasted, valid), 0.95)
    assert target[:, 0].tolist() == [[1, 0, 255, 1], [255, 0, 0, 1]]
    assert target.dtype == torch.uint8


def test_unsure_and_invalid_pixels_have_no_gradient():
    logits = torch.zeros(1, 1, 1, 4, requires_grad=True)
    target = torch.tensor([[[1, 0, 255, 255]]], dtype=torch.uint8)
    compare(logits, target, torch.tensor([[[True, True, True, False]]])).backward()
    slope = logits.grad.flatten()
    assert slope[0] == pytest.approx(-0.5 / 3)
    assert slope[1] == pytest.approx(0.5 / 3)
    assert slope[2:].tolist() == [0, 0]


def test_the_weight_rises_to_1_and_stays():
    weights = [ramp_weight(step, 50) for step in range(80)]
    assert weights == sorted(weights)
    assert weights[0] < 0.01
    assert weights[50:] == [1.0] * 30
    assert ramp_weight(0, 0) == 1.0


def test_the_labelled_loss_does_not_see_the_others_labels():
    """Chips without labels share the pass; in evaluation mode the labelled loss is the same."""
    torch.manual_seed(0)
    model = Supervised(build_model("tinysiam", 1), LossConfig("bce+contrastive")).eval()
    for parameter in model.parameters():
        parameter.data.uniform_(-0.2, 0.2)
    before, after = torch.randn(2, 5, 1, 16, 16)
    label = torch.randint(0, 2, (2, 16, 16), dtype=torch.uint8)
    target = torch.randint(0, 2, (3, 16, 16), dtype=torch.uint8)
    valid = torch.ones(5, 16, 16, dtype=torch.bool)
    alone = model(before[:2], after[:2], label, valid[:2])
    both = model(before, after, label, valid, target)
    torch.testing.assert_close(both[0], alone)
    logits = model.network(before[2:], after[2:])
    torch.testing.assert_close(both[1], compare(logits, target, valid[2:]))

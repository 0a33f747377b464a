import pytest
import torch
from torch import nn

from geochange.errors import UsageError
from geochange.nn.inference.attribution import (
    choose_stage,
    integrate_gradients,
    list_stages,
    map_activations,
)
from geochange.nn.networks.registry import build_model
from geochange.nn.networks.registry import list_models as list_networks


def test_integrated_gradients_of_a_linear_score_are_its_weights_times_the_way():
    weights = torch.tensor([1.0, -2.0, 0.0])
    x, baseline = torch.tensor([3.0, 1.0, 5.0]), torch.tensor([1.0, 1.0, 1.0])
    found = integrate_gradients(lambda v: (weights * v).sum(), x, baseline, steps=1)
    torch.testing.assert_close(found.attribution, torch.tensor([2.0, 0.0, 0.0]))
    assert found.total == 2.0
    assert abs(found.gap) < 1e-6


def test_the_gap_is_the_completeness_error_and_falls_with_the_steps():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1), nn.Sigmoid())
    layers.requires_grad_(False)
    x, baseline = 3 * torch.randn(6), torch.zeros(6)
    gaps = [
        integrate_gradients(lambda v: layers(v).sum(), x, baseline, steps=steps).gap
        for steps in (1, 8, 64)
    ]
    assert abs(gaps[0]) > 10 * abs(gaps[1]) > 100 * abs(gaps[2])
    steps = []
    found = integrate_gradients(
        lambda v: layers(v).sum(), x, baseline, steps=3, on_step=lambda *done: steps.append(done)
    )
    assert found.gap == pytest.approx(float(found.attribution.sum()) - found.total, abs=1e-6)
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("name", [n for n in list_networks() if n != "siamese"])
def test_every_network_has_a_stage_that_can_be_mapped(name):
    model = build_model(name, 3).eval()
    with torch.no_grad():  # any weights will do, but a map of zeros proves nothing
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.rand_like(parameter))
    before, after = (torch.randn(1, 3, 64, 64, requires_grad=True) for _ in range(2))
    stage = choose_stage(model)
    maps = map_activations(model, before, after, stage, lambda logits: logits.mean())
    assert stage in list_stages(model)
    assert maps.shape[1:] == (64, 64)
    assert len(maps) in (1, 2)
    assert float(maps.min()) >= 0
    assert float(maps.max()) in (0.0, pytest.approx(1.0))


def test_a_stage_of_one_date_gives_a_map_for_each():
    model = build_model("tinysiam", 3).eval()
    before, after = (torch.randn(1, 3, 64, 64, requires_grad=True) for _ in range(2))
    maps = map_activations(model, before, after, "encoder.levels.1", lambda y: y.mean())
    assert len(maps) == 2
    assert len(model.encoder.levels[1]._forward_hooks) == 0


def test_unknown_stages_are_refused():
    model = build_model("tinysiam", 3).eval()
    assert choose_stage(model, "fusions.0") == "fusions.0"
    with pytest.raises(UsageError, match=r"no stage 'fusion\.0'; did you mean 'fusions\.0'"):
        choose_stage(model, "fusion.0")

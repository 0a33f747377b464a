from __future__ import annotations

import torch
from torch import nn

from geochange.training.average import WeightAverage


def test_the_average_follows_the_formula_for_weights_and_statistics():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    average = WeightAverage(network, decay=0.9)
    expected = {n: t.clone() for n, t in network.state_dict().items()}
    for step in range(120):
        with torch.no_grad():
            for tensor in network.state_dict().values():
                tensor.add_(1)
        average.update(network, step)
        decay = min(0.9, (1 + step) / (10 + step))
        for name, tensor in network.state_dict().items():
            mixed = decay * expected[name] + (1 - decay) * tensor
            expected[name] = mixed if tensor.is_floating_point() else tensor.clone()
    for name, tensor in average.network.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-4)
    assert not average.network.training
    assert not any(p.requires_grad for p in average.network.parameters())
    assert network[0].weight.requires_grad
    ahead = network[0].weight - average.network[0].weight
    assert ahead.detach().mean() > 5


def test_without_decay_it_is_the_network():
    network = nn.Linear(2, 2)
    average = WeightAverage(network, decay=0.0)
    nn.init.ones_(network.weight)
    average.update(network, 5)
    assert torch.equal(average.network.weight, torch.ones(2, 2))

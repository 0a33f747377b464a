"""What stays as it is: named modules and stages of the encoder."""

from __future__ import annotations

import pytest
import torch

from geochange.errors import UsageError
from geochange.nn.learning.freezing import find_frozen, freeze, list_stages, rest
from geochange.nn.networks.registry import build_model, list_models
from geochange.nn.parts.backbones import ForeignEncoder


@pytest.mark.parametrize("name", list_models("pixels"))
def test_every_network_has_stages(name):
    network = build_model(name, 3)
    stages = list_stages(network)
    assert len(stages) >= 3
    assert all(network.get_submodule(module) for stage in stages for module in stage)
    encoder = {n for n, _ in network.named_parameters() if n.startswith("encoder.")}
    frozen = find_frozen(network, len(stages), [])
    freeze(network, frozen)
    assert {n for n, p in network.named_parameters() if not p.requires_grad} == encoder


def test_resting_statistics_stay():
    network = build_model("tinysiam", 3).train()
    rest(network, ["encoder.levels.0"])
    before = {n: t.clone() for n, t in network.state_dict().items()}
    network(torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16))
    moved = {n for n, t in network.state_dict().items() if not torch.equal(t, before[n])}
    assert not any(n.startswith("encoder.levels.0.") for n in moved)
    assert any(n.startswith("encoder.levels.1.") for n in moved)


@pytest.mark.parametrize(
    ("stages", "names", "words"),
    [
        (4, [], "'start.frozen_stages' must be at most 3, the stages of the encoder of tinysiam"),
        (0, ["encodr"], "has no module 'encodr'; did you mean 'encoder'?"),
        (3, ["fusions", "decoder", "head", "auxiliary"], "frozen leaves nothing to learn"),
    ],
)
def test_what_cannot_be_frozen_is_refused(stages, names, words):
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        find_frozen(build_model("tinysiam", 3), stages, names)


def test_backbones_of_other_libraries_are_frozen_by_name():
    network = build_model("tinysiam", 3)
    backbone = torch.nn.ModuleDict({"layer1": torch.nn.Conv2d(3, 4, 1)})
    network.encoder = ForeignEncoder(backbone, [4], [2])
    with pytest.raises(UsageError, match=r"no numbered stages; name the modules .*backbone.layer1"):
        find_frozen(network, 1, [])
    assert find_frozen(network, 0, ["encoder.backbone.layer1"]) == ("encoder.backbone.layer1",)

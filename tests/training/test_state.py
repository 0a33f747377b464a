"""The state of a training: everything comes back, and foreign files are refused."""

from __future__ import annotations

import copy

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from geochange.errors import InputError
from geochange.training.state import Progress, load_state, save_state


def learn(steps=3, width=4):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, width, 3), nn.BatchNorm2d(width))
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    for _ in range(steps):
        network(torch.randn(2, 2, 8, 8)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return network, optimizer


def test_all_comes_back_bit_for_bit(tmp_path):
    network, optimizer = learn()
    twin = copy.deepcopy(network)
    progress = Progress(step=3, best_f1=0.25, best_step=2, best={"f1": 0.25}, stale=1)
    save_state(tmp_path / "s.safetensors", {"network": network, "twin": twin}, optimizer, progress)
    other, fresh = learn(steps=0)
    third = copy.deepcopy(other)
    found = load_state(tmp_path / "s.safetensors", {"network": other, "twin": third}, fresh)
    assert found == progress
    for one, two in ((network, other), (twin, third)):
        for name, tensor in one.state_dict().items():
            assert torch.equal(tensor, two.state_dict()[name])
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert optimizer.state[one].keys() == fresh.state[two].keys()
        for name, tensor in optimizer.state[one].items():
            assert torch.equal(tensor, fresh.state[two][name])
            assert tensor.stride() == fresh.state[two][name].stride()
    again = tmp_path / "again.safetensors"
    save_state(again, {"network": other, "twin": third}, fresh, found)
    assert again.read_bytes() == (tmp_path / "s.safetensors").read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"s.safetensors", "again.safetensors"}


def test_files_that_do_not_fit(tmp_path):
    network, optimizer = learn()
    path = tmp_path / "state.safetensors"
    save_state(path, {"network": network}, optimizer, Progress())
    with pytest.raises(InputError, match="does not fit the config's network"):
        load_state(path, {"network": learn(width=5)[0]}, learn(width=5)[1])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot read the training state"):
        load_state(path, {"network": network}, optimizer)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="is no training state of this version"):
        load_state(path, {"network": network}, optimizer)
    with pytest.raises(InputError, match="cannot read"):
        load_state(tmp_path / "none", {"network": network}, optimizer)

import copy

import numpy as np
import pytest
import torch

from geochange.errors import UsageError
from geochange.nn.inference.adaptation import adapt_network, measure_statistics
from geochange.nn.inference.precision import prepare
from geochange.nn.networks.registry import build_model, list_models
from geochange.nn.parts.layers import ConvBlock

SMALL = {"tinysiam": {"widths": (8, 12, 16)}, "snunet": {"width": 4}}


def make_sample(bands=(3, 3), size=64, shift=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    before, after = (torch.randn(1, c, size, size, generator=generator) for c in bands)
    return before, after * (1 + shift) + shift, torch.ones(size, size, dtype=torch.bool)


@pytest.fixture
def network(shake):
    return shake(build_model("tinysiam", 3, widths=(8, 12, 16)))


def test_statistics_are_those_of_what_enters_the_first_normalisation(network):
    before, after, owned = make_sample(shift=0.5)
    owned[:, :20] = False
    found = measure_statistics(network, [(before, after, owned)], 1.0)
    conv = network.encoder.levels[0][0].conv
    for date, name in ((before, "before"), (after, "after")):
        entered = conv(date).detach()[0][:, owned[::2, ::2]].double()
        mean, variance = found[f"encoder.{name}.levels.0.0.norm"]
        np.testing.assert_allclose(mean, entered.mean(1), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(variance, entered.var(1, correction=0), rtol=1e-5)


def test_a_share_mixes_what_was_trained_and_the_scene(network):
    sample = make_sample(shift=0.5)
    ends = [measure_statistics(network, [sample], share) for share in (1e-9, 1.0)]
    half = measure_statistics(network, [sample], 0.25)
    name = "encoder.after.levels.0.0.norm"
    norm = network.encoder.levels[0][0].norm
    np.testing.assert_allclose(ends[0][name][0], norm.running_mean, atol=1e-6)
    for n in (0, 1):
        mixed = 0.75 * ends[0][name][n] + 0.25 * ends[1][name][n]
        np.testing.assert_allclose(half[name][n], mixed, rtol=1e-5, atol=1e-6)


def test_any_order_and_any_cut_give_the_same(network):
    before, after, owned = make_sample(size=96)
    whole = measure_statistics(network, [(before, after, owned)], 1.0)
    parts = []
    for start, stop in ((0, 40), (40, 64), (64, 96)):
        part = slice(max(0, start - 8), min(96, stop + 8))
        mine = torch.zeros(96, 96, dtype=torch.bool)
        mine[start:stop] = True
        parts.append((before[:, :, part], after[:, :, part], mine[part]))
    for cut in (parts, parts[::-1]):
        for name, found in measure_statistics(network, cut, 1.0).items():
            np.testing.assert_allclose(found, whole[name], rtol=1e-5, atol=1e-6)


def test_a_gain_and_an_offset_of_one_date_are_taken_out(network):
    before, after, owned = make_sample()
    shifted = after * 1.7 + 0.8
    adapted = []
    for date in (after, shifted):
        model = copy.deepcopy(network)
        adapt_network(model, measure_statistics(network, [(before, date, owned)], 1.0))
        adapted.append(model(before, date).detach())
    inner = (..., slice(16, -16), slice(16, -16))  # beyond the image is 0, whatever the gain
    apart = (adapted[1] - adapted[0])[inner].abs().mean()
    unadapted = (network(before, shifted) - network(before, after)).detach()[inner].abs().mean()
    assert float(apart) < 0.05 * float(unadapted)


def test_the_network_given_stays_as_it_is(network):
    before, after, owned = make_sample()
    kept = copy.deepcopy(network.state_dict())
    expected = network(before, after)
    measure_statistics(network, [(before, after, owned)], 1.0)
    torch.testing.assert_close(network.state_dict(), kept, rtol=0, atol=0)
    torch.testing.assert_close(network(before, after), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", list_models("pixels"))
def test_every_architecture_adapts_and_folds(name, shake):
    bands = (3, 3) if name in ("fc-ef", "unet") else (3, 1)
    model = shake(build_model(name, bands, **SMALL.get(name, {})))
    sample = make_sample(bands, shift=0.4)
    statistics = measure_statistics(model, [sample], 0.5)
    assert len(statistics) == (1 if name in ("fc-ef", "unet") else 2)
    adapted = copy.deepcopy(model)
    adapt_network(adapted, statistics)
    assert not torch.equal(adapted(*sample[:2]), model(*sample[:2]))
    ready = prepare(adapted, torch.device("cpu"), "fp32").model
    with torch.inference_mode():
        torch.testing.assert_close(ready(*sample[:2]), adapted(*sample[:2]), atol=1e-3, rtol=1e-3)
    assert not any(
        isinstance(m, ConvBlock) and not isinstance(m.norm, torch.nn.Identity)
        for m in ready.modules()
    )


def test_nothing_seen_leaves_what_was_trained(network):
    before, after, owned = make_sample()
    norm = network.encoder.levels[0][0].norm
    for samples in ([], [(before, after, owned & False)]):
        for mean, variance in measure_statistics(network, samples, 1.0).values():
            np.testing.assert_array_equal(mean, norm.running_mean)
            np.testing.assert_array_equal(variance, norm.running_var)


def test_a_network_without_batch_normalisation_cannot_adapt(network):
    for module in network.modules():
        if isinstance(module, ConvBlock):
            module.norm = torch.nn.Identity()
    with pytest.raises(UsageError, match="has no batch normalisation that could adapt"):
        measure_statistics(network, [make_sample()], 1.0)

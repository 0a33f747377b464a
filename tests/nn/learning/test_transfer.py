"""Weights for other bands: known bands score as before, whatever the network and the numbers."""

from __future__ import annotations

import pytest
import torch

from geochange.errors import UsageError
from geochange.nn.learning.transfer import build_selection, find_stem, match_names, transfer_weights
from geochange.nn.networks.registry import build_model

SMALL = {
    "tinysiam": {"widths": (4, 8, 8)},
    "attention": {"widths": (8, 8, 8)},
    "bit": {"widths": (8, 8, 8), "width": 8},
    "fc-ef": {"widths": (4, 4, 4, 4)},
    "fc-siam-conc": {"widths": (4, 4, 4, 4)},
    "snunet": {"width": 4},
    "siamese": {"widths": (4, 8, 8)},
    "unet": {"widths": (4, 4, 4, 4)},
}
RGB, RGBN = ("red", "green", "blue"), ("red", "green", "blue", "nir")


def build(name, bands):
    """Return a network none of whose numbers is that it was built with."""
    torch.manual_seed(0)
    network = build_model(name, bands, **SMALL[name])
    numbers = [*network.named_parameters(), *network.named_buffers()]
    for label, tensor in numbers:
        if tensor.is_floating_point():
            low = 0.5 if "running_var" in label else -0.5
            tensor.data.uniform_(low, low + 1)
    return network.eval()


def adapt(network, before, after, *, known=RGB, **options):
    target = build_model(network.recipe.name, (len(before), len(after)), **network.recipe.options)
    matches = match_names(known, before), match_names(known, after)
    transfer = transfer_weights(network, target, matches, **options)
    target.load_state_dict(transfer.weights)
    return target.eval(), transfer


def draw(*bands, size=32):
    torch.manual_seed(1)
    return [torch.randn(2, count, size, size) for count in bands]


def equal(one, other, tolerance):
    """Compare with a share of the greatest number."""
    limit = tolerance * float(other.abs().max())
    torch.testing.assert_close(one, other, rtol=0, atol=limit)


@pytest.mark.parametrize("name", SMALL)
def test_a_constant_new_band_changes_no_score(name):
    network = build(name, 3)
    before, after = draw(3, 3)
    target, transfer = adapt(network, RGBN, RGBN)
    nothing = torch.zeros(2, 1, 32, 32)
    with torch.no_grad():
        wanted = network(before, after)
        found = target(torch.cat([before, nothing], 1), torch.cat([after, nothing], 1))
        other = target(torch.cat([before, nothing + 1], 1), torch.cat([after, nothing], 1))
    equal(found, wanted, 1e-5)
    assert not torch.allclose(other, wanted, atol=1e-5)
    assert len(transfer.new) == 1


@pytest.mark.parametrize("name", SMALL)
def test_bands_in_another_order_score_alike(name):
    network = build(name, 3)
    before, after = draw(3, 3)
    target, _ = adapt(network, RGB[::-1], RGB[::-1])
    with torch.no_grad():
        equal(target(before.flip(1), after.flip(1)), network(before, after), 1e-5)


def test_filters_of_known_bands_stay_bit_for_bit_and_new_ones_are_their_mean():
    network = build("tinysiam", 3)
    target, transfer = adapt(network, ("swir1", *RGB, "nir"), ("swir1", *RGB, "nir"))
    old, new = (n.get_parameter(find_stem(n)) for n in (network, target))
    assert torch.equal(new[:, 1:4], old)
    for band in (0, 4):
        equal(new[:, band].detach(), old.detach().mean(1) / 2, 1e-6)
    assert transfer.new == {find_stem(network)}
    kept = {n for n, t in network.state_dict().items() if torch.equal(t, target.state_dict()[n])}
    assert kept == set(network.state_dict()) - transfer.new


def test_responses_keep_their_size_where_no_band_is_known():
    network = build("tinysiam", 3)
    target, _ = adapt(network, ("pan",), ("pan",))
    pan = draw(1)[0]
    with torch.no_grad():
        grey = pan.expand(-1, 3, -1, -1)
        equal(target(pan, pan * 2), network(grey, grey * 2), 1e-4)


@pytest.mark.parametrize("name", ["tinysiam", "snunet", "bit"])
def test_dates_with_a_number_of_bands_of_their_own(name):
    network = build(name, 3)
    before, after = draw(3, 3)
    flat = after.clone()
    flat[:, 0] = 0
    target, _ = adapt(network, RGB, RGB[1:])
    with torch.no_grad():
        equal(target(before, after[:, 1:]), network(before, flat), 1e-4)
    wide, _ = adapt(network, RGBN, RGB)
    nothing = torch.zeros(2, 1, 32, 32)
    with torch.no_grad():
        equal(wide(torch.cat([before, nothing], 1), after), network(before, after), 1e-4)


def test_adapters_are_taken_along():
    network = build("tinysiam", (3, 2))
    network.adapters[0].bias.data.uniform_(-1, 1)
    before, after = draw(3, 2)
    target = build_model("tinysiam", (4, 2), **SMALL["tinysiam"])
    matches = match_names(RGB, RGBN), match_names(RGB[:2], RGB[:2])
    transfer = transfer_weights(network, target, matches)
    target.load_state_dict(transfer.weights)
    inside = (..., slice(24, -24), slice(24, -24))
    with torch.no_grad():
        before, after = (torch.nn.functional.pad(d, (16,) * 4, "reflect") for d in (before, after))
        more = torch.cat([before, torch.zeros_like(before[:, :1])], 1)
        equal(target.eval()(more, after)[inside], network(before, after)[inside], 1e-3)
    adapters = {name for name in network.state_dict() if name.startswith("adapters.")}
    assert transfer.new == {find_stem(network)} | adapters


def test_the_same_bands_are_a_copy_and_fresh_modules_keep_their_own():
    network = build("tinysiam", 3)
    target, transfer = adapt(network, RGB, RGB)
    assert not transfer.new
    assert all(torch.equal(t, target.state_dict()[n]) for n, t in network.state_dict().items())
    target, transfer = adapt(network, RGB, RGB, fresh=["head"])
    assert transfer.new == {n for n in network.state_dict() if n.startswith("head.")}
    assert not torch.equal(next(target.head.parameters()), next(network.head.parameters()))


def test_names_are_found_once_each():
    assert match_names(["sar", "sar"], ["sar", "sar", "sar"]) == (0, 1, None)
    assert build_selection(3, (2, None, 0, None)).tolist() == [
        [0, 0.25, 1, 0.25],
        [0, 0, 0, 0],
        [1, 0.25, 0, 0.25],
    ]


def test_a_network_without_a_first_convolution_is_refused():
    network = build("tinysiam", 3)
    network.encoder.levels = torch.nn.ModuleList()
    with pytest.raises(UsageError, match="does not begin with a convolution"):
        find_stem(network)

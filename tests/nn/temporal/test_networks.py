"""Networks for series: small, for any dates and bands, and as local as they say."""

from __future__ import annotations

import pytest
import torch

from geochange.errors import BandError, UsageError
from geochange.nn.temporal.network import NEVER, join_dates
from geochange.nn.temporal.registry import SERIES_MODELS, build_series_model

MOST_PARAMETERS = 300_000
NAMES = sorted(SERIES_MODELS)


def make(dates=5, bands=2, size=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(2, dates, bands, size, size, generator=generator)
    valid = torch.rand(2, dates, size, size, generator=generator) < 0.8
    days = torch.rand(2, dates, generator=generator).mul(60).add(1).cumsum(dim=1)
    return images * valid[:, :, None], valid, days


def build(name, bands=2):
    torch.manual_seed(1)
    return build_series_model(name, bands).eval()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dates", "bands"), [(2, 1), (7, 5)])
def test_any_dates_and_bands_give_a_logit_each(name, dates, bands):
    model = build(name, bands)
    assert sum(p.numel() for p in model.parameters()) < MOST_PARAMETERS
    images, valid, days = make(dates, bands, size=9)
    logits = model(images, valid, days)
    assert logits.shape == (2, dates, 9, 9)
    assert torch.isfinite(logits).all()
    join_dates(logits).mean().backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_shows_first_where_nothing_is_seen_or_was_seen_before(name):
    images, valid, days = make()
    logits = build(name)(images, valid, days)
    never = logits == NEVER
    assert never[~valid].all()
    assert never[:, 0].all()
    assert never[~(valid.cumsum(dim=1) > 1)].all()
    assert not never.all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dates", [3, 6])
def test_a_tile_with_its_halo_equals_the_whole_image(name, dates):
    model = build(name)
    halo = model.radius + model.radius_per_date * (dates - 2)
    size = 2 * halo + 6
    images, valid, days = make(dates, size=size + 4)
    with torch.inference_mode():
        whole = model(images, valid, days)
        part = model(images[..., :size, 3:], valid[..., :size, 3:], days)
    inner = slice(halo, size - halo)
    apart = whole[..., inner, 3 + halo : -4] - part[..., inner, halo : part.shape[-1] - 4]
    assert apart.shape[-1] > 0
    assert float(apart.abs().max()) <= 1e-5


def test_only_memories_with_neighbours_see_farther_with_more_dates():
    growth = {name: build(name).radius_per_date for name in NAMES}
    assert growth == {"cnn-lstm": 0, "convlstm": 1, "temporal-attention": 0, "two-dates": 0}


@pytest.mark.parametrize("name", NAMES)
def test_the_first_day_does_not_matter_but_the_season_does(name):
    model = build(name)
    images, valid, days = make()
    with torch.inference_mode():
        first, later = (model(images, valid, days + shift) for shift in (0.0, 4 * 365.25))
        torch.testing.assert_close(first, later, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "two-dates"])
def test_what_lies_between_the_ends_counts(name):
    model = build(name)
    images, valid, days = make()
    other = images.clone()
    other[:, 2] += 3 * valid[:, 2, None]
    with torch.inference_mode():
        assert not torch.equal(model(images, valid, days), model(other, valid, days))


def test_two_dates_are_each_pixels_first_and_last_valid_one():
    model = build("two-dates")
    images, valid, days = make()
    other = images.clone()
    order = torch.arange(5)[:, None, None]
    first = torch.where(valid, order, 9).amin(dim=1, keepdim=True)
    last = torch.where(valid, order, -1).amax(dim=1, keepdim=True)
    between = (order > first) & (order < last)
    assert between.any()
    other += 5 * between[:, :, None]
    with torch.inference_mode():
        assert torch.equal(model(images, valid, days), model(other, valid, days))


def test_unknown_names_options_and_bands_are_one_line():
    with pytest.raises(UsageError, match=r"unknown network for series 'lstm'"):
        build_series_model("lstm", 4)
    with pytest.raises(UsageError, match=r"has no option 'width'; did you mean 'widths'\?"):
        build_series_model("cnn-lstm", 4, width=3)
    with pytest.raises(UsageError, match="same bands, got 3 and 4"):
        build_series_model("cnn-lstm", (3, 4))
    with pytest.raises(UsageError, match="heads must be even"):
        build_series_model("temporal-attention", 4, heads=3)
    images, valid, days = make(bands=3)
    with pytest.raises(BandError, match="takes 2 bands, the dates have 3"):
        build("cnn-lstm")(images, valid, days)

"""Nodata ends the image: scores beside it are those of the image that is cut there."""

import pytest
import torch

from geochange.nn.inference.precision import prepare
from geochange.nn.networks.registry import build_model, list_models
from geochange.nn.parts.borders import Borders, keep_to

CPU = torch.device("cpu")
LOCAL = ["tinysiam", "attention", "fc-ef", "fc-siam-conc", "fc-siam-diff", "unet"]


def build(name, shake):
    torch.manual_seed(0)
    return shake(build_model(name, 2)).eval()


def make_dates(height=64, width=96):
    torch.manual_seed(1)
    return torch.randn(2, 2, height, width), torch.randn(2, 2, height, width)


def blank(dates, valid):
    return [torch.where(valid[:, None], date, 0.0) for date in dates]


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("training", [False, True])
def test_scores_beside_nodata_are_those_of_the_cut_image(name, training, shake):
    model = build(name, shake)
    if training:  # both dates go through the encoder as one batch
        for module in model.modules():
            module.training = not isinstance(module, torch.nn.BatchNorm2d)
    dates, valid = make_dates(), torch.zeros(2, 64, 96, dtype=torch.bool)
    valid[:, 16:48, 32:80] = True
    cut = (..., slice(16, 48), slice(32, 80))
    with torch.no_grad():
        expected = model(*(date[cut] for date in dates))
        with keep_to(model, valid):
            held = model(*blank(dates, valid))[cut]
        plain = model(*blank(dates, valid))[cut]
    torch.testing.assert_close(held, expected, rtol=0, atol=1e-5)
    assert (plain - expected).abs().max() > 1e-3


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_fused_and_folded_layers_keep_to_it_too(precision, shake):
    prepared = prepare(build("tinysiam", shake), CPU, precision)
    dates, valid = make_dates(), torch.ones(2, 64, 96, dtype=torch.bool)
    valid[..., 48:] = False
    inputs = [date.to(prepared.dtype) for date in blank(dates, valid)]
    with torch.inference_mode(), Borders(prepared.model).hold(valid):
        held = prepared.model(*inputs)[..., :48]
    with torch.inference_mode():
        expected = prepared.model(*(x[..., :48].contiguous() for x in inputs))
    torch.testing.assert_close(held, expected, rtol=0, atol=1e-5 if precision == "fp32" else 0.05)


@pytest.mark.parametrize("name", list_models("pixels"))
def test_where_all_is_valid_no_bit_changes(name, shake):
    model = shake(build_model(name, 2, **({"width": 4} if name == "snunet" else {}))).eval()
    dates, valid = make_dates(32, 32), torch.ones(2, 32, 32, dtype=torch.bool)
    with torch.inference_mode():
        plain = model(*dates)
        with Borders(model).hold(valid):
            held = model(*dates)
    assert torch.equal(plain, held)


def test_nodata_has_no_say_whatever_its_form(shake):
    """Ragged nodata: its values are never seen, one lone valid pixel keeps its cell."""
    model, dates = build("tinysiam", shake), make_dates()
    valid = torch.rand(2, 64, 96, generator=torch.Generator().manual_seed(2)) > 0.5
    shifted = [torch.where(valid[:, None], date, 7.0) for date in dates]
    with torch.inference_mode(), keep_to(model, valid):
        scores = [model(*blank(pair, valid)) for pair in (dates, shifted)]
    assert torch.equal(*scores)
    assert scores[0].isfinite().all()


def test_nothing_stays_behind(shake):
    model, dates = build("tinysiam", shake), make_dates()
    valid = torch.ones(2, 64, 96, dtype=torch.bool)
    valid[:, :32] = False
    with torch.inference_mode():
        plain = model(*dates)
        with pytest.raises(ZeroDivisionError), keep_to(model, valid):
            _ = 1 // 0
        assert torch.equal(model(*dates), plain)
    assert not any(module._forward_pre_hooks for module in model.modules())

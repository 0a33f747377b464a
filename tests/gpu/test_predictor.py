import numpy as np
import pytest
import torch

from geochange.nn.inference.predictor import Predictor
from geochange.nn.networks.registry import build_model, list_models
from geochange.nn.normalization import Scaling

SCALING = Scaling((100.0, 90.0, 80.0), (20.0, 30.0, 40.0))


def make_batch(count=6, size=256, dtype=torch.float32):
    before, after = torch.randint(0, 250, (2, count, 3, size, size)).to(dtype)
    return before, after, torch.rand(count, size, size) > 0.05


def make_predictors(name="tinysiam", **options):
    torch.manual_seed(0)
    model = build_model(name, 3).eval()
    return [
        Predictor(model, (SCALING, SCALING), device=device, **options) for device in ("cpu", "cuda")
    ]


@pytest.mark.parametrize("name", list_models("pixels"))
def test_scores_are_those_of_the_processor(name):
    plain, fast = make_predictors(name, precision="fp32")
    batch = make_batch(2, 128)
    assert float((plain(*batch) - fast(*batch))[batch[2]].abs().max()) <= 1e-3


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_every_type_of_pixel_gives_the_same_scores(dtype):
    _, fast = make_predictors(precision="fp32")
    before, after, valid = make_batch()
    expected = fast(before + 0.25, after + 0.25, valid)
    found = fast(before.to(dtype), after.to(dtype), valid)
    assert float((found - fast(before, after, valid)).abs().max()) == 0
    assert float((found - expected).abs().max()) < 0.2


def test_sixteen_bits_stay_close():
    plain, fast = make_predictors()
    batch = make_batch()
    assert fast.precision in ("bf16", "fp16")
    apart = (plain(*batch) - fast(*batch))[batch[2]].abs()
    assert float(apart.flatten()[::7].quantile(0.999)) <= 0.04


def test_parts_of_a_batch_do_not_mix():
    _, fast = make_predictors(precision="fp32")
    batch = make_batch(9)
    whole = fast(*batch)
    for place in range(9):
        one = fast(*(tensor[place : place + 1] for tensor in batch))
        assert float((whole[place] - one[0]).abs().max()) <= 1e-4


def test_out_of_memory_halves_the_batch(monkeypatch):
    _, fast = make_predictors(precision="fp32")
    batch = make_batch(8)
    expected = fast(*batch)
    honest = fast._run

    def cramped(before, after):
        if len(before) > 1:
            raise torch.OutOfMemoryError
        return honest(before, after)

    monkeypatch.setattr(fast, "_run", cramped)
    assert float((fast(*batch) - expected).abs().max()) <= 1e-4
    assert fast.batch_size == 1


def test_a_batch_that_truly_does_not_fit_is_halved():
    _, fast = make_predictors("unet", precision="fp32")
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(min(1.0, 2 * 2**30 / total))
    try:
        scores = fast(*make_batch(16, 512))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert scores.shape == (16, 512, 512)
    assert bool(np.isfinite(scores.numpy()).all())

import numpy as np
import pytest
import torch

from geochange.errors import DataWarning, ResourceError, UsageError
from geochange.nn.inference import compiling, kernels, precision
from geochange.nn.inference.kernels import FusedConv, can_fuse, fuse_layers
from geochange.nn.inference.precision import choose_device, choose_precision, prepare
from geochange.nn.inference.predictor import Predictor, is_out_of_memory
from geochange.nn.networks.registry import build_model, list_models
from geochange.nn.normalization import Scaling
from geochange.nn.parts.layers import ConvBlock, Head, fold_batch_norm

CPU = torch.device("cpu")
UNIT = Scaling((0.0, 0.0), (1.0, 1.0))
needs_fusion = pytest.mark.skipif(not can_fuse(), reason="this torch has no fused convolution")


@pytest.fixture
def model(shake):
    return shake(build_model("tinysiam", 2, widths=(8, 12, 16)))


def pair(count=1, height=64, width=96):
    before, after = (torch.randn(count, 2, height, width) for _ in range(2))
    return before, after, torch.ones(count, height, width, dtype=torch.bool)


def plain_score(model, before, after):
    with torch.inference_mode():
        return model(before, after).sigmoid()[:, 0]


@pytest.mark.parametrize("name", list_models("pixels"))
def test_every_network_is_prepared_without_change(name, shake):
    options = {"width": 4} if name == "snunet" else {}
    network = shake(build_model(name, 2, **options))
    before, after, valid = pair(height=32, width=48)
    predict = Predictor(network, (UNIT, UNIT), device="cpu", precision="fp32")
    expected = plain_score(network, before, after)
    torch.testing.assert_close(predict(before, after, valid), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [1, 8, 9])
def test_tiny_tiles_work_in_sixteen_bits(model, size):
    before, after, valid = pair(count=2, height=size, width=size)
    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="bf16")
    exact = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32")
    found, expected = predict(before, after, valid), exact(before, after, valid)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)


def test_sixteen_bits_stay_within_the_promised_error(model):
    before, after, valid = pair(height=256, width=256)
    prepared = prepare(model, CPU, "bf16")
    assert (prepared.precision, prepared.dtype) == ("bf16", torch.bfloat16)
    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="bf16")
    apart = (predict(before, after, valid) - plain_score(model, before, after)).abs()
    assert 0 < float(apart.flatten().quantile(0.999)) < 0.02


def test_preparing_leaves_the_network_alone(model):
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    prepare(model, CPU, "bf16")
    assert model.training
    assert all(torch.equal(kept[name], tensor) for name, tensor in model.state_dict().items())


def test_the_copy_is_folded_laid_out_and_fused(model):
    prepared = prepare(model, CPU, "bf16").model
    kinds = [type(module).__name__ for module in prepared.modules()]
    assert "BatchNorm2d" not in kinds
    assert ("FusedConv" in kinds) == can_fuse()
    weight = prepared.encoder.levels[0][1].conv.weight
    assert weight.dtype == torch.bfloat16
    assert weight.is_contiguous(memory_format=torch.channels_last)


@needs_fusion
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("shortcut", [True, False])
def test_a_fused_convolution_is_the_convolution(dtype, active, shortcut):
    block = ConvBlock(5, 8, stride=2, active=active).eval()
    block.norm.running_mean.normal_()
    block.fold()
    block = block.to(dtype)
    x, other = torch.randn(2, 5, 17, 20).to(dtype), torch.randn(2, 8, 9, 10).to(dtype)
    with torch.inference_mode():
        plus = other if shortcut else None
        expected, found = block(x, plus), FusedConv(block)(x, plus)
    error = {torch.float32: 1e-5, torch.bfloat16: 0.05}[dtype]
    torch.testing.assert_close(found, expected, rtol=0, atol=error)
    assert bool((found < 0).any()) != active


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pairs_are_shuffled_as_torch_shuffles_pixels(dtype, layout):
    x = torch.randn(2, 4, 5, 7).to(dtype).contiguous(memory_format=layout)
    expected = torch.nn.functional.pixel_shuffle(x, 2)
    assert torch.equal(kernels.shuffle_pairs(x), expected)


def test_layers_are_fused_only_after_folding():
    network = torch.nn.Sequential(ConvBlock(1, 8), Head(8, scale=2)).eval()
    with pytest.raises(ValueError, match="fold"):
        fuse_layers(network)
    fold_batch_norm(network)
    fuse_layers(network)
    assert [type(layer).__name__ for layer in network] == ["FusedConv", "FusedHead"]


def test_a_wrong_16_bit_convolution_is_caught_not_mapped(model, monkeypatch):
    before, after, valid = pair()
    honest = precision._transform

    def spoil(plain, dtype, *, fuse):
        candidate = honest(plain, dtype, fuse=False)
        if dtype == torch.bfloat16:
            for module in candidate.modules():
                if isinstance(module, ConvBlock):
                    module.forward = lambda x, s=None, m=module: ConvBlock.forward(m, x, s) * 1.2
        return candidate

    monkeypatch.setattr(precision, "_transform", spoil)
    with pytest.warns(DataWarning, match="bf16 gives other scores than fp32 on this machine"):
        predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="bf16")
    assert predict.precision == "fp32"
    expected = plain_score(model, before, after)
    torch.testing.assert_close(predict(before, after, valid), expected, rtol=0, atol=1e-5)


@needs_fusion
def test_wrong_fused_layers_are_left_out(model, monkeypatch):
    def spoil(self, x, shortcut=None):
        return self.conv(x)

    monkeypatch.setattr(FusedConv, "forward", spoil)
    for name in ("bf16", "fp32"):
        prepared = prepare(model, CPU, name)
        assert prepared.precision == name
        assert not any(isinstance(module, FusedConv) for module in prepared.model.modules())


def test_a_precision_that_the_build_lacks_falls_back(model, monkeypatch):
    honest = precision._check_logits

    def refuse(network, device, dtype):
        if dtype == torch.float16:
            msg = '"conv" not implemented for Half'
            raise RuntimeError(msg)
        return honest(network, device, dtype)

    monkeypatch.setattr(precision, "_check_logits", refuse)
    with pytest.warns(DataWarning, match="fp16 gives other scores"):
        assert prepare(model, CPU, "fp16").precision == "fp32"


def test_automatic_precision_follows_the_processor(model, monkeypatch):
    for can, expected in (({"amx_bf16": True}, "bf16"), ({"avx512_bf16": False}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda can=can: can, raising=False)
        assert choose_precision(CPU) == expected
        assert prepare(model, CPU).precision == expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert choose_precision(CPU) == "fp32"


def test_unknown_names_are_refused(model):
    with pytest.raises(UsageError, match="unknown precision 'bf61'; did you mean 'bf16'"):
        prepare(model, CPU, "bf61")
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        choose_device("gpu")


def test_a_gpu_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    with pytest.raises(UsageError, match="torch sees no GPU; choose 'cpu' or 'auto'"):
        choose_device("cuda")


def test_pixels_are_scaled_as_in_training(model):
    scalings = Scaling((100.0, 5.0), (20.0, 0.5)), Scaling((90.0, 4.0), (10.0, 0.7))
    dates = [
        np.random.default_rng(i).normal(95, 30, (1, 2, 72, 80)).astype(np.float32) for i in (0, 1)
    ]
    scaled = [torch.from_numpy(s.apply(d)) for s, d in zip(scalings, dates, strict=True)]
    predict = Predictor(model, scalings, device="cpu", precision="fp32")
    found = predict(*map(torch.from_numpy, dates), torch.ones(1, 72, 80, dtype=torch.bool))
    torch.testing.assert_close(found, plain_score(model, *scaled), rtol=0, atol=1e-5)


def test_temperature_divides_logits(model):
    before, after, valid = pair()
    cool = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32", temperature=2.5)
    with torch.inference_mode():
        expected = (model(before, after) / 2.5).sigmoid()[:, 0]
    torch.testing.assert_close(cool(before, after, valid), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("fill", [torch.nan, torch.inf, -3e38, 7.0])
def test_what_invalid_pixels_hold_does_not_matter(model, fill):
    before, after, valid = pair(height=130)
    valid[:, 40:90, 20:70] = False
    predict = Predictor(model, (UNIT, UNIT), device="cpu")
    expected = predict(before, after, valid)
    spoilt = before.clone()
    spoilt[:, :, 40:90, 20:70] = fill
    found = predict(spoilt, after, valid)
    assert torch.equal(found, expected)
    assert bool(torch.isfinite(found).all())


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 30), (65, 64)])
def test_an_image_of_any_size_ends_where_it_ends(model, height, width):
    before, after, valid = pair(height=height, width=width)
    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32")
    edge = (0, -width % 8, 0, -height % 8)
    padded = [torch.nn.functional.pad(x, edge) for x in (before, after, valid)]
    with model.keep_to(padded[2]):
        expected = plain_score(model, *padded[:2])[..., :height, :width]
    torch.testing.assert_close(predict(before, after, valid), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", [slice(16, 60), slice(8, 64), slice(0, 0)])
@pytest.mark.parametrize("flips", [False, True])
def test_what_lies_beyond_the_image_is_as_if_it_were_not_there(model, rows, flips):
    before, after, valid = pair(count=2)
    cols = slice(24, 96)
    valid[:] = False
    valid[:, rows, cols] = True
    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32", flips=flips)
    part = [x[..., rows, cols].contiguous() for x in (before, after, valid)]
    found = predict(before, after, valid)
    assert found.shape == valid.shape
    if part[2].numel():
        expected = predict(*part)
        torch.testing.assert_close(found[:, rows, cols], expected, rtol=0, atol=1e-6)


def test_flips_are_averaged(model):
    before, after, valid = pair(height=60, width=90)
    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32", flips=True)
    edge = (0, -90 % 8, 0, -60 % 8)
    *size, known = (torch.nn.functional.pad(x, edge) for x in (before, after, valid))
    scores = []
    for axes in ((), (2,), (3,), (2, 3)):
        with model.keep_to(known.flip([axis - 1 for axis in axes])):
            flipped = plain_score(model, *(d.flip(axes) for d in size))
        scores.append(flipped.flip([axis - 1 for axis in axes])[..., :60, :90])
    expected = torch.stack(scores).mean(0)
    torch.testing.assert_close(predict(before, after, valid), expected, rtol=0, atol=1e-5)


class Cramped:
    """A network in a memory that holds two tiles."""

    def __init__(self, run, error, most=2):
        self.run, self.error, self.most, self.sizes = run, error, most, []

    def __call__(self, before, after):
        self.sizes.append(len(before))
        if len(before) > self.most:
            raise self.error
        return self.run(before, after)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_large_batches_are_halved_and_the_size_is_kept(model, error):
    before, after, valid = pair(count=7, height=16, width=16)
    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32")
    expected = predict(before, after, valid)
    predict._run = cramped = Cramped(predict._run, error)
    torch.testing.assert_close(predict(before, after, valid), expected, rtol=0, atol=1e-6)
    assert cramped.sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1] or cramped.sizes[:2] == [7, 3]
    assert predict.batch_size == 1
    cramped.sizes.clear()
    predict(before, after, valid)
    assert cramped.sizes == [1] * 7


def test_one_tile_that_does_not_fit_is_told(model):
    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32")
    predict._run = Cramped(predict._run, torch.OutOfMemoryError(""), most=0)
    with pytest.raises(ResourceError, match="one tile of 64 x 96 px does not fit"):
        predict(*pair())


def test_other_errors_are_not_taken_for_memory(model):
    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32")
    predict._run = Cramped(predict._run, RuntimeError("shape mismatch"), most=0)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        predict(*pair())
    assert not is_out_of_memory(ValueError("can't"))


def test_only_tiles_that_are_seen_whole_are_compiled_for(model, monkeypatch):
    """Those at the edge of an image come first, and in many sizes."""
    shapes = []

    def compiled(before, after):
        shapes.append(before.shape[-2:])
        return plain(before, after)

    predict = Predictor(model, (UNIT, UNIT), device="cpu", precision="fp32", compiled=True)
    plain = predict._plain
    monkeypatch.setattr(torch, "compile", lambda _: compiled)
    monkeypatch.setattr(compiling, "_time", lambda run, _: 1 if run is compiled else 2)
    before, after, valid = pair()
    corner = valid.clone()
    corner[:, :16] = False
    known = predict(before, after, corner)
    assert not shapes
    expected = predict(before, after, valid)
    assert set(shapes) == {(64, 96)}
    count = len(shapes)
    predict(before[..., :32], after[..., :32], valid[..., :32])
    torch.testing.assert_close(predict(before, after, corner), known)
    assert len(shapes) == count
    torch.testing.assert_close(predict(before, after, valid), expected)
    assert len(shapes) == count + 1

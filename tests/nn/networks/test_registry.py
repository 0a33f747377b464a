import pytest
import torch
from torch import nn

from geochange.errors import BandError, UsageError
from geochange.nn.networks.cost import count_flop_per_px, count_parameters
from geochange.nn.networks.registry import build_model, list_models
from geochange.nn.networks.siamese import EarlyFusionNet
from geochange.nn.parts.layers import ConvBlock

SMALL = {
    "attention": {"widths": (8, 8, 12), "decoder_width": 8},
    "bit": {"widths": (8, 12, 16), "width": 8, "layers": (1, 1), "heads": 2},
    "fc-ef": {"widths": (4, 8)},
    "fc-siam-conc": {"widths": (4, 8)},
    "fc-siam-diff": {"widths": (4, 8)},
    "siamese": {"widths": (8, 12), "depths": (1, 1)},
    "snunet": {"width": 8},
    "tinysiam": {"widths": (8, 12, 16)},
    "unet": {"widths": (4, 8), "depths": (1, 2)},
}
SYMMETRIC = {"attention", "bit", "fc-siam-diff", "siamese", "tinysiam"}


def small(name, bands=3):
    return build_model(name, bands, **SMALL[name])


def dates(model, height=32, width=64, count=2):
    return [torch.randn(count, bands, height, width) for bands in model.recipe.bands]


def test_names_are_sorted_and_all_are_tested():
    assert list_models("pixels") == tuple(sorted(SMALL))


@pytest.mark.parametrize("bands", [1, 3, (3, 1), (2, 13)])
@pytest.mark.parametrize("name", list_models("pixels"))
def test_logits_have_the_shape_of_the_dates(name, bands):
    model = small(name, bands).eval()
    logits = model(*dates(model))
    assert logits.shape == (2, 1, 32, 64)
    assert bool(torch.isfinite(logits).all())


@pytest.mark.parametrize("name", list_models("pixels"))
def test_swapping_the_dates_matters_only_where_it_should(name, shake):
    model = shake(small(name)).double()
    before, after = (date.double() for date in dates(model))
    same = torch.allclose(model(before, after), model(after, before), atol=1e-12)
    assert same == model.symmetric == (name in SYMMETRIC)


@pytest.mark.parametrize("name", sorted(SYMMETRIC))
def test_dates_of_different_bands_cannot_be_swapped(name):
    assert not small(name, (3, 1)).symmetric


@pytest.mark.parametrize("bands", [3, (3, 1)])
@pytest.mark.parametrize("name", sorted(set(list_models("pixels")) - {"fc-ef", "unet"}))
def test_both_dates_go_through_the_same_weights(name, bands):
    model = small(name, bands).eval()
    seen = {}

    def remember(module, inputs, output):
        seen.setdefault(id(module), []).append((id(module.weight), inputs[0].clone()))

    for module in model.encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(remember)
    model(*dates(model))
    assert seen
    for calls in seen.values():
        (first, before), (second, after) = calls
        assert first == second
        assert not torch.equal(before, after)
    names = [n for n, _ in model.named_parameters(remove_duplicate=False)]
    assert len(names) == len({id(p) for p in model.parameters()})


@pytest.mark.parametrize("bands", [3, (3, 1)])
@pytest.mark.parametrize("name", list_models("pixels"))
def test_training_reaches_every_weight(name, bands):
    model = small(name, bands).train()
    for parameter in (p for n, p in model.named_parameters() if "gate" in n):
        parameter.data.abs_()  # so that no ReLU between two units is dead by chance
    sum(logits.square().mean() for logits in model.deep(*dates(model))).backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    last = "over.0.feed.2.bias"  # of bit: added to both dates just before their difference
    assert set(idle) <= ({last} if name == "bit" else set())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", list_models("pixels"))
def test_deep_logits_fall_in_resolution_and_begin_with_the_full_one(name):
    model = small(name).eval()
    pair = dates(model)
    deep = model.deep(*pair)
    assert torch.equal(deep[0], model(*pair))
    sizes = [logits.shape[-1] for logits in deep]
    assert sizes == sorted(set(sizes), reverse=True)
    assert all(logits.shape[:2] == (2, 1) for logits in deep)
    assert (len(deep) > 1) == (name in {"attention", "siamese", "tinysiam"})


@pytest.mark.parametrize("name", list_models("pixels"))
def test_features_of_each_date_are_there_for_siamese_networks(name):
    model = small(name).eval()
    features = model.trace(*dates(model)).features
    if isinstance(model, EarlyFusionNet):
        assert features is None
    else:
        assert features[0].shape == features[1].shape
        assert features[0].shape[0] == 2


def test_in_training_both_dates_share_one_batch_of_statistics():
    model = small("tinysiam").train()
    before, after = dates(model)
    norm = model.encoder.levels[0][0].norm
    conv = model.encoder.levels[0][0].conv
    model(before, after)
    both = conv(torch.cat([before, after]))
    assert int(norm.num_batches_tracked) == 1
    assert torch.allclose(norm.running_mean, 0.1 * both.mean((0, 2, 3)), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "bands", "millions"),
    [
        ("fc-ef", 3, 1.35),  # as the papers of BIT and ChangeFormer count them
        ("fc-siam-diff", 3, 1.35),
        ("fc-siam-conc", 3, 1.55),
        ("snunet", 3, 3.01),
    ],
)
def test_networks_of_the_literature_have_their_published_size(name, bands, millions):
    assert count_parameters(build_model(name, bands)) / 1e6 == pytest.approx(millions, abs=0.0061)


@pytest.mark.parametrize("bands", [3, 4, 13])
def test_the_flagship_keeps_its_budget(bands):
    model = build_model("tinysiam", bands)
    assert count_parameters(model) <= 500_000
    assert count_flop_per_px(model) <= 20_000
    assert model.radius <= 64
    kinds = {type(module) for module in model.modules()}
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert kinds & {nn.InstanceNorm2d, nn.AdaptiveAvgPool2d, nn.GroupNorm, nn.LayerNorm} == set()
    assert all(conv.groups == 1 for conv in convolutions)
    assert model.encoder.levels[0][0].conv.stride == (2, 2)


def test_cost_of_one_convolution_is_what_pencil_and_paper_say():
    model = build_model("tinysiam", 1)
    before = count_flop_per_px(model)
    first = model.encoder.levels[0]
    first.append(ConvBlock(16, 16))
    assert count_flop_per_px(model) - before == 2 * 2 * 9 * 16 * 16 / 4
    assert model.training


@pytest.mark.parametrize("name", list_models("pixels"))
def test_wrong_bands_and_sizes_are_refused_in_one_line(name):
    model = small(name, (3, 2))
    with pytest.raises(BandError, match=r"takes 3 and 2 bands, the dates have 3 and 3"):
        model(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
    with pytest.raises(UsageError, match=rf"multiples of {model.stride}, got 33 x 32"):
        model(torch.zeros(1, 3, 33, 32), torch.zeros(1, 2, 33, 32))
    with pytest.raises(UsageError, match="equal at both dates"):
        model(torch.zeros(1, 3, 32, 32), torch.zeros(1, 2, 32, 64))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("tinysam", 3), {}, "unknown network 'tinysam'; did you mean 'tinysiam'"),
        (("tinysiam", 3), {"width": 3}, "no option 'width'; did you mean 'widths'"),
        (("tinysiam", 3), {"widths": (8, 8)}, "one entry for each level"),
        (("tinysiam", 3), {"widths": (8, -8, 8)}, "whole number of 1 to 4096"),
        (("tinysiam", 3), {"widths": (8.0, 8, 8)}, "whole number"),
        (("tinysiam", 3), {"widths": ()}, "one entry for each level"),
        (("tinysiam", 3), {"depths": (1, 1, 10**9)}, "0 to 64"),
        (("tinysiam", 3), {"widths": (8,) * 9}, "at most 8"),
        (("tinysiam", 3), {"fusion": "diference"}, "did you mean 'difference'"),
        (("tinysiam", 3), {"fusion": ("sum",)}, "1 fusions for 3 levels"),
        (("tinysiam", 0), {}, "option 'bands'"),
        (("tinysiam", (3, True)), {}, "option 'bands'"),
        (("unet", 3), {"depths": (0, 1, 1, 1)}, "at least one convolution"),
        (("siamese", 3), {"depths": (0, 1, 1)}, "at least one block"),
        (("siamese", 3), {"decoder": "vnet"}, "did you mean 'unet'"),
        (("siamese", 3), {"encoder": "resnt"}, "did you mean 'resnet'"),
        (("bit", 3), {"heads": 5}, "cannot be built"),
        (("bit", 3), {"layers": (1, 65)}, "0 to 64"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(arguments, options, message):
    with pytest.raises(UsageError, match=message) as caught:
        build_model(*arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoder", ["strided", "vgg", "resnet"])
@pytest.mark.parametrize("decoder", ["pyramid", "unet"])
def test_parts_combine(encoder, decoder):
    model = build_model(
        "siamese", 2, encoder=encoder, decoder=decoder, widths=(8, 12, 16), depths=(1, 1, 1)
    )
    assert model(*dates(model)).shape == (2, 1, 32, 64)
    assert model.recipe.options["encoder"] == encoder

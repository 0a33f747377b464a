import pytest
import torch
from torch import nn

from geochange.nn.networks.receptive_field import measure_radius
from geochange.nn.networks.registry import build_model, list_models
from geochange.nn.parts.layers import fold_batch_norm

LOCAL = {
    "attention": {"widths": (8, 8, 12), "decoder_width": 8},
    "fc-ef": {"widths": (4, 8, 8)},
    "fc-siam-conc": {"widths": (4, 8, 8)},
    "fc-siam-diff": {"widths": (4, 8, 8)},
    "siamese": {"widths": (8, 12), "depths": (1, 1), "decoder": "unet"},
    "tinysiam": {},
    "unet": {"widths": (4, 8), "depths": (1, 2)},
}


def brute_radius(model, axis):
    """Farthest pixel that a pixel changes in fact, over all phases, in float64."""
    size, step = 256, model.stride
    shape = [1, 0, step, step]
    shape[axis] = size
    dates = []
    for shape[1] in model.recipe.bands:
        dates.append(torch.randn(shape, dtype=torch.float64))
    radius = 0
    with torch.inference_mode():
        plain = model(*dates)
        for place in range(size // 2, size // 2 + step):
            moved = [date.clone() for date in dates]
            for date in moved:
                date.select(axis, place).add_(torch.randn(()) * 100)
            changed = (model(*moved) != plain).transpose(axis, 3).flatten(0, 2).any(0)
            places = changed.nonzero()
            radius = max(radius, int((places - place).abs().max()))
    return radius


@pytest.mark.parametrize("name", sorted(LOCAL))
def test_the_radius_is_never_too_small_and_hardly_too_large(name, shake):
    model = shake(build_model(name, 2, **LOCAL[name]))
    found = max(brute_radius(model.double(), axis) for axis in (2, 3))
    assert found <= model.radius <= found + model.stride


def test_the_flagship_reach_is_what_pencil_and_paper_say():
    down = 1 + 2 + 2 + 4 + 4 + 8 + 8  # strided and plain convolutions, half a kernel each
    up = 8 + 8 + 4 + 2
    within_a_cell = 7
    assert build_model("tinysiam", 1).radius in range(down + up, down + up + within_a_cell + 1)


@pytest.mark.parametrize("name", ["bit", "snunet"])
def test_networks_that_look_at_the_whole_image_have_no_radius(name):
    small = {"bit": {"widths": (8, 8)}, "snunet": {"width": 2}}[name]
    small |= {"depths": (1, 1), "width": 8} if name == "bit" else {}
    assert build_model(name, 1, **small).radius is None


def test_one_global_fusion_takes_the_radius_away():
    assert build_model("tinysiam", 1, fusion="channel").radius is None


def test_measuring_leaves_the_network_alone():
    model = build_model("tinysiam", 1)
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    measure_radius(model)
    assert model.training
    assert all(torch.equal(kept[name], tensor) for name, tensor in model.state_dict().items())


def test_the_radius_counts_rows_as_well_as_columns():
    model = build_model("tinysiam", 1)
    tall = nn.Conv2d(16, 16, (33, 1), padding=(16, 0))
    model.encoder.levels[0].append(tall)
    assert model.radius == 58 + 32


@pytest.mark.parametrize("name", ["tinysiam", "attention", "fc-siam-diff"])
@pytest.mark.parametrize(("core", "height", "width"), [(64, 160, 224), (48, 130, 90)])
def test_tiles_with_halo_score_as_the_whole_image(name, core, height, width, shake):
    """Cores of any size; reads begin at multiples of the stride."""
    model = shake(build_model(name, 2, **LOCAL[name]))
    step, halo = model.stride, -(-model.radius // model.stride) * model.stride
    inner = [torch.randn(1, 2, height, width) for _ in range(2)]
    margin = (halo, halo - width % step + step, halo, halo - height % step + step)
    before, after = (nn.functional.pad(date, margin) for date in inner)
    with torch.inference_mode():
        whole = model(before, after)
        for row in range(0, height, core):
            for col in range(0, width, core):
                top, left = (n // step * step for n in (row, col))
                edge = -(-(core + 2 * halo + step) // step) * step
                cut = (..., slice(top, top + edge), slice(left, left + edge))
                tile = model(before[cut], after[cut])
                rows, cols = (slice(n + halo, n + halo + core) for n in (row, col))
                expected = whole[..., rows, cols]
                found = tile[..., row + halo - top :, col + halo - left :]
                found = found[..., : expected.shape[-2], : expected.shape[-1]]
                assert torch.allclose(found, expected, rtol=0, atol=1e-5)


def test_a_halo_one_step_too_small_shows(shake):
    model = shake(build_model("tinysiam", 2)).double()
    halo = model.radius // model.stride * model.stride - 16
    before, after = (torch.randn(1, 2, 256, 256, dtype=torch.float64) for _ in range(2))
    with torch.inference_mode():
        whole = model(before, after)[..., 128:136, 128:136]
        cut = (..., slice(128 - halo, 136 + halo), slice(128 - halo, 136 + halo))
        tile = model(before[cut], after[cut])[..., halo : halo + 8, halo : halo + 8]
    assert float((whole - tile).abs().max()) > 1e-8


def test_folding_changes_nothing_but_the_layers(shake):
    for name in list_models("pixels"):
        options = {"width": 4} if name == "snunet" else {}
        model = shake(build_model(name, 2, **options)).double()
        dates = [torch.randn(1, 2, 32, 32, dtype=torch.float64) for _ in range(2)]
        with torch.inference_mode():
            plain = model(*dates)
            fold_batch_norm(model)
            assert torch.allclose(model(*dates), plain, atol=1e-10)

"""Losses against plain numpy, pixel by pixel."""

import itertools

import numpy as np
import pytest
import torch

from geochange.errors import UsageError
from geochange.nn.learning.losses import KINDS, build_loss
from geochange.nn.learning.lossterms import jaccard_steps
from geochange.nn.networks.registry import build_model

SPECS = ["bce", "ce", "dice", "focal:2", "focal:0", "tversky:0.3,0.7", "lovasz", "ohem:0.25"]


def batch(seed=0, shape=(2, 6, 5), change=0.3, ignored=0.2):
    rng = np.random.default_rng(seed)
    target = (rng.random(shape) < change).astype(np.uint8)
    target[rng.random(shape) < ignored] = 255
    logits = rng.normal(0, 2, shape)
    return logits, target


def to_torch(logits, target):
    return torch.tensor(logits[:, None], requires_grad=True), torch.tensor(target)


def number(loss):
    return float(loss.detach())


def entropy(z, t):
    p = 1 / (1 + np.exp(-z))
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def lovasz_by_definition(z, t):
    """Sum of errors times the growth of the Jaccard loss of the set of the worst ones."""
    errors = np.maximum(0, 1 - z * (2 * t - 1))
    order = np.argsort(-(1 - z * (2 * t - 1)))

    def jaccard_loss(wrong):
        flipped = t.copy()
        flipped[wrong] = 1 - flipped[wrong]
        union = np.sum((t + flipped) > 0)
        return 1 - np.sum(t * flipped) / union if union else 0.0

    sets = [jaccard_loss(order[:count]) for count in range(len(order) + 1)]
    return float(np.sum(errors[order] * np.diff(sets)))


def expected(spec, logits, target, weights=(1.0, 1.0)):
    counted = target != 255
    z, t = logits[counted], target[counted].astype(float)
    w = np.where(t == 1, weights[1], weights[0])
    p = 1 / (1 + np.exp(-z))
    name, _, numbers = spec.partition(":")
    values = [float(n) for n in numbers.split(",")] if numbers else []
    if name == "bce":
        return np.mean(w * entropy(z, t))
    if name == "ce":
        return np.sum(w * entropy(z, t)) / np.sum(w)
    if name == "dice":
        return 1 - (2 * np.sum(p * t) + 1) / (np.sum(p) + np.sum(t) + 1)
    if name == "focal":
        right = np.where(t == 1, p, 1 - p)
        return np.mean(w * (1 - right) ** values[0] * -np.log(right))
    if name == "tversky":
        hit, alarm, miss = np.sum(p * t), np.sum(p * (1 - t)), np.sum((1 - p) * t)
        return 1 - (hit + 0.5) / (hit + values[0] * alarm + values[1] * miss + 0.5)
    if name == "lovasz":
        return lovasz_by_definition(z, t)
    worst = np.sort(w * entropy(z, t))[::-1]
    return np.mean(worst[: round(values[0] * len(worst))])


@pytest.mark.parametrize("weights", [None, (1.0, 5.0)])
@pytest.mark.parametrize("spec", SPECS)
def test_a_loss_is_what_numpy_computes(spec, weights):
    for seed in range(3):
        logits, target = batch(seed)
        found = build_loss(spec, class_weights=weights)(*to_torch(logits, target))
        assert number(found) == pytest.approx(
            expected(spec, logits, target, weights or (1.0, 1.0)), rel=1e-5
        )


def test_a_sum_is_the_sum_of_its_parts():
    logits, target = batch()
    found = build_loss("bce + 0.5*lovasz+2*tversky:0.3,0.7")(*to_torch(logits, target))
    parts = {"bce": 1, "lovasz": 0.5, "tversky:0.3,0.7": 2}
    total = sum(factor * expected(spec, logits, target) for spec, factor in parts.items())
    assert number(found) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("spec", [*SPECS, "bce+dice+0.5*lovasz"])
def test_ignored_pixels_have_no_say(spec):
    logits, target = batch()
    moved = np.where(target == 255, logits + 50, logits)
    loss = build_loss(spec)
    before, after = to_torch(logits, target), to_torch(moved, target)
    value = loss(*before)
    assert number(value) == pytest.approx(number(loss(*after)), rel=1e-6)
    value.backward()
    assert not before[0].grad[:, 0][before[1] == 255].any()
    assert before[0].grad[:, 0][before[1] != 255].any()


def test_the_ignored_value_can_be_chosen():
    logits, target = batch(ignored=0)
    other = np.where(np.arange(5) < 2, 7, target).astype(np.uint8)
    found = build_loss("bce", ignore=7)(*to_torch(logits, other))
    assert number(found) == pytest.approx(expected("bce", logits[..., 2:], target[..., 2:]))


def features(shape=(2, 4, 3, 5), seed=1):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, generator=generator, requires_grad=True) for _ in range(2))


@pytest.mark.parametrize("spec", [*SPECS, "contrastive"])
@pytest.mark.parametrize("value", [0, 1, 255])
@pytest.mark.parametrize("scale", [1.0, 80.0])
def test_batches_of_one_kind_are_finite_with_finite_gradients(spec, value, scale):
    logits, _ = batch()
    target = np.full(logits.shape, value, np.uint8)
    z, t = to_torch(logits * scale, target)
    pair = features()
    loss = build_loss(spec)(z, t, pair)
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(z.grad).all())
    assert all(bool(torch.isfinite(date.grad).all()) for date in pair if date.grad is not None)
    if value == 255:
        assert number(loss) == 0
        assert not z.grad.any()


@pytest.mark.parametrize("spec", SPECS)
def test_gradients_are_those_of_finite_differences(spec):
    logits, target = batch(shape=(1, 3, 3))
    z, t = (
        torch.tensor(logits[:, None], dtype=torch.float32, requires_grad=True),
        torch.tensor(target),
    )
    build_loss(spec)(z, t).backward()
    for row, col in itertools.product(range(3), range(3)):
        if target[0, row, col] == 255:
            continue
        sides = []
        for step in (-1e-4, 1e-4):
            moved = logits.copy()
            moved[0, row, col] += step
            sides.append(expected(spec, moved, target))
        slope = (sides[1] - sides[0]) / 2e-4
        assert float(z.grad[0, 0, row, col]) == pytest.approx(slope, abs=2e-4)


@pytest.mark.parametrize("spec", ["dice", "lovasz", "bce", "focal:2"])
def test_a_perfect_answer_costs_nothing_and_a_wrong_one_much(spec):
    _, target = batch(ignored=0)
    loss = build_loss(spec)
    right = np.where(target == 1, 30.0, -30.0)
    assert number(loss(*to_torch(right, target))) < 1e-6
    assert number(loss(*to_torch(-right, target))) > 0.5


def test_dice_of_nothing_to_find_and_nothing_found_is_0():
    _, target = batch(ignored=0)
    nothing = np.full(target.shape, -40.0)
    assert number(build_loss("dice")(*to_torch(nothing, np.zeros_like(target)))) == pytest.approx(0)


def test_half_precision_logits_lose_nothing():
    logits, target = batch()
    half = torch.tensor(logits[:, None], dtype=torch.float16)
    found = build_loss("bce+dice+lovasz+focal:2")(half, torch.tensor(target))
    assert found.dtype == torch.float32
    rounded = half[:, 0].numpy().astype(float)
    specs = ["bce", "dice", "lovasz", "focal:2"]
    total = sum(expected(spec, rounded, target) for spec in specs)
    assert number(found) == pytest.approx(total, rel=1e-5)


def test_the_contrastive_loss_is_what_numpy_computes():
    _, target = batch(shape=(2, 6, 5))
    pair = features((2, 4, 6, 5))
    found = build_loss("contrastive:1.5")(torch.zeros(2, 1, 6, 5), torch.tensor(target), pair)
    before, after = (date.detach().numpy() for date in pair)
    distance = np.sqrt(((before - after) ** 2).sum(1))
    alike, unlike = distance[target == 0], distance[target == 1]
    near, far = np.mean(alike**2), np.mean(np.maximum(0, 1.5 - unlike) ** 2)
    assert number(found) == pytest.approx((near + far) / 2, rel=1e-5)


def test_the_contrastive_loss_takes_features_of_lower_resolution():
    target = torch.zeros(1, 8, 8, dtype=torch.uint8)
    target[:, :, 4:] = 1
    same = torch.zeros(1, 3, 2, 2)
    apart = same.clone()
    apart[..., 1] = 1.2
    loss = build_loss("contrastive")
    logits = torch.zeros(1, 1, 8, 8)
    assert number(loss(logits, target, (same, apart))) < number(loss(logits, target, (same, same)))
    far_everywhere = loss(logits, target, (same, same + 10))
    assert number(far_everywhere) > number(loss(logits, target, (same, same)))


def test_the_contrastive_loss_reaches_the_encoder_of_a_network():
    model = build_model("fc-siam-diff", 1, widths=(4, 8)).train()
    dates = [torch.randn(1, 1, 16, 16) for _ in range(2)]
    target = torch.randint(0, 2, (1, 16, 16)).to(torch.uint8)
    trace = model.trace(*dates)
    build_loss("contrastive")(trace.logits[0], target, trace.features).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.encoder.parameters())


def test_the_contrastive_loss_asks_for_features():
    loss = build_loss("bce+0.1*contrastive")
    assert loss.needs_features
    assert not build_loss("bce").needs_features
    with pytest.raises(UsageError, match="choose a siamese network"):
        loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.uint8))


def test_steps_of_the_jaccard_loss_sum_to_the_loss_of_all_wrong():
    truth = torch.tensor([1.0, 0, 0, 1, 0])
    assert float(jaccard_steps(truth).sum()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bse", "unknown loss 'bse' in 'bse'; did you mean 'bce'"),
        ("", "unknown loss ''"),
        ("bce+", "unknown loss ''"),
        ("focal:x", "'x' in loss 'focal:x' is not a number"),
        ("focal:1,2", "takes 1 numbers"),
        ("bce:1", "takes 0 numbers"),
        ("tversky:0.3", "takes 2 numbers"),
        ("ohem:0", "from 1e-06 to 1, got 0"),
        ("ohem:nan", "from 1e-06 to 1"),
        ("focal:-1", "from 0 to 10"),
        ("0*bce", "got 0"),
        ("x*bce", "'x' in loss"),
    ],
)
def test_bad_specifications_are_refused_in_one_line(spec, message):
    with pytest.raises(UsageError, match=message) as caught:
        build_loss(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 0.0), (1.0, 2.0, 3.0)])
def test_bad_class_weights_are_refused(weights):
    with pytest.raises(UsageError, match="two numbers above 0"):
        build_loss("bce", class_weights=weights)


def test_every_kind_is_tested():
    assert set(KINDS) == {spec.partition(":")[0] for spec in SPECS} | {"contrastive"}

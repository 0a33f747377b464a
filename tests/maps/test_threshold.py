import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import threshold_otsu, threshold_triangle

from geochange.errors import UsageError
from geochange.io.stores.score import SCORE_LEVELS, SCORE_SCALE, encode_score
from geochange.maps.threshold import (
    choose_threshold,
    kapur_level,
    least_threshold,
    threshold_names,
)


def histogram(score):
    return np.bincount(encode_score(score.astype(np.float32)), minlength=SCORE_LEVELS)


def score_from_sigma(sigma):
    return sigma / (sigma + 3)


def mixture(seed, share, size=60_000, noise=1.0):
    rng = np.random.default_rng(seed)
    changed = rng.random(size) < share
    sigma = np.where(changed, rng.normal(12, 2, size), np.abs(rng.normal(0, noise, size)))
    return np.abs(sigma), changed


def f1(mask, truth):
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.floats(0.01, 0.6))
def test_otsu_equals_scikit_image(seed, share):
    counts = histogram(score_from_sigma(mixture(seed, share)[0]))
    used = np.flatnonzero(counts)
    levels = np.arange(used[0], used[-1] + 1)
    expected = threshold_otsu(hist=(counts[levels].astype(float), levels.astype(float)))
    ours = choose_threshold(counts, "otsu").value / SCORE_SCALE - 1
    both = [round(float(level)) - used[0] for level in (ours, expected)]
    assert variance_between(counts[levels], both[0]) >= (
        variance_between(counts[levels], both[1]) * (1 - 1e-9)
    )


def variance_between(counts, level):
    levels = np.arange(counts.size, dtype=float)
    weight = counts[: level + 1].sum()
    rest = counts.sum() - weight
    below = (counts[: level + 1] * levels[: level + 1]).sum() / weight
    above = (counts[level + 1 :] * levels[level + 1 :]).sum() / rest
    return weight * rest * (above - below) ** 2


@pytest.mark.parametrize("seed", range(5))
def test_triangle_and_rosin_equal_scikit_image(seed):
    rng = np.random.default_rng(seed)
    levels = np.round(rng.gamma(2.0, 3000, 400_000)).clip(0, 60_000).astype(int) // 256
    counts = np.bincount(levels * 256, minlength=SCORE_LEVELS)
    image = levels.astype(np.uint8)
    expected = threshold_triangle(image, nbins=256) * 256
    coarse = counts.reshape(-1)[: 256 * 255].reshape(255, 256).sum(1)
    smooth = np.zeros(SCORE_LEVELS, np.int64)
    smooth[: coarse.size] = coarse
    ours = (choose_threshold(smooth, "triangle").value / SCORE_SCALE - 1) * 256
    assert ours == pytest.approx(expected, abs=256)
    assert choose_threshold(smooth, "rosin").value == choose_threshold(smooth, "triangle").value


def test_kapur_equals_the_definition():
    counts = np.random.default_rng(0).integers(0, 50, 40).astype(float)
    share = counts / counts.sum()

    def entropy(part):
        part = part[part > 0] / part.sum()
        return -(part * np.log(part)).sum()

    totals = [entropy(share[: i + 1]) + entropy(share[i + 1 :]) for i in range(share.size - 1)]
    assert kapur_level(counts) == int(np.argmax(totals))


@pytest.mark.parametrize("degrees", [1, 3, 6, 13])
def test_auto_says_nothing_changed_on_noise(degrees):
    rng = np.random.default_rng(degrees)
    length = np.sqrt(rng.chisquare(degrees, 300_000) / degrees)
    chosen = choose_threshold(histogram(score_from_sigma(length / 2)))
    assert chosen.value is None
    assert chosen.reason.startswith("nothing changed")


@pytest.mark.parametrize("degrees", [1, 3, 6, 13])
def test_auto_calls_hardly_anything_change_in_raw_chi_noise(degrees):
    length = np.sqrt(np.random.default_rng(degrees).chisquare(degrees, 300_000))
    score = score_from_sigma(length)
    value = choose_threshold(histogram(score)).value
    assert value is None or np.mean(score >= value) < 0.004


@pytest.mark.parametrize("share", [0.003, 0.02, 0.2])
def test_auto_is_near_the_best_threshold(share):
    sigma, changed = mixture(7, share, noise=0.5)
    score = score_from_sigma(sigma)
    best = max(f1(score >= value, changed) for value in np.linspace(0.3, 0.9, 61))
    assert f1(score >= choose_threshold(histogram(score)).value, changed) > best - 0.05


@pytest.mark.parametrize("level", [0, 1, 30_000, SCORE_LEVELS - 1])
@pytest.mark.parametrize("rule", ["otsu", "triangle", "rosin", "kapur"])
def test_one_score_everywhere_is_no_change(level, rule):
    counts = np.zeros(SCORE_LEVELS, np.int64)
    counts[level] = 1000
    assert choose_threshold(counts, rule).value is None


def test_no_valid_pixel():
    chosen = choose_threshold(np.zeros(SCORE_LEVELS, np.int64))
    assert chosen.reason == "nothing changed: no pixel is valid"


@pytest.mark.parametrize("rule", ["otsu", "triangle", "rosin", "kapur"])
def test_rules_split_two_classes(rule):
    sigma, _ = mixture(3, 0.2)
    assert 0 < choose_threshold(histogram(score_from_sigma(sigma)), rule).value < 1


def test_a_floor_lets_a_rule_answer_nothing_changed():
    counts = histogram(np.linspace(0, 0.08, 1000))
    assert 0.03 < choose_threshold(counts, "otsu").value < 0.05
    assert choose_threshold(counts, "otsu:0.06").value == 0.06
    assert choose_threshold(counts, "otsu:0.1").value is None


def test_fixed_p_and_hysteresis():
    sigma, _ = mixture(3, 0.2)
    counts = histogram(score_from_sigma(sigma))
    assert choose_threshold(counts, "fixed:0.25").value == 0.25
    assert choose_threshold(counts, "p:0.001", score_at_p=lambda p: 1 - p).value == 0.999
    pair = choose_threshold(counts, "hysteresis:0.4,0.6")
    assert (pair.low, pair.value) == (0.4, 0.6)


@pytest.mark.parametrize(
    ("scores", "low"),
    [
        ({0.1: 980, 0.45: 10, 0.6: 10}, 0.4),
        ({0.1: 900, 0.45: 70, 0.6: 30}, 0.45),
        ({0.1: 900, 0.45: 40, 0.6: 60}, None),
    ],
)
def test_the_best_pixels_join_changes(scores, low):
    counts = histogram(np.repeat(list(scores), list(scores.values())))
    chosen = choose_threshold(counts, "hysteresis")
    assert chosen.value == choose_threshold(counts).value == 0.5
    assert chosen.low == (None if low is None else pytest.approx(low, abs=SCORE_SCALE))


def test_nothing_joins_where_nothing_changed():
    calm = choose_threshold(histogram(np.full(9, 0.45)), "hysteresis")
    assert calm.value is calm.low is None
    assert calm.reason.startswith("nothing changed")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("otzu", "did you mean 'otsu'"),
        ("fixed", "as in 'fixed:0.5'"),
        ("fixed:1.5", "in 0..1"),
        ("fixed:nan", "in 0..1"),
        ("fixed:a", "in 0..1"),
        ("hysteresis:0.4", "as in 'hysteresis:0.4,0.6'"),
        ("hysteresis:0.6,0.4", "swap"),
        ("otsu:3", "as in 'otsu:0.5'"),
        ("auto:0.5", "takes no value"),
        ("p:0.01", "known distribution"),
    ],
)
def test_bad_specifications_are_explained(spec, message):
    with pytest.raises(UsageError, match=message):
        choose_threshold(np.ones(SCORE_LEVELS, np.int64), spec)


def test_names_are_what_is_accepted():
    assert {"auto", "otsu", "hysteresis", "p"} <= set(threshold_names())


RULES = ["auto", "0.3", "fixed:0.7", "otsu", "otsu:0.4", "rosin:0.2", "kapur", "triangle:0.9"]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    share=st.floats(0, 1),
    noise=st.floats(0.1, 9),
    spec=st.sampled_from([*RULES, "hysteresis", "hysteresis:0.1,0.6", "p:0.01"]),
)
def test_no_threshold_is_below_the_least(seed, share, noise, spec):
    counts = histogram(score_from_sigma(mixture(seed, share, 4000, noise)[0]))
    options = {"score_at_p": lambda p: 1 - 20 * p}
    found = choose_threshold(counts, spec, **options)
    least = least_threshold(spec, **options)
    assert least <= min(limit for limit in (1.0, found.value, found.low) if limit is not None)
    assert (least == 0) == (spec in ("otsu", "kapur"))


def test_the_least_of_an_unknown_rule_is_refused():
    with pytest.raises(UsageError, match="unknown threshold"):
        least_threshold("ostu")

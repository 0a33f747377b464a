import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from geochange.detectors.base import plan_tiles
from geochange.detectors.network import NetworkDetector
from geochange.detectors.registry import METHODS, get_detector
from geochange.detectors.suitability import check_pixel_size, choose_bands
from geochange.errors import BandError, DataWarning, InputError, InputNotFoundError, UsageError
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import FixedNormalization, Scaling, SceneNormalization
from geochange.nn.threads import single_threaded
from geochange.testing import ArrayPair, check_detector, score_pair, synthetic_pair

RGB = (Band("red"), Band("green"), Band("blue"))


def fixed(count):
    scaling = Scaling((100.0,) * count, (20.0,) * count)
    return FixedNormalization(scaling, scaling)


@pytest.fixture
def write(tmp_path):
    """Write a network with statistics of its own: ``write(bands, normalization, **card)``."""

    def save(bands=RGB, normalization=None, *, after=None, name="tinysiam", options=None, **card):
        torch.manual_seed(0)
        after = bands if after is None else after
        options = {"widths": (8, 12, 16)} if options is None else options
        model = build_model(name, (len(bands), len(after)), **options)
        for key, tensor in model.state_dict().items():
            if key.endswith("running_mean"):
                tensor.normal_(0, 0.3)
        model.head.conv.weight.data.mul_(5)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.safetensors"
        made = Card("test network", bands, after, normalization or fixed(len(bands)), **card)
        save_checkpoint(path, model, made)
        return str(path)

    return save


@pytest.mark.parametrize("normalization", [fixed(3), SceneNormalization()])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("tinysiam", None),
        ("fc-siam-diff", {"widths": (4, 8)}),
        ("attention", {"widths": (8, 8, 8)}),
        pytest.param(
            "bit",
            {"widths": (4, 8), "depths": (1, 1), "width": 8, "layers": (1, 1), "heads": 2},
            marks=pytest.mark.slow,
        ),
        pytest.param("snunet", {"width": 2}, marks=pytest.mark.slow),
    ],
)
def test_networks_keep_the_contract_of_detectors(write, normalization, name, options):
    """Tiles of 38, 16 and 7 px among it, with a stride of 4 to 128."""
    path = write(RGB, normalization, name=name, options=options)
    check_detector(
        lambda: NetworkDetector(checkpoint=path, precision="fp32"), bands=(3,), unchanged=0.5
    )


@pytest.mark.parametrize("name", ["tinysiam", "unet"])
def test_adapted_networks_keep_the_contract_of_detectors(write, name):
    options = {"widths": (4, 8), "depths": (1, 1)} if name == "unet" else None
    path = write(RGB, name=name, options=options)
    check_detector(
        lambda: NetworkDetector(checkpoint=path, precision="fp32", adapt=0.7),
        bands=(3,),
        unchanged=0.5,
    )


def test_adapting_takes_out_haze_over_one_date(write):
    path = write()
    clear = synthetic_pair((240, 230), bands=3)
    hazy = ArrayPair(clear.before, clear.after * 0.6 + 70)
    scores = {}
    for adapt in (0.0, 1.0):
        for name, pair in (("clear", clear), ("hazy", hazy)):
            detector = NetworkDetector(checkpoint=path, precision="fp32", adapt=adapt)
            detector.fit(pair.blocks(plan_tiles(detector, pair.shape, 100)))
            assert hasattr(detector, "statistics_") == bool(adapt)
            scores[adapt, name] = score_pair(detector, pair, tile_size=240)
    inner = slice(64, -64), slice(64, -64)  # nearer to the border is what lies outside: 0
    apart = [np.abs(scores[a, "hazy"] - scores[a, "clear"])[inner].mean() for a in (0.0, 1.0)]
    assert apart[1] < 0.2 * apart[0], apart


def test_what_cannot_adapt_is_told(write):
    with pytest.raises(UsageError, match="adapt is the share of the scene, 0 to 1, got 2"):
        NetworkDetector(checkpoint=write(), adapt=2.0)
    with pytest.raises(UsageError, match="percentiles of each date of the scene, which adapts"):
        NetworkDetector(checkpoint=write(RGB, SceneNormalization()), adapt=0.5)


def test_sixteen_bits_keep_tiles_close_to_the_whole(write):
    path = write()
    pair = synthetic_pair((200, 170), bands=3)
    detector = NetworkDetector(checkpoint=path, precision="bf16").fit([])
    whole = score_pair(detector, pair, tile_size=200)
    tiled = score_pair(detector, pair, tile_size=50, batch_size=4)
    np.testing.assert_allclose(tiled, whole, atol=0.02)


def test_scores_are_those_of_the_network_on_the_scene_alone(write):
    path = write(temperature=2.0)
    detector = NetworkDetector(checkpoint=path, precision="fp32").fit([])
    pair = synthetic_pair((80, 72), bands=3)
    found = score_pair(detector, pair, tile_size=24, batch_size=2)
    model = detector._load()._run
    dates = [torch.from_numpy((date[None] - 100) / 20) for date in (pair.before, pair.after)]
    with torch.inference_mode():
        logits = model(*dates)[0, 0] / 2
    np.testing.assert_allclose(found, logits.sigmoid().numpy(), atol=1e-5)


def test_reads_begin_at_multiples_of_the_stride(write):
    detector = NetworkDetector(checkpoint=write())
    assert detector.step == 8
    for size in (7, 16, 100):
        for tile in plan_tiles(detector, (300, 210), size):
            assert tile.read.row % 8 == tile.read.col % 8 == tile.read.height % 8 == 0
            inner = tile.core.pad(detector.halo)
            assert tile.read.intersect(inner) == inner


def test_a_task_carries_the_path_and_no_network(write):
    detector = NetworkDetector(checkpoint=write(), precision="fp32").fit([])
    pair = synthetic_pair((32, 32), bands=3)
    score = score_pair(detector, pair, tile_size=32)
    content = pickle.dumps(detector)
    assert len(content) < 5000
    copied = pickle.loads(content)
    assert "_predictor" not in vars(copied)
    np.testing.assert_array_equal(score_pair(copied, pair, tile_size=32), score)


def test_neither_importing_nor_building_loads_torch(write):
    code = (
        "import sys, geochange, geochange.detectors.registry as r;"
        f"d = r.get_detector('network', checkpoint={write()!r}); d.halo, d.threshold;"
        "assert 'torch' not in sys.modules and 'safetensors' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_card_gives_halo_and_threshold(write):
    detector = NetworkDetector(checkpoint=write(threshold=0.35))
    assert detector.threshold == "fixed:0.35"
    assert detector.halo == -(-build_model("tinysiam", 3, widths=(8, 12, 16)).radius // 8) * 8
    assert detector.provenance["weights_sha256"] == detector.card.sha256


def test_the_registry_asks_for_the_checkpoint(write):
    with pytest.raises(UsageError, match=r"needs option 'checkpoint'; add --set checkpoint="):
        get_detector("network")
    assert METHODS["network"].options["checkpoint"] == "(required)"
    assert METHODS["network"].required == ["checkpoint"]
    assert get_detector("network", checkpoint=write()).card.title == "test network"


def test_missing_and_foreign_files_fail_at_once(tmp_path):
    with pytest.raises(InputNotFoundError, match="there is no checkpoint"):
        NetworkDetector(checkpoint=str(tmp_path / "no.safetensors"))
    (tmp_path / "a.pt").write_bytes(b"PK\x03\x04 zip of pickles")
    with pytest.raises(InputError, match="not a safetensors file"):
        NetworkDetector(checkpoint=str(tmp_path / "a.pt"))


def test_bands_are_found_by_role_in_a_scene_of_many(write):
    path = write()
    wide = synthetic_pair((40, 40), bands=5)
    roles = ("nir", "blue", "green", None, "red")
    order = [4, 2, 1]
    narrow = ArrayPair(wide.before[order], wide.after[order])
    many = NetworkDetector(checkpoint=path, roles=roles, precision="fp32")
    few = NetworkDetector(checkpoint=path, precision="fp32").fit([])
    blocks = wide.blocks(plan_tiles(many, wide.shape, 40))
    np.testing.assert_array_equal(
        score_pair(many.fit(blocks), wide, tile_size=40), score_pair(few, narrow, tile_size=40)
    )


def test_a_scene_of_many_bands_is_normalised_by_those_in_use(write):
    path = write(RGB, SceneNormalization())
    wide = synthetic_pair((40, 40), bands=4)
    detector = NetworkDetector(checkpoint=path, roles=("nir", "red", "green", "blue"))
    detector.fit(wide.blocks(plan_tiles(detector, wide.shape, 40)))
    low, high = np.percentile(wide.before[1:].reshape(3, -1), [2, 98], axis=1)
    np.testing.assert_allclose(detector.scalings_[0].centre, (low + high) / 2, rtol=1e-5)


def test_a_second_scene_is_normalised_anew(write):
    detector = NetworkDetector(checkpoint=write(RGB, SceneNormalization()), precision="fp32")
    first = synthetic_pair((40, 40), bands=3)
    second = ArrayPair(first.before * 50 + 7, first.after * 50 + 7)
    scores = []
    for pair in (first, second):
        detector.fit(pair.blocks(plan_tiles(detector, pair.shape, 40)))
        scores.append(score_pair(detector, pair, tile_size=40))
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)


@pytest.mark.parametrize(
    ("names", "roles", "count", "expected"),
    [
        ("rgb", (), 3, [0, 1, 2]),
        ("rgb", (None, None, None), 3, [0, 1, 2]),
        ("rgb", ("blue", "green", "red"), 3, [2, 1, 0]),
        ("rgb", ("blue", "green"), 3, [0, 1, 2]),
        ("ab", ("red", "green"), 2, [0, 1]),
    ],
)
def test_bands_that_fit(names, roles, count, expected):
    full = {"r": "red", "g": "green", "b": "blue"}
    wanted = [Band(full[n] if names == "rgb" else n) for n in names]
    assert choose_bands(wanted, roles, count) == expected


@pytest.mark.parametrize(
    ("roles", "count", "found"),
    [
        ((), 4, "4 without known roles"),
        (("red", "green", "nir"), 3, "red, green, nir"),
        (("red", None, None, "blue"), 4, "red, unknown, unknown, blue"),
    ],
)
def test_bands_that_do_not_fit_are_told(roles, count, found):
    with pytest.raises(
        BandError, match=rf"takes 3 bands \(red, green, blue\), the scene has {found}"
    ):
        choose_bands(RGB, roles, count)


@pytest.mark.parametrize("normalization", [fixed(3), SceneNormalization()])
def test_wrong_bands_are_told_while_fitting(write, normalization):
    detector = NetworkDetector(checkpoint=write(RGB, normalization))
    pair = synthetic_pair((20, 20), bands=4)
    with pytest.raises(BandError, match="takes 3 bands"):
        detector.fit(pair.blocks(plan_tiles(detector, pair.shape, 20)))


def test_dates_may_have_different_bands(write):
    before, after = RGB, (Band("vv"),)
    scalings = FixedNormalization(Scaling((100.0,) * 3, (20.0,) * 3), Scaling((50.0,), (9.0,)))
    path = write(before, scalings, after=after)
    pair = synthetic_pair((40, 40), bands=3)
    mixed = ArrayPair(pair.before, pair.after[:1])
    detector = NetworkDetector(checkpoint=path, roles=("blue", "green", "red"), precision="fp32")
    score = score_pair(
        detector.fit(mixed.blocks(plan_tiles(detector, mixed.shape, 40))), mixed, tile_size=40
    )
    assert bool(np.isfinite(score).all())
    plain = NetworkDetector(checkpoint=path, precision="fp32").fit([])
    turned = ArrayPair(pair.before[::-1].copy(), pair.after[:1])
    np.testing.assert_array_equal(score, score_pair(plain, turned, tile_size=40))


def test_pixel_sizes_far_from_the_training_warn_then_refuse(write):
    path = write(gsd_m=(0.5, 2.0))
    for size in (None, 0.45, 1.0, 2.4):
        NetworkDetector(checkpoint=path, gsd_m=size)
    for size in (0.3, 5.0):
        with pytest.warns(
            DataWarning, match=rf"trained on pixels of 0.5 to 2 m, the scene has {size:g} m"
        ):
            NetworkDetector(checkpoint=path, gsd_m=size)
    for size in (0.1, 10.0):
        with pytest.raises(InputError, match="resample the scene"):
            NetworkDetector(checkpoint=path, gsd_m=size)
    check_pixel_size(99.0, replace(NetworkDetector(checkpoint=path).card, gsd_m=None))


def test_a_batch_of_tiles_skips_the_empty_ones(write, monkeypatch):
    detector = NetworkDetector(checkpoint=write(), precision="fp32").fit([])
    pair = synthetic_pair((16, 16), bands=3)
    before = np.stack([pair.before, np.full_like(pair.before, np.nan), pair.before])
    after = np.stack([pair.after] * 3)
    valid = np.ones((3, 16, 16), bool)
    valid[1] = False
    predict, seen = detector._load(), []
    monkeypatch.setattr(detector, "_load", lambda: lambda *x: seen.append(len(x[0])) or predict(*x))
    score = detector.score(before, after, valid)
    assert seen == [2]
    assert np.isnan(score[1]).all()
    np.testing.assert_array_equal(score[0], score[2])


def test_arrays_that_cannot_be_written_are_read(write):
    detector = NetworkDetector(checkpoint=write(), precision="fp32").fit([])
    pair = synthetic_pair((16, 16), bands=3)
    batch = [array[None].copy() for array in (pair.before, pair.after, pair.valid)]
    expected = detector.score(*batch)
    for array in batch:
        array.setflags(write=False)
    np.testing.assert_array_equal(detector.score(*batch), expected)


def test_many_threads_load_one_network_and_agree(write, monkeypatch):
    path, loads = write(), []
    import geochange.nn.checkpoints.checkpoint as room

    honest = room.load_checkpoint
    monkeypatch.setattr(room, "load_checkpoint", lambda path: loads.append(path) or honest(path))
    detector = NetworkDetector(checkpoint=path, precision="fp32").fit([])
    pair = synthetic_pair((40, 40), bands=3)
    batch = pair.before[None], pair.after[None], pair.valid[None]
    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(lambda _: detector.score(*batch), range(8)))
    assert len(loads) == 1
    for score in scores[1:]:
        np.testing.assert_array_equal(score, scores[0])


def test_threads_of_tiles_use_one_torch_thread_each_and_the_main_one_keeps_its_own():
    count = torch.get_num_threads()
    torch.set_num_threads(2)
    seen = []

    def look():
        with single_threaded():
            seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())

    try:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        look()
        assert seen == [1, 2, 2, 2]
    finally:
        torch.set_num_threads(count)


def test_a_checkpoint_that_changes_during_a_run_is_noticed(write):
    path, other = write(), write(threshold=0.3)
    detector = NetworkDetector(checkpoint=path).fit([])
    with open(other, "rb") as source, open(path, "wb") as target:
        target.write(source.read())
    pair = synthetic_pair((16, 16), bands=3)
    with pytest.raises(InputError, match="has changed since the run began"):
        detector.score(pair.before[None], pair.after[None], pair.valid[None])


def test_flips_reach_the_network(write):
    path = write()
    pair = synthetic_pair((48, 48), bands=3)
    plain, flipped = (
        score_pair(NetworkDetector(checkpoint=path, flips=flips).fit([]), pair, tile_size=48)
        for flips in (False, True)
    )
    assert float(np.abs(plain - flipped).max()) > 1e-3

import threading

import numpy as np
import pytest

import geochange as gc
from geochange.blocks import PairTraits
from geochange.detectors.choosing import name_network, settle_method
from geochange.detectors.methods.cva import CVA
from geochange.detectors.wrappers.broadcast import broadcast
from geochange.detectors.wrappers.composing import build_ensemble
from geochange.detectors.wrappers.ensemble import EnsembleDetector
from geochange.errors import InputError, UsageError
from geochange.testing import check_detector, synthetic_pair
from geochange.tiles import TilePlan


@pytest.mark.parametrize("rule", ["rank-mean", "mean", "max", "min"])
def test_the_contract_is_kept(rule):
    check_detector(lambda: build_ensemble(members="cva+irmad", rule=rule), bands=(1, 3))


def test_a_member_with_a_halo_keeps_the_contract():
    check_detector(lambda: build_ensemble(members="cva+context"), bands=(3,))


def fitted(detector, pair):
    return detector.fit(pair.blocks(TilePlan(pair.shape, 40, detector.halo)))


def test_two_of_a_kind_rank_as_one():
    pair = synthetic_pair((80, 70), bands=3)
    dates = pair.before[None], pair.after[None], pair.valid[None]
    single = fitted(CVA(), pair).score(*dates)[0]
    both = fitted(EnsembleDetector([CVA(), CVA()], rule="rank-mean"), pair).score(*dates)[0]
    order = np.argsort(single.ravel(), kind="stable")
    assert (np.diff(both.ravel()[order]) >= -2e-5).all()
    assert (both >= 0.5).mean() == pytest.approx((single >= 0.5).mean(), abs=2e-3)


def test_a_taker_may_stop_early_and_a_failure_comes_through():
    pair, seen = synthetic_pair((60, 60)), []
    plan = TilePlan(pair.shape, 10)
    broadcast(pair.blocks(plan), [lambda b: next(iter(b)), seen.extend])
    assert [block.tile.index for block in seen] == list(range(36))

    def fail(blocks):
        next(iter(blocks))
        msg = "no more"
        raise InputError(msg)

    with pytest.raises(InputError, match="no more"):
        broadcast(pair.blocks(plan), [fail, list])
    with pytest.raises(ZeroDivisionError):
        broadcast((1 / 0 for _ in range(3)), [list])
    assert not [t for t in threading.enumerate() if "_run" in t.name]


def test_names_are_settled():
    traits = PairTraits(("R", "N"), ("R", "N"), ("red", "nir"), gsd_m=10.0)
    choice = settle_method("context+irmad", {"rule": "max"}, traits)
    assert (choice.name, choice.options["members"]) == ("ensemble", "context+irmad")
    assert choice.options["roles"] == ("red", "nir")
    named = name_network("context+network", "sentinel2", None)
    assert named == ("context+network", {"checkpoint": "sentinel2"})
    detector = build_ensemble(members="cva+network", checkpoint="sentinel2-4", device="cpu")
    assert detector.step == 8
    assert len(detector.provenance["weights_sha256"]) == 64
    assert any(method.name == "ensemble" for method in gc.list_methods())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"members": "cva"}, "two methods or more"),
        ({"members": "cva+ensemble"}, "two methods or more"),
        ({"members": "cva+irmd"}, "did you mean 'irmad'"),
        ({"members": "cva+irmad", "checkpoint": "building"}, "takes a checkpoint"),
        ({"members": "cva+network"}, "needs option 'checkpoint'"),
        ({"members": "cva+irmad", "rule": "median"}, "unknown rule 'median'"),
        ({"members": "cva+irmad", "weights": "1,2,3"}, "give 2 numbers"),
        ({"members": "cva+irmad", "weights": "a"}, "are no numbers"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        build_ensemble(**options)


def test_detect_takes_names_joined_by_a_plus(samples, tmp_path):
    place = samples / "sentinel2"
    result = gc.detect(
        place / "before", place / "after", tmp_path / "out", method="cva+mad", threads=1,
        register="off", normalize="off", products=("score", "mask"),
    )  # fmt: skip
    assert result.run["method"]["options"]["members"] == "cva+mad"
    assert result.threshold == 0.5

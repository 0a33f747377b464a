"""An ONNX file as a detector: the same answers as the checkpoint that it was made of."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import geochange as gc
from geochange.cli import main
from geochange.detectors.network import NetworkDetector
from geochange.errors import BandError, InputError, OutputExistsError, UsageError
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import SceneNormalization
from geochange.testing import check_detector, score_pair, synthetic_pair

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
RGB = (Band("red"), Band("green"), Band("blue"))


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    torch.manual_seed(0)
    model = build_model("tinysiam", 3, widths=(8, 12, 16))
    model.head.conv.weight.data.mul_(5)
    card = Card("test", RGB, RGB, SceneNormalization(), gsd_m=(1, 1), threshold=0.35)
    checkpoint = folder / "net.safetensors"
    save_checkpoint(checkpoint, model, card)
    assert main(["export", str(checkpoint), "-o", str(folder / "net.onnx")]) == 0
    return str(checkpoint), str(folder / "net.onnx")


def test_it_keeps_the_contract_of_detectors(paths):
    check_detector(lambda: NetworkDetector(checkpoint=paths[1]), bands=(3,), unchanged=0.5)


@pytest.mark.parametrize("flips", [False, True])
def test_scores_are_those_of_the_checkpoint(paths, flips):
    pair = synthetic_pair((90, 70), bands=3)
    scores = []
    for path in paths:
        detector = NetworkDetector(checkpoint=path, precision="fp32", flips=flips)
        blocks = pair.blocks(gc.TilePlan(pair.shape, 40, detector.halo, 8))
        scores.append(score_pair(detector.fit(blocks), pair, tile_size=40, batch_size=3))
    assert scores[0].std() > 1e-3
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-4)


def test_halo_step_threshold_and_provenance_come_from_the_card(paths):
    checkpoint, portable = (NetworkDetector(checkpoint=path) for path in paths)
    for name in ("halo", "step", "threshold"):
        assert getattr(checkpoint, name) == getattr(portable, name)
    assert portable.provenance["architecture"] == "tinysiam"
    with pytest.raises(InputError, match="trained on pixels of 1 m, the scene has 10 m"):
        NetworkDetector(checkpoint=paths[1], gsd_m=10.0)
    pair = synthetic_pair((20, 20), bands=4)
    with pytest.raises(BandError, match="takes 3 bands"):
        NetworkDetector(checkpoint=paths[1]).fit(pair.blocks(gc.TilePlan(pair.shape, 20)))


def test_scoring_neither_loads_torch_nor_carries_the_network(paths):
    detector = NetworkDetector(checkpoint=paths[1])
    pair = synthetic_pair((32, 32), bands=3)
    detector.fit(pair.blocks(gc.TilePlan(pair.shape, 32)))
    detector.score(pair.before[None], pair.after[None], pair.valid[None])
    content = pickle.dumps(detector)
    assert len(content) < 5000
    code = (
        "import sys, pickle, numpy as np;"
        f"d = pickle.loads({content!r}); x = np.ones((1, 3, 16, 16), np.float32);"
        "d.score(x, x, np.ones((1, 16, 16), bool)); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_threads_agree_with_the_main_one(paths):
    detector = NetworkDetector(checkpoint=paths[1])
    pair = synthetic_pair((40, 40), bands=3)
    detector.fit(pair.blocks(gc.TilePlan(pair.shape, 40)))
    batch = pair.before[None], pair.after[None], pair.valid[None]
    expected = detector.score(*batch)
    with ThreadPoolExecutor(3) as pool:
        for score in pool.map(lambda _: detector.score(*batch), range(6)):
            np.testing.assert_allclose(score, expected, atol=1e-6)
    assert sorted(detector._load()._sessions) == [0, 1]


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"precision": "bf16"}, {"compiled": True}])
def test_options_that_a_file_cannot_have_are_refused(paths, options):
    with pytest.raises(UsageError, match="an ONNX file runs as it is"):
        NetworkDetector(checkpoint=paths[1], **options)


def test_a_file_that_changes_during_a_run_is_noticed(paths, tmp_path):
    copy = tmp_path / "copy.onnx"
    content = Path(paths[1]).read_bytes()
    copy.write_bytes(content)
    detector = NetworkDetector(checkpoint=str(copy))
    pair = synthetic_pair((16, 16), bands=3)
    detector.fit(pair.blocks(gc.TilePlan(pair.shape, 16)))
    copy.write_bytes(content + b"\x72\x00")  # one more empty metadata entry: the same network
    with pytest.raises(InputError, match="has changed since the run began"):
        detector.score(pair.before[None], pair.after[None], pair.valid[None])


def test_exporting_refuses_what_does_not_fit(paths, tmp_path, capsys):
    with pytest.raises(OutputExistsError):
        gc.export(*paths)
    with pytest.raises(UsageError, match="give a checkpoint"):
        gc.export(tmp_path, tmp_path / "a.onnx")
    with pytest.raises(UsageError, match="for the changes of a run"):
        gc.export(paths[0], tmp_path / "a.onnx", crs="EPSG:4326")
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a safetensors file"):
        gc.export(tmp_path / "no.safetensors", tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()
    assert main(["export", paths[0]]) == 2
    assert "give one output" in capsys.readouterr().err

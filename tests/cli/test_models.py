"""``geochange models`` and ``detect --model`` as a user meets them."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest

import geochange as gc
from geochange.cli import main
from geochange.errors import UsageError
from geochange.nn.checkpoints.card import Band, Card, Metric, TrainingData
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.normalization import FixedNormalization, Scaling, SceneNormalization
from geochange.nn.temporal.registry import build_series_model


def run(capsys, *words):
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def pair(write_raster):
    rng = np.random.default_rng(0)
    before = rng.normal(1000, 200, (4, 60, 70))
    after = before + rng.normal(0, 20, before.shape)
    after[:, 20:40, 20:50] += 1500
    names = ("Blue", "Green", "Red", "NIR")
    return [
        str(write_raster(name, image.clip(1, 9999).astype(np.uint16), names=names))
        for name, image in (("a.tif", before), ("b.tif", after))
    ]


def test_the_list_says_what_for_how_good_and_on_which_terms(capsys, shelf):
    assert "no network is shipped" in run(capsys, "models")[1]
    shelf(
        "building",
        ("red", "green", "blue"),
        title="Buildings in aerial images",
        gsd_m=(2.0, 3.0),
        metrics=(
            Metric("f1", 0.66, "9 scenes"),
            Metric("average_precision", 0.65, "9 scenes"),
            Metric("log_loss", 0.1, "9 scenes"),
            Metric("f1", 0.6, "other town"),
        ),
        training=(TrainingData("one", "CC BY 4.0"), TrainingData("two", "CC BY 4.0")),
    )
    code, out, _ = run(capsys, "models")
    assert code == 0
    assert out.startswith("building        Buildings in aerial images\n")
    assert "red, green, blue; pixels of 2 to 3 m" in out
    assert "F1 0.660, AP 0.650 (9 scenes)" in out
    assert "F1 0.600 (other town)" in out
    assert "training data: one, two (CC BY 4.0)" in out
    assert max(map(len, out.splitlines())) <= 120


def test_a_card_is_shown_whole(capsys, shelf):
    path = shelf("building", ("red", "nir"), threshold=0.3, automatic=False)
    for name in ("building", path):
        code, out, _ = run(capsys, "models", name)
        assert code == 0
        for words in (
            "red, nir",
            "0.3, scores",
            "no: for --model only",
            "halo 64 px",
            "percentiles 2",
        ):
            assert words in out
        assert out.splitlines()[-1].split()[0] == "sha256"
    [row] = json.loads(run(capsys, "models", "building", "--json")[1])
    assert (row["name"], row["threshold"], row["automatic"]) == ("building", 0.3, False)
    assert row["parameters"] > 1000
    code, out, err = run(capsys, "models", "bilding")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "did you mean 'building'?" in err


def test_terms_are_never_cut(capsys, shelf):
    terms = "no commercial use without the written consent of all who took part " * 3
    shelf("town", ("red",), training=(TrainingData("one", terms.strip()),))
    out = " ".join(run(capsys, "models")[1].split())
    assert f"one ({terms.strip()})" in out


def test_a_file_of_ones_own_is_not_said_to_be_chosen_by_auto(capsys, shelf, tmp_path):
    path = shelf("town", ("red",), metrics=(Metric("f1", 0.5, "here"), Metric("odd", 2.0, "here")))
    own = tmp_path / "own" / "town.safetensors"
    own.parent.mkdir()
    own.write_bytes(path.read_bytes())
    assert "taken where it fits" in run(capsys, "models", "town")[1]
    out = run(capsys, "models", own)[1]
    assert "no: a file is used when --model names it" in out
    assert "F1 0.500, odd 2.000 (here)" in out


def test_no_card_is_shown_of_a_file_that_is_cut_off(capsys, shelf, tmp_path):
    whole = shelf("town", ("red",)).read_bytes()
    (tmp_path / "part.safetensors").write_bytes(whole[: len(whole) - 9])
    code, out, err = run(capsys, "models", tmp_path / "part.safetensors")
    assert (code, out) == (4, "")
    assert "part.safetensors is damaged (cut off: " in err


def test_a_network_for_series_is_not_said_to_be_for_images(capsys, tmp_path):
    card = Card("when", (Band("red"),), (Band("red"),), SceneNormalization(), task="series")
    save_checkpoint(tmp_path / "when.safetensors", build_series_model("cnn-lstm", 1), card)
    out = run(capsys, "models", tmp_path / "when.safetensors")[1]
    assert "task        each pixel of many dates\n" in out


def test_values_of_another_kind_are_told(capsys, shelf, pair, tmp_path):
    bytes_ = Scaling((93.0,) * 3, (41.0,) * 3)
    shelf("rgb", ("red", "green", "blue"), normalization=FixedNormalization(bytes_, bytes_))
    code, _, err = run(capsys, "detect", *pair, "-o", tmp_path / "out", "--model", "rgb")
    assert code == 0
    assert err.count("was trained on 8-bit values, the scene holds uint16") == 1


def test_a_damaged_file_is_refused_before_the_run_begins(capsys, shelf, pair, tmp_path):
    path = shelf("rgb", ("red", "green", "blue"))
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(path.read_bytes()[:-1])
    code, out, err = run(capsys, "detect", *pair, "-o", tmp_path / "out", "--model", cut, "-q")
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert "is damaged" in err
    assert not list(tmp_path.glob("out*"))


def test_detect_takes_a_model_and_records_its_name(capsys, shelf, pair, tmp_path):
    path = shelf("urban", ("red", "green", "blue"), gsd_m=(8.0, 12.0), threshold=0.2)
    for out, words in (("auto", []), ("named", ["--model", "urban"])):
        assert run(capsys, "detect", *pair, "-o", tmp_path / out, "-q", *words)[0] == 0
        method = gc.open_map(tmp_path / out).run["method"]
        assert (method["name"], method["model"]) == ("network", "urban")
        assert len(method["weights_sha256"]) == 64
        assert str(path.parent) not in (tmp_path / out / "run.json").read_text()
        assert not list((tmp_path / out).rglob("*.safetensors"))
    scores = [gc.open_map(tmp_path / name).open().to_numpy() for name in ("auto", "named")]
    np.testing.assert_array_equal(*scores)
    assert "for any other change choose method 'context'" in run(capsys, "info", *pair)[1]
    command = shlex.split(gc.open_map(tmp_path / "named").run["command"])
    again = [str(tmp_path / "again") if word == "OUT" else word for word in command[1:]]
    assert run(capsys, *again, "-q")[0] == 0


def test_a_model_and_a_method_exclude_each_other(shelf, pair, tmp_path):
    shelf("urban", ("red", "green", "blue"))
    with pytest.raises(UsageError, match="model 'urban' and method 'cva' exclude each other"):
        gc.detect(*pair, tmp_path / "o", model="urban", method="cva")
    with pytest.raises(UsageError, match="model 'urban' and option 'checkpoint' exclude"):
        gc.detect(*pair, tmp_path / "o", model="urban", options={"checkpoint": "x"})
    with pytest.raises(UsageError, match="did you mean 'urban'"):
        gc.detect(*pair, tmp_path / "o", model="urbn")
    assert not (tmp_path / "o").exists()


def test_another_network_in_the_same_file_is_another_run(shelf, pair, tmp_path):
    roles = ("red", "green", "blue")
    own = tmp_path / "own.safetensors"
    shelf("a", roles, threshold=0.2).rename(own)
    for way in ({"model": own}, {"method": "network", "options": {"checkpoint": str(own)}}):
        out = tmp_path / f"o{len(way)}"
        first = gc.detect(*pair, out, **way).run["fingerprint"]
        assert gc.detect(*pair, out, resume=True, **way).run["fingerprint"] == first
        shelf("a", roles, threshold=0.21 + 0.1 * len(way)).rename(own)
        again = gc.detect(*pair, tmp_path / f"p{len(way)}", **way)
        assert again.run["fingerprint"] != first

import json
import os
import pickle
import struct
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from geochange.errors import InputError, InputNotFoundError, OutputError, UsageError
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.cardfile import KEY, read_card, read_json, write_json
from geochange.nn.checkpoints.checkpoint import hash_weights, load_checkpoint, save_checkpoint
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import FixedNormalization, Scaling, SceneNormalization


def rewrite(path, change=None, tensors=None):
    """Write a checkpoint again with another card or other weights."""
    card = json.loads(write_json(read_card(path)))
    if change:
        card |= change
    tensors = load_file(path) if tensors is None else tensors
    save_file(tensors, path, metadata={KEY: json.dumps(card)})


def test_a_loaded_network_gives_the_same_logits(checkpoint, saved):
    loaded, _ = load_checkpoint(checkpoint)
    dates = [torch.randn(1, 3, 32, 32) for _ in range(2)]
    with torch.inference_mode():
        assert torch.equal(loaded(*dates), saved(*dates))
    assert not loaded.training
    assert loaded.recipe == saved.recipe


def test_the_card_comes_back_with_what_saving_filled_in(checkpoint, rgb_card):
    card = read_card(checkpoint)
    model, loaded = load_checkpoint(checkpoint)
    assert loaded == card
    filled = {"architecture", "options", "stride", "halo", "windowed", "sha256"}
    for name in Card.__dataclass_fields__.keys() - filled:
        assert getattr(card, name) == getattr(rgb_card, name)
    assert card.architecture == "tinysiam"
    assert card.options == {"widths": [8, 12, 16]}
    assert (card.stride, card.windowed) == (8, False)
    assert card.halo >= model.radius
    assert card.halo % card.stride == 0
    assert card.sha256 == hash_weights(model.state_dict())


@pytest.mark.parametrize("name", ["bit", "snunet"])
def test_global_networks_run_in_windows(name, tmp_path):
    bands = (Band("a"), Band("b"))
    card = Card("g", bands, bands[:1], SceneNormalization())
    small = {"bit": {"widths": (8, 8), "depths": (1, 1), "width": 8}, "snunet": {"width": 2}}[name]
    written = save_checkpoint(tmp_path / "g.safetensors", build_model(name, (2, 1), **small), card)
    assert written.windowed
    assert (written.halo, written.stride) == (128, 128)
    assert load_checkpoint(tmp_path / "g.safetensors")[0].recipe.bands == (2, 1)


def test_the_hash_knows_names_types_shapes_and_values():
    zeros = torch.zeros(4)
    others = [
        {"b": zeros},
        {"a": zeros.reshape(2, 2)},
        {"a": torch.zeros(4, dtype=torch.int32)},
        {"a": torch.ones(4)},
    ]
    hashes = {hash_weights(weights) for weights in [{"a": zeros}, *others]}
    assert len(hashes) == 5
    strided = torch.zeros(4, 2)[:, 0]
    assert hash_weights({"a": strided}) == hash_weights({"a": zeros})


def test_writing_is_whole_or_not_at_all(checkpoint, rgb_card, monkeypatch):
    old = checkpoint.read_bytes()

    def fail(path, content):
        path.open("wb").close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        save_checkpoint(checkpoint, build_model("tinysiam", 3), rgb_card)
    assert checkpoint.read_bytes() == old
    assert os.listdir(checkpoint.parent) == [checkpoint.name]


def test_a_checkpoint_is_readable_as_other_files_are(checkpoint):
    (checkpoint.parent / "other").touch()
    assert checkpoint.stat().st_mode == (checkpoint.parent / "other").stat().st_mode


def test_a_missing_folder_is_told(tmp_path, rgb_card):
    with pytest.raises(OutputError, match="is its folder there"):
        save_checkpoint(tmp_path / "no" / "a.safetensors", build_model("tinysiam", 3), rgb_card)


def test_saving_refuses_a_card_of_other_bands_and_weights_that_diverged(tmp_path, rgb_card):
    path = tmp_path / "a.safetensors"
    with pytest.raises(UsageError, match=r"names \(3, 3\) bands, the network takes \(4, 4\)"):
        save_checkpoint(path, build_model("tinysiam", 4), rgb_card)
    model = build_model("tinysiam", 3)
    model.head.conv.bias.data.fill_(torch.nan)
    with pytest.raises(UsageError, match=r"'head.conv.bias' of the network is not finite"):
        save_checkpoint(path, model, rgb_card)
    assert not path.exists()


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("bomb-went-off",))


def test_pickles_are_never_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.zeros(2), "b": Bomb()}, "model.pt")
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    for name in ("model.pt", "model.safetensors"):
        with pytest.raises(InputError, match="not a safetensors file"):
            load_checkpoint(name)
    assert not (tmp_path / "bomb-went-off").exists()


def test_foreign_and_missing_files_are_told(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(2)}, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match="holds weights but no card of geochange"):
        load_checkpoint(path)
    with pytest.raises(InputNotFoundError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "nothing.safetensors")
    with pytest.raises(InputNotFoundError, match="there is no checkpoint"):
        load_checkpoint(tmp_path)


def header(text, size=None):
    body = text.encode()
    return struct.pack("<Q", len(body) if size is None else size) + body


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a safetensors file, or is cut off"),
        (b"\x00" * 100, "not a safetensors file"),
        (header("{}", 2**63), "not a safetensors file"),
        (header("{}", 1000), "cut off"),
        (header("{" * 100_000), "is not JSON"),
        (header('{"a": ' * 100_000), "is not JSON"),
        (header("{}"), "no card of geochange"),
        (header('{"__metadata__": [1]}'), "no card of geochange"),
        (header('{"__metadata__": {"geochange.card": 5}}'), "no card of geochange"),
        (header('{"__metadata__": {"geochange.card": "x"}}'), "is not JSON"),
        (header('{"__metadata__": {"geochange.card": "[]"}}'), "is not a JSON object"),
        (header('{"__metadata__": {"geochange.card": "{}"}}'), "has no 'format'"),
    ],
)
def test_hostile_headers_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [20, -1, -1000])
def test_a_cut_file_is_refused(checkpoint, cut):
    checkpoint.write_bytes(checkpoint.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"cut off|damaged"):
        load_checkpoint(checkpoint)


def test_a_flipped_bit_is_noticed(checkpoint):
    content = bytearray(checkpoint.read_bytes())
    content[-50] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(InputError, match=r"sha256|not finite"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "is of version 2, version 1 is read"),
        ({"title": 5}, "'title' must be text"),
        ({"halo": -1}, "'halo' must be a whole number of 0 to 1024"),
        ({"halo": 10**9}, "'halo' must be a whole number"),
        ({"halo": True}, "'halo' must be a whole number"),
        ({"stride": 16}, "says stride 16, its network has 8"),
        ({"stride": 0}, "'stride' must be"),
        ({"windowed": 1}, "'windowed' must be true or false"),
        ({"threshold": 1.5}, "'threshold' must be a number of 0 to 1"),
        ({"threshold": 0}, "needs a threshold between 0 and 1"),
        ({"threshold": float("nan")}, "'threshold' must be"),
        ({"temperature": 0}, "'temperature' must be"),
        ({"gsd_m": [5, 1]}, "'gsd_m' must be two rising sizes"),
        ({"gsd_m": "1"}, "'gsd_m' must be a list of numbers"),
        ({"bands_before": []}, "needs 1 to 1024 bands"),
        ({"bands_before": "rgb"}, "'bands_before' must be a list of objects"),
        ({"bands_before": [{"name": 1}] * 3}, "'name' must be text"),
        ({"bands_before": [{"name": "a", "wavelength_nm": -1}] * 3}, "'wavelength_nm' must be"),
        ({"bands_after": [{"name": "a", "wavelength_nm": None}]}, r"normalisation is for \(3, 3\)"),
        ({"normalization": {"kind": "magic"}}, "'kind' must be scene or fixed"),
        ({"normalization": {"kind": "scene", "low": 9, "high": 2}}, "percentiles must rise"),
        ({"normalization": {"kind": "fixed", "before": {}}}, "has no 'after'"),
        ({"classes": [1]}, "'classes' must be a list of texts"),
        ({"metrics": [{"name": "f1"}]}, "has no 'value'"),
        ({"training": [[]]}, "'training' must be a list of objects"),
        ({"architecture": "os.system"}, "unknown network 'os.system'"),
        ({"options": {"widths": [4096] * 3}}, "do not fit its network"),
        ({"options": {"widths": "aaa"}}, "cannot be built here"),
        ({"options": {"widths": [10**12] * 3}}, "cannot be built here"),
        ({"options": {"depths": [10**9] * 3}}, "cannot be built here"),
        ({"options": {"self": 1}}, "no option 'self'"),
        ({"options": {"name": "unet"}}, "cannot be built here"),
        ({"options": {}}, "do not fit its network"),
        ({"options": [1]}, "'options' must be an object"),
        ({"sha256": "0" * 64}, "not those that its card describes"),
    ],
)
def test_hostile_cards_are_refused_in_one_line(checkpoint, change, message):
    rewrite(checkpoint, change)
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(checkpoint)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_no_backbone_is_fetched_from_anywhere(checkpoint):
    change = {"architecture": "siamese", "options": {"encoder": "timm:hf-hub:evil/model"}}
    rewrite(checkpoint, change)
    with pytest.raises(InputError, match="unknown backbone"):
        load_checkpoint(checkpoint)


def test_other_weights_than_the_network_has_are_refused(checkpoint):
    tensors = load_file(checkpoint)
    first = min(tensors)
    for changed in (
        {**tensors, "extra": torch.zeros(1)},
        {name: t for name, t in tensors.items() if name != first},
        {**tensors, first: tensors[first].half()},
        {**tensors, first: torch.zeros(10**6)},
    ):
        rewrite(checkpoint, tensors=changed)
        with pytest.raises(InputError, match="do not fit its network 'tinysiam'"):
            load_checkpoint(checkpoint)


def test_weights_that_are_not_finite_are_refused(checkpoint):
    tensors = load_file(checkpoint)
    tensors["head.conv.bias"][0] = torch.inf
    rewrite(checkpoint, {"sha256": hash_weights(tensors)}, tensors)
    with pytest.raises(InputError, match=r"'head.conv.bias' .* is not finite"):
        load_checkpoint(checkpoint)


def test_cards_of_all_kinds_survive_json(rgb_card):
    other = replace(rgb_card, normalization=SceneNormalization(1, 99), gsd_m=None, classes=())
    two = replace(
        rgb_card,
        bands_after=(Band("vv"),),
        normalization=FixedNormalization(rgb_card.normalization.before, Scaling((0.0,), (1.0,))),
        options={"a": [1, 2], "b": "c"},
    )
    for card in (rgb_card, other, two):
        assert read_json(write_json(card), "demo") == card


def test_cards_that_contradict_themselves_are_not_made(rgb_card):
    for change in ({"threshold": 1.0}, {"temperature": 0.0}, {"bands_before": ()}):
        with pytest.raises(UsageError, match="a card needs"):
            replace(rgb_card, **change)

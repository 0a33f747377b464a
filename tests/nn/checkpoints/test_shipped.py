import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

import geochange as gc
from geochange.errors import InputError, InputNotFoundError, UsageError
from geochange.nn.checkpoints import shipped as module
from geochange.nn.checkpoints.cardfile import read_json, write_json
from geochange.nn.checkpoints.checkpoint import load_checkpoint, load_series_checkpoint
from geochange.nn.checkpoints.shipped import find_model, is_shipped, list_models, open_model

MOST_BYTES = 3_000_000
PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"


def test_models_are_listed_by_name(shelf):
    assert gc.list_models() == []
    second, first = shelf("b", ("red",)), shelf("a", ("nir", "red"))
    models = gc.list_models()
    assert [m.name for m in models] == ["a", "b"]
    assert [m.path for m in models] == [first, second]
    assert models[0].card.bands == (2, 2)
    assert models[0].size_bytes == first.stat().st_size


def test_parameters_are_counted_without_loading_the_weights(shelf):
    path = shelf("a", ("red",))
    network, _ = load_checkpoint(path)
    assert open_model("a").parameters == sum(p.numel() for p in network.parameters())


def test_names_and_paths_are_found(shelf, tmp_path, monkeypatch):
    path = shelf("building", ("red",))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "building").write_text("a file of the same name")
    (tmp_path / "own").write_text("a file without suffix")
    assert find_model("building") == path
    assert find_model(path) == path
    assert find_model("own") == Path("own")
    assert find_model("x/own") == Path("x/own")
    assert is_shipped("building")
    assert not is_shipped(path)


def test_unknown_names_are_one_line_with_the_nearest(shelf):
    with pytest.raises(UsageError, match=r"neither a shipped model nor .* none is shipped$"):
        find_model("building")
    shelf("building", ("red",))
    with pytest.raises(UsageError, match=r"'bilding' is neither .*; did you mean 'building'\?$"):
        find_model("bilding")
    with pytest.raises(InputNotFoundError, match=r"there is no checkpoint no\.safetensors"):
        open_model("no.safetensors")


def test_a_damaged_shelf_is_told(shelf):
    shelf("a", ("red",)).write_bytes(b"\x08")
    with pytest.raises(InputError, match="not a safetensors file, or is cut off"):
        list_models()


def test_a_card_says_whether_it_may_be_chosen_and_old_ones_do_not(shelf):
    card = open_model(shelf("a", ("red",))).card
    assert card.automatic
    shy = replace(card, automatic=False)
    assert read_json(write_json(shy), "card") == shy
    values = json.loads(write_json(card))
    del values["automatic"]
    assert read_json(json.dumps(values), "card") == card
    values["automatic"] = "no"
    with pytest.raises(InputError, match="'automatic' must be true or false"):
        read_json(json.dumps(values), "card")


def test_the_shelf_needs_no_torch():
    code = (
        "import sys, geochange as gc; gc.list_models();"
        "assert 'torch' not in sys.modules and 'safetensors' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_shipped_is_small_whole_and_described():
    for model in list_models():
        assert model.size_bytes <= MOST_BYTES, model.name
        assert re.fullmatch(r"[a-z][a-z0-9-]*", model.name)
        assert model.card.gsd_m is not None
        assert model.card.training
        assert all(data.terms not in ("", "not stated") for data in model.card.training)
        assert {"f1", "average_precision"} <= {metric.name for metric in model.card.metrics}
        load = load_series_checkpoint if model.card.task == "series" else load_checkpoint
        load(model.path)


def test_weights_are_package_data():
    data = tomllib.loads(PYPROJECT.read_text())["tool"]["setuptools"]["package-data"]["geochange"]
    package = Path(module.__file__).parents[2]
    assert f"{module.FOLDER.relative_to(package).as_posix()}/*.safetensors" in data

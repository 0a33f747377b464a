import numpy as np
import pytest
import torch

from geochange.errors import InputError, InputNotFoundError, UsageError
from geochange.nn.checkpoints import onnxexport
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.cardfile import KEY, write_json
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.checkpoints.onnxexport import convert
from geochange.nn.checkpoints.onnxfile import OnnxPredictor, open_session, read_model
from geochange.nn.inference.predictor import Predictor
from geochange.nn.networks.registry import build_model, list_models
from geochange.nn.normalization import FixedNormalization, Scaling, SceneNormalization

pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")
SMALL = {"tinysiam": {"widths": (8, 12, 16)}, "snunet": {"width": 8}}


def save(path, name, bands, normalization):
    torch.manual_seed(0)
    model = build_model(name, bands, **SMALL.get(name, {}))
    for key, tensor in model.state_dict().items():
        if key.endswith("running_mean"):
            tensor.normal_(0, 0.3)
        elif key.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    before, after = (tuple(Band(f"b{n}") for n in range(count)) for count in model.recipe.bands)
    card = Card("demo", before, after, normalization, threshold=0.3, temperature=1.7)
    return model.eval(), save_checkpoint(path, model, card)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A network normalised by the scene, dates of 3 bands and 1, as ``(folder, model, card)``."""
    folder = tmp_path_factory.mktemp("scene")
    model, card = save(folder / "m.safetensors", "tinysiam", (3, 1), SceneNormalization())
    (folder / "m.onnx").write_bytes(convert(folder / "m.safetensors"))
    return folder, model, card


def make_batch(bands, shape=(3, 75, 50)):
    rng = np.random.default_rng(1)
    dates = [rng.normal(100, 30, (shape[0], c, *shape[1:])).astype(np.float32) for c in bands]
    valid = rng.random(shape) > 0.2
    for date in dates:
        date.transpose(0, 2, 3, 1)[~valid] = np.nan
    return *dates, valid


def require_equal(content, model, scalings, card, flips=False):
    batch = make_batch(card.bands)
    scene = isinstance(card.normalization, SceneNormalization)
    options = {"temperature": card.temperature, "flips": flips}
    plain = Predictor(model, scalings, device="cpu", precision="fp32", **options)
    expected = plain(*map(torch.from_numpy, batch)).numpy()
    found = OnnxPredictor(content, scalings, scene=scene, flips=flips)(*batch)
    assert found.dtype == np.float32
    assert np.isnan(found[~batch[2]]).all()
    assert expected[batch[2]].std() > 1e-4
    np.testing.assert_allclose(found[batch[2]], expected[batch[2]], atol=1e-4)


def test_scores_of_the_file_alone_are_those_of_torch(scene):
    folder, model, _ = scene
    content, card = read_model(folder / "m.onnx")
    scalings = Scaling((90.0, 100.0, 120.0), (20.0, 30.0, 25.0)), Scaling((80.0,), (40.0,))
    require_equal(content, model, scalings, card)


def test_flips_are_averaged_over_whole_strides(scene):
    folder, model, _ = scene
    content, card = read_model(folder / "m.onnx")
    batch = make_batch((3, 1), (2, 48, 64))
    scalings = Scaling((100.0,) * 3, (30.0,) * 3), Scaling((100.0,), (30.0,))
    options = {"temperature": card.temperature, "flips": True}
    plain = Predictor(model, scalings, device="cpu", precision="fp32", **options)
    expected = plain(*map(torch.from_numpy, batch)).numpy()
    found = OnnxPredictor(content, scalings, scene=True, flips=True)(*batch)
    np.testing.assert_allclose(found[batch[2]], expected[batch[2]], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models("pixels"))
def test_every_architecture_gives_the_scores_of_torch(name, tmp_path):
    scaling = Scaling((90.0, 100.0, 120.0), (20.0, 30.0, 25.0))
    normalization = FixedNormalization(scaling, scaling)
    model, _ = save(tmp_path / "m.safetensors", name, 3, normalization)
    content = convert(tmp_path / "m.safetensors")
    (tmp_path / "m.onnx").write_bytes(content)
    _, card = read_model(tmp_path / "m.onnx")
    require_equal(content, model, (scaling, scaling), card)


def test_a_stranger_needs_nothing_but_the_file(scene):
    """Names, types and free sizes are what ONNX Runtime shows of the file."""
    session = open_session((scene[0] / "m.onnx").read_bytes())
    shapes = {i.name: (i.type, i.shape) for i in session.get_inputs()}
    assert shapes["before"] == ("tensor(float)", ["tiles", 3, "rows", "columns"])
    assert shapes["after"] == ("tensor(float)", ["tiles", 1, "rows", "columns"])
    assert shapes["valid"] == ("tensor(bool)", ["tiles", "rows", "columns"])
    assert shapes["centre_before"] == ("tensor(float)", [3])
    assert shapes["gain_after"] == ("tensor(float)", [1])
    output = session.get_outputs()[0]
    assert (output.name, output.shape) == ("probability", ["tiles", "rows", "columns"])
    assert KEY in session.get_modelmeta().custom_metadata_map


def test_the_card_is_that_of_the_checkpoint_and_the_hash_that_of_the_file(scene):
    folder, _, card = scene
    content, found = read_model(folder / "m.onnx")
    model = onnx.load_model_from_string(content)
    assert {p.key: p.value for p in model.metadata_props} == {KEY: write_json(card)}
    assert found.sha256 != card.sha256
    assert found == type(card)(**{**vars_of(card), "sha256": found.sha256})


def vars_of(card):
    return {name: getattr(card, name) for name in card.__slots__}


def test_the_file_names_no_path_of_the_machine_that_wrote_it(scene):
    content = (scene[0] / "m.onnx").read_bytes()
    assert b".py" not in content
    assert b"stack_trace" not in content


def test_a_network_that_scores_otherwise_is_not_written(scene, monkeypatch):
    made, honest = onnx.load(scene[0] / "m.onnx"), onnxexport.run
    del made.metadata_props[:]
    monkeypatch.setattr(onnxexport, "_translate", lambda *_: made)
    assert convert(scene[0] / "m.safetensors") == (scene[0] / "m.onnx").read_bytes()
    monkeypatch.setattr(onnxexport, "run", lambda *x: honest(*x) + 2e-4)
    with pytest.raises(InputError, match="gives other scores as ONNX than in torch"):
        convert(scene[0] / "m.safetensors")


def test_no_checkpoint_is_told(tmp_path):
    with pytest.raises(InputNotFoundError, match="there is no checkpoint"):
        convert(tmp_path / "no.safetensors")


def test_a_missing_extra_is_one_line_with_the_command(scene, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UsageError, match=r"not installed; run: pip install 'geochange\[onnx\]'"):
        convert(scene[0] / "m.safetensors")

"""Foreign, damaged and hostile ONNX files: one line each, and nothing is run."""

import json

import numpy as np
import pytest

from geochange.errors import InputError, InputNotFoundError
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.cardfile import KEY, write_json
from geochange.nn.checkpoints.onnxfile import OnnxPredictor, read_model
from geochange.nn.normalization import FixedNormalization, Scaling

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
TensorProto, helper = onnx.TensorProto, onnx.helper
UNIT = Scaling((0.0,), (1.0,))


def describe(**changes):
    card = Card("tiny", (Band("pan"),), (Band("pan"),), FixedNormalization(UNIT, UNIT), stride=2)
    return json.dumps(json.loads(write_json(card)) | changes)


def make_model(card=None, bands=1, nodes=None, **parts):
    """A network by hand: the sigmoid of the difference of one band, NaN where invalid."""
    free = ["n", bands, "h", "w"]
    value = helper.make_tensor_value_info
    inputs = [
        value("before", TensorProto.FLOAT, free),
        value("after", TensorProto.FLOAT, free),
        value("valid", TensorProto.BOOL, ["n", "h", "w"]),
    ]
    nodes = nodes or [
        helper.make_node("Sub", ["after", "before"], ["difference"]),
        helper.make_node("Squeeze", ["difference", "axis"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["score"]),
        helper.make_node("Where", ["valid", "score", "nan"], ["probability"]),
    ]
    constants = [
        onnx.numpy_helper.from_array(np.array([1]), "axis"),
        onnx.numpy_helper.from_array(np.float32(np.nan).reshape(1), "nan"),
    ]
    output = value("probability", TensorProto.FLOAT, ["n", "h", "w"])
    graph = helper.make_graph(nodes, "g", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], **parts)
    model.ir_version = 10
    if card != "":
        model.metadata_props.add(key=KEY, value=card or describe())
    return model


@pytest.fixture
def write(tmp_path):
    def save(model):
        content = model if isinstance(model, bytes) else model.SerializeToString()
        (tmp_path / "m.onnx").write_bytes(content)
        return tmp_path / "m.onnx"

    return save


def test_a_file_by_hand_is_read_and_run(write):
    content, card = read_model(write(make_model()))
    assert (card.title, card.stride, len(card.sha256)) == ("tiny", 2, 64)
    date = np.zeros((1, 1, 2, 2), np.float32)
    valid = np.array([[[True, True], [True, False]]])
    score = OnnxPredictor(content, (UNIT, UNIT))(date, date + 1, valid)
    np.testing.assert_allclose(score[valid], 1 / (1 + np.exp(-1)), rtol=1e-6)
    assert np.isnan(score[0, 1, 1])


def external(model):
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return model


def external_in_a_node(model):
    node = helper.make_node("Constant", [], ["x"], value=helper.make_tensor("x", 1, [1], [0.0]))
    node.attribute[0].t.data_location = TensorProto.EXTERNAL
    model.graph.node.append(node)
    return model


def with_subgraph(model):
    inner = helper.make_graph([], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["valid"], [], then_branch=inner))
    return model


def with_function(model):
    model.functions.append(
        helper.make_function("own", "f", [], [], [], [helper.make_opsetid("", 18)])
    )
    return model


def other_output(model):
    model.graph.output[0].name = "logits"
    return model


def with_library(model):
    model.graph.node.append(helper.make_node("Anything", [], ["y"], domain="org.other"))
    return model


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (external, "weights in another file"),
        (external_in_a_node, "weights in another file"),
        (with_subgraph, "a graph within a graph"),
        (with_function, "operators of its own"),
        (with_library, r"another library \('org.other'\)"),
        (other_output, "another output than 'probability'"),
    ],
)
def test_what_geochange_never_writes_is_refused(write, damage, message):
    with pytest.raises(InputError, match=message) as caught:
        read_model(write(damage(make_model())))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (make_model(""), "holds no card of geochange"),
        (make_model("{"), "is not JSON"),
        (make_model(describe(stride=0)), "stride"),
        (make_model(describe(format=99)), "version 99"),
        (make_model(describe(halo=10**9)), "halo"),
        (make_model(bands=2), "other inputs than before, after, valid"),
        (b"not a protocol buffer", "is not an ONNX file"),
        (b"", "holds no card"),
        (make_model().SerializeToString()[:-40], "ONNX file|holds no card"),
    ],
)
def test_damaged_and_inconsistent_files_are_one_line(write, model, message):
    with pytest.raises(InputError, match=message) as caught:
        read_model(write(model))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputNotFoundError, match="there is no network"):
        read_model(tmp_path / "no.onnx")


def test_a_graph_that_cannot_be_loaded_or_run_is_one_line(write):
    wrong = [helper.make_node("NoSuchOperator", ["before"], ["probability"])]
    content, _ = read_model(write(make_model(nodes=wrong)))
    date, valid = np.zeros((1, 1, 2, 2), np.float32), np.ones((1, 2, 2), bool)
    with pytest.raises(InputError, match="ONNX Runtime cannot run the network") as caught:
        OnnxPredictor(content, (UNIT, UNIT))(date, date, valid)
    assert "\n" not in str(caught.value)
    content, _ = read_model(write(make_model()))
    with pytest.raises(InputError, match="ONNX Runtime cannot run the network"):
        OnnxPredictor(content, (UNIT, UNIT))(date, np.zeros((1, 1, 3, 2), np.float32), valid)

"""Networks as ONNX files that geochange wrote: read, checked and run without torch."""

from __future__ import annotations

import hashlib
import importlib
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.errors import InputError, InputNotFoundError, UsageError
from geochange.nn.checkpoints.card import Card
from geochange.nn.checkpoints.cardfile import KEY, read_json
from geochange.nn.normalization import FixedNormalization, Scaling

SUFFIX = ".onnx"
PIXELS = ("before", "after", "valid")
"""Inputs: float32 (N, C, H, W) twice and bool (N, H, W)."""
SCALINGS = ("centre_before", "gain_before", "centre_after", "gain_after")
"""Further inputs of networks that are normalised by the scene: float32 (C,) each."""
OUTPUT = "probability"
"""The output: float32 (N, H, W), NaN where invalid."""
MOST_BYTES = 2**31 - 1
"""What a protocol buffer can hold."""
FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
"""Axes to flip in test-time averaging, whatever runs the network."""

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


class OnnxPredictor:
    """Scores of a network in an ONNX file, by ONNX Runtime in float32 on the processor.

    Parameters
    ----------
    content : bytes
        Of a file that :func:`read_model` took.
    scalings : tuple of Scaling
        Of the before and the after date; for networks normalised by the scene.
    scene : bool
        Whether the network is normalised by the scene.
    flips : bool
        Average the scores of the four flips.

    Notes
    -----
    Many threads may score at a time, each then with one thread of its own; the main thread scores
    with as many as there are processors.
    """

    def __init__(
        self,
        content: bytes,
        scalings: tuple[Scaling, Scaling],
        *,
        scene: bool = False,
        flips: bool = False,
    ) -> None:
        self._content = content
        columns = [column.ravel() for scaling in scalings for column in scaling.columns()]
        self._feed = dict(zip(SCALINGS, columns, strict=True)) if scene else {}
        self._flips = FLIPS if flips else FLIPS[:1]
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, before: FloatArray, after: FloatArray, valid: BoolArray) -> FloatArray:
        """Score raw pixels, (N, C1, H, W), (N, C2, H, W) and (N, H, W); NaN where invalid.

        Raises
        ------
        InputError
            ONNX Runtime cannot run the network.
        """
        session = self._open(0 if _in_main_thread() else 1)
        total = np.zeros(valid.shape, np.float32)
        for axes in self._flips:
            pixels = (np.ascontiguousarray(np.flip(x, axes)) for x in (before, after, valid))
            feed = dict(zip(PIXELS, pixels, strict=True)) | self._feed
            total += np.flip(run(session, feed), axes)
        return total / np.float32(len(self._flips)) if len(self._flips) > 1 else total

    def _open(self, threads: int) -> Any:
        """Return the session with so many threads (0: of all processors), made when first used."""
        with self._lock:
            if threads not in self._sessions:
                self._sessions[threads] = open_session(self._content, threads)
            return self._sessions[threads]


def is_onnx(path: str | Path) -> bool:
    """Tell whether a path names an ONNX file.

    Examples
    --------
    >>> is_onnx("model.onnx"), is_onnx("model.safetensors")
    (True, False)
    """
    return Path(path).suffix.lower() == SUFFIX


def read_onnx_card(path: str | Path) -> Card:
    """Read the card of an ONNX file that geochange wrote; see :func:`read_model`."""
    return read_model(path)[1]


def read_model(path: str | Path) -> tuple[bytes, Card]:
    """Read an ONNX file that geochange wrote, and check what can be without running it.

    Returns
    -------
    content : bytes
    card : Card
        Its ``sha256`` is that of the file.

    Raises
    ------
    InputNotFoundError, InputError
        No such file; damaged, foreign, or with parts that geochange does not write: tensors in
        other files, operators of other libraries, subgraphs.
    UsageError
        The extra ``onnx`` is not installed.
    """
    path = Path(path)
    if not path.is_file():
        msg = f"there is no network {path}; give the path of an .onnx file"
        raise InputNotFoundError(msg)
    onnx = require_extra("onnx")
    if path.stat().st_size > MOST_BYTES:
        msg = f"{path} is larger than an ONNX file can be; get it again"
        raise InputError(msg)
    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own errors differ with its implementation
        msg = f"{path} is not an ONNX file, or is damaged; get it again"
        raise InputError(msg) from error
    card = _read_card(model, path)
    _require_plain(model.graph, path)
    if len(model.functions) or any(entry.domain for entry in model.opset_import):
        _refuse(path, "operators of its own or of another library")
    _require_signature(onnx, model.graph, card, path)
    return content, replace(card, sha256=hashlib.sha256(content).hexdigest())


def require_extra(name: str) -> Any:
    """Import a module of the extra ``onnx``.

    Raises
    ------
    UsageError
        It is not installed.

    Examples
    --------
    >>> require_extra("onnx_of_tomorrow")
    Traceback (most recent call last):
    ...
    geochange.errors.UsageError: ONNX files need onnx_of_tomorrow, which is not installed; run: ...
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        msg = f"ONNX files need {name}, which is not installed; run: pip install 'geochange[onnx]'"
        raise UsageError(msg) from error


def open_session(content: bytes, threads: int = 1) -> Any:
    """Load a network into ONNX Runtime with so many threads, 0 for one a processor.

    Raises
    ------
    InputError
        It cannot be loaded.
    UsageError
        The extra ``onnx`` is not installed.
    """
    runtime = require_extra("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised, and told once
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base
        raise _explain(error) from error


def run(session: Any, feed: dict[str, NDArray[Any]]) -> FloatArray:
    """Run a session on named arrays and return its output.

    Raises
    ------
    InputError
        ONNX Runtime fails.
    """
    try:
        found: FloatArray = session.run([OUTPUT], feed)[0]
    except Exception as error:  # ONNX Runtime's errors have no common base
        raise _explain(error) from error
    return found


def list_inputs(card: Card) -> list[str]:
    """Return the names of a network's inputs in order.

    Examples
    --------
    >>> from geochange.nn.checkpoints.card import Band
    >>> from geochange.nn.normalization import SceneNormalization
    >>> list_inputs(Card("demo", (Band("pan"),), (Band("pan"),), SceneNormalization()))[3:5]
    ['centre_before', 'gain_before']
    """
    fixed = isinstance(card.normalization, FixedNormalization)
    return [*PIXELS] if fixed else [*PIXELS, *SCALINGS]


def _explain(error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:160]
    return InputError(f"ONNX Runtime cannot run the network ({reason}); export it again")


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _read_card(model: Any, path: Path) -> Card:
    texts = [entry.value for entry in model.metadata_props if entry.key == KEY]
    if len(texts) != 1:
        msg = (
            f"{path} holds no card of geochange; only ONNX files that 'geochange export' wrote can "
            "be used, since bands and normalisation are unknown"
        )
        raise InputError(msg)
    return read_json(texts[0], f"the card of {path}")


def _require_plain(graph: Any, path: Path) -> None:
    """Refuse whatever reaches outside the file or hides a graph inside a node."""
    tensors = list(graph.initializer)
    for node in graph.node:
        if node.domain:
            _refuse(path, f"an operator of another library ('{node.domain[:40]}')")
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                _refuse(path, "a graph within a graph")
            if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                _refuse(path, "a sparse tensor")
            tensors += [attribute.t, *attribute.tensors]
    if graph.sparse_initializer:
        _refuse(path, "a sparse tensor")
    if any(tensor.data_location or tensor.external_data for tensor in tensors):
        _refuse(path, "weights in another file")


def _refuse(path: Path, what: str) -> None:
    msg = f"{path} has {what}, which geochange never writes and does not read; export it again"
    raise InputError(msg)


def _require_signature(onnx: Any, graph: Any, card: Card, path: Path) -> None:
    """See that inputs and output are what the card says."""
    count = [*card.bands, None, card.bands[0], card.bands[0], card.bands[1], card.bands[1]]
    expected = {
        name: ("BOOL" if name == "valid" else "FLOAT", count[place])
        for place, name in enumerate(list_inputs(card))
    }
    if _list_values(onnx, graph.input) != expected:
        _refuse(path, f"other inputs than {', '.join(expected)} of the card's bands")
    if _list_values(onnx, graph.output) != {OUTPUT: ("FLOAT", None)}:
        _refuse(path, f"another output than '{OUTPUT}'")


def _list_values(onnx: Any, values: Iterable[Any]) -> dict[str, tuple[str, int | None]]:
    """Name to type and number of bands; a value of three dimensions has none."""
    found = {}
    for value in values:
        tensor = value.type.tensor_type
        sizes = [size.dim_value for size in tensor.shape.dim]
        bands = {1: sizes[:1], 4: sizes[1:2]}.get(len(sizes), [None])[0]
        found[value.name] = (onnx.TensorProto.DataType.Name(tensor.elem_type), bands)
    return found

"""Networks as ONNX for other software: raw pixels in, calibrated probability out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from geochange.errors import InputError, UsageError
from geochange.nn.checkpoints.card import Card
from geochange.nn.checkpoints.cardfile import KEY, write_json
from geochange.nn.checkpoints.checkpoint import load_checkpoint
from geochange.nn.checkpoints.onnxfile import OUTPUT, list_inputs, open_session, require_extra, run
from geochange.nn.networks.network import ChangeNet
from geochange.nn.normalization import LIMIT, FixedNormalization
from geochange.nn.parts.borders import Borders
from geochange.nn.parts.layers import fold_batch_norm

MOST_ERROR = 1e-4
"""Largest difference of probabilities between ONNX Runtime and torch, both in float32."""
CHECK_SIZES = ((2, 45, 77), (1, 128, 64))
"""Tiles, rows and columns: the first are exported with, the second are checked too."""
NAMES = {0: "tiles", -2: "rows", -1: "columns"}
"""Names of the sizes that are free."""


class PortableNet(nn.Module):
    """A network with all that surrounds it: normalisation, padding, temperature.

    Parameters
    ----------
    model : ChangeNet
        In evaluation mode; batch normalisation is folded into it, in place.
    card : Card

    Examples
    --------
    >>> from geochange.nn.checkpoints.card import Band
    >>> from geochange.nn.networks.registry import build_model
    >>> from geochange.nn.normalization import Scaling
    >>> unit = Scaling((0.0,), (1.0,))
    >>> card = Card("demo", (Band("pan"),), (Band("pan"),), FixedNormalization(unit, unit))
    >>> net = PortableNet(build_model("tinysiam", 1).eval(), card)
    >>> date = torch.zeros(1, 1, 20, 30)
    >>> net(date, date, torch.ones(1, 20, 30, dtype=torch.bool)).shape
    torch.Size([1, 20, 30])
    """

    def __init__(self, model: ChangeNet, card: Card) -> None:
        super().__init__()
        fold_batch_norm(model)
        self.model = model
        self.borders = Borders(model)
        self._learn_resolutions()
        self.temperature = card.temperature
        self.fixed = isinstance(card.normalization, FixedNormalization)
        if isinstance(card.normalization, FixedNormalization):
            fixed = card.normalization
            columns = [*fixed.before.columns(), *fixed.after.columns()]
            for place, column in enumerate(columns):
                self.register_buffer(f"column{place}", torch.from_numpy(column.ravel()))

    def forward(self, before: Tensor, after: Tensor, valid: Tensor, *scalings: Tensor) -> Tensor:
        """Return probabilities, float32 (N, H, W), NaN where invalid.

        Parameters
        ----------
        before, after : float32 (N, C1, H, W) and (N, C2, H, W)
            Pixel values, anything where invalid.
        valid : bool (N, H, W)
        *scalings : float32 (C,)
            Centre and gain of the before date, then of the after date; only for networks that are
            normalised by the scene.
        """
        columns = [self.get_buffer(f"column{n}") for n in range(4)] if self.fixed else scalings
        dates = [
            self._prepare(date, valid, columns[2 * place], columns[2 * place + 1])
            for place, date in enumerate((before, after))
        ]
        height, width = valid.shape[-2:]
        with self.borders.hold(self._pad(valid)):
            logits: Tensor = self.model(*dates)[:, 0, :height, :width]
        return torch.where(valid, (logits / self.temperature).sigmoid(), torch.nan)

    def _learn_resolutions(self) -> None:
        """Run the network once, so that its borders know at which resolution each layer works."""
        edge = self.model.stride * 2
        dates = [torch.zeros(1, count, edge, edge) for count in self.model.recipe.bands]
        with torch.inference_mode(), self.borders.hold(torch.ones(1, edge, edge) > 0):
            self.model(*dates)

    def _prepare(self, date: Tensor, valid: Tensor, centre: Tensor, gain: Tensor) -> Tensor:
        scaled = ((date - centre[:, None, None]) * gain[:, None, None]).clamp(-LIMIT, LIMIT)
        return self._pad(torch.where(valid[:, None], scaled, 0.0))

    def _pad(self, x: Tensor) -> Tensor:
        bottom, right = (-edge % self.model.stride for edge in x.shape[-2:])
        return pad(x, (0, right, 0, bottom))


def convert(checkpoint: str | Path) -> bytes:
    """Return a checkpoint's network as an ONNX file that needs nothing beside it.

    Inputs are raw pixels of both dates and what is valid, with any number of tiles, rows and
    columns; the output is the probability of change. The card is in the file's metadata. The
    result is compared with torch.

    Raises
    ------
    InputNotFoundError, InputError
        No such checkpoint, or a network that ONNX cannot express.
    UsageError
        The extra ``onnx`` is not installed.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        require_extra(name)
    model, card = load_checkpoint(checkpoint)
    if card.task != "pixels":
        msg = f"{checkpoint} decides on whole images, ONNX files are for pixels; use it as it is"
        raise UsageError(msg)
    network = PortableNet(model, card).eval()
    with torch.inference_mode(mode=False), torch.no_grad():
        proto = _translate(network, card, str(checkpoint))
        proto.metadata_props.add(key=KEY, value=write_json(card))
        content: bytes = proto.SerializeToString(deterministic=True)
        _check(network, card, content, str(checkpoint))
    return content


def _translate(network: PortableNet, card: Card, source: str) -> Any:
    inputs = _example(card, CHECK_SIZES[0])
    free = [_free_sizes(x) for x in inputs]
    scalings = [tuple(free[3:])] if free[3:] else []
    try:
        with _quiet():
            program: Any = torch.onnx.export(
                network,
                tuple(inputs),
                dynamo=True,
                dynamic_shapes=(*free[:3], *scalings),
                input_names=list_inputs(card),
                output_names=[OUTPUT],
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = (str(error.__cause__ or error).splitlines() or [""])[0][:160]
        msg = (
            f"the network '{card.architecture}' of {source} cannot be written as ONNX ({reason}); "
            "use the checkpoint itself"
        )
        raise InputError(msg) from error
    return _strip(program.model_proto)


def _example(card: Card, size: tuple[int, int, int]) -> list[Tensor]:
    """Make inputs: noise, a part invalid; scalings far from those that change nothing."""
    tiles, rows, columns = size
    generator = torch.Generator().manual_seed(0)
    dates = [torch.randn(tiles, c, rows, columns, generator=generator) for c in card.bands]
    valid = torch.rand(tiles, rows, columns, generator=generator) > 0.1
    if isinstance(card.normalization, FixedNormalization):
        fixed = card.normalization.before, card.normalization.after
        columns_of = [[torch.from_numpy(c) for c in scaling.columns()] for scaling in fixed]
        pairs = zip(dates, columns_of, strict=True)
        return [*(x / gain + centre for x, (centre, gain) in pairs), valid]
    scalings = [torch.full((count,), value) for count in card.bands for value in (0.3, 1.2)]
    return [*dates, valid, *scalings]


def _free_sizes(x: Tensor) -> dict[int, Any]:
    free: Any = torch.export.Dim.DYNAMIC
    if x.ndim == 1:
        return {}
    return {axis % x.ndim: free for axis in NAMES}


def _strip(proto: Any) -> Any:
    """Name the free sizes and leave out where in which program each node came from."""
    graph = proto.graph
    graph.doc_string = ""
    del graph.value_info[:]
    for part in (proto, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
    for value in (*graph.input, *graph.output):
        sizes = value.type.tensor_type.shape.dim
        for axis, name in NAMES.items():
            if len(sizes) > 1:
                sizes[axis].dim_param = name
    return proto


def _check(network: PortableNet, card: Card, content: bytes, source: str) -> None:
    session = open_session(content)
    for size in CHECK_SIZES:
        inputs = _example(card, size)
        feed = {n: x.numpy() for n, x in zip(list_inputs(card), inputs, strict=True)}
        expected = network(*inputs)
        found = torch.from_numpy(run(session, feed))
        if not torch.allclose(found, expected, rtol=0, atol=MOST_ERROR, equal_nan=True):
            msg = (
                f"the network of {source} gives other scores as ONNX than in torch; use the "
                "checkpoint itself, or another version of torch"
            )
            raise InputError(msg)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from telling users what it does inside."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

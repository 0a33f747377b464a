"""Scores of a trained network, as fast as the machine computes them rightly."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

from geochange.errors import ResourceError
from geochange.nn.checkpoints.onnxfile import FLIPS
from geochange.nn.inference.compiling import FasterRun, Run
from geochange.nn.inference.devicelink import open_link
from geochange.nn.inference.extent import group_extents
from geochange.nn.inference.precision import choose_device, prepare
from geochange.nn.networks.image import cut_squares, shrink_image, shrink_mask, take_shrinking
from geochange.nn.networks.network import ChangeNet
from geochange.nn.normalization import LIMIT, Scaling
from geochange.nn.parts.borders import Borders

STRIP_ROWS = 64
"""Rows normalised at a time: they stay in the processor's cache."""


class Predictor:
    """A network that scores batches of raw pixels.

    Parameters
    ----------
    model : ChangeNet
        Left as it is.
    scalings : tuple of Scaling
        Of the before and the after date.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    precision : str
        See :func:`geochange.nn.inference.precision.prepare`.
    temperature : float
        Logits are divided by it.
    flips : bool
        Average the scores of the four flips: four times the work for smoother scores.
    compiled : bool
        Try ``torch.compile`` on the first batch that is seen whole, which takes up to a minute, and
        keep it for batches of that size when it is faster and right. The last digits of scores then
        depend on which one won.
    weights : str
        Hash of the weights, see :class:`geochange.nn.inference.compiling.FasterRun`.

    Attributes
    ----------
    precision : str
        What is used.
    batch_size : int or None
        Tiles that fit into memory at a time, once that was found too small for a batch.

    Notes
    -----
    Many threads may score at a time.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> unit = Scaling((0.0,), (1.0,))
    >>> predict = Predictor(build_model("tinysiam", 1), (unit, unit), device="cpu")
    >>> date, valid = torch.zeros(2, 1, 20, 30), torch.ones(2, 20, 30, dtype=torch.bool)
    >>> predict(date, date, valid).shape
    torch.Size([2, 20, 30])
    """

    def __init__(
        self,
        model: ChangeNet,
        scalings: tuple[Scaling, Scaling],
        *,
        device: str = "auto",
        precision: str = "auto",
        temperature: float = 1.0,
        flips: bool = False,
        compiled: bool = False,
        weights: str = "",
    ) -> None:
        prepared = prepare(model, choose_device(device), precision)
        self.precision = prepared.precision
        self.batch_size: int | None = None
        self._dtype, self._device = prepared.dtype, prepared.device
        self._shrink = take_shrinking(prepared.model)
        self._stride = prepared.model.stride
        self._plain: Run = prepared.model
        self._run: Run = prepared.model
        self._edged: ChangeNet | None = None
        if prepared.model.task == "pixels":
            self._edged = copy.deepcopy(prepared.model)
            self._borders = Borders(self._edged)
        self._columns = [_columns(scaling, self._device) for scaling in scalings]
        self._temperature = temperature
        self._flips = FLIPS if flips else FLIPS[:1]
        self._link = open_link(self._device)
        if compiled:
            self._run = FasterRun(
                self._plain, self._probability, precision=self.precision, weights=weights
            )

    def __call__(self, before: Tensor, after: Tensor, valid: Tensor) -> Tensor:
        """Score a batch of tiles.

        Parameters
        ----------
        before, after : float32, uint8 or uint16 (N, C1, H, W) and (N, C2, H, W)
            Pixel values, anything where invalid. The first pixel lies on a multiple of the stride.
        valid : bool (N, H, W)

        Returns
        -------
        float32 (N, H, W)
            Scores in [0, 1] on the CPU, also where invalid; (N, 1, 1) of networks for images.

        Raises
        ------
        ResourceError
            One tile alone does not fit into memory.
        """
        scores: list[Tensor] = []
        done, size = 0, self.batch_size or -(-len(before) // self._link.parts)
        while done < len(before):
            try:
                for score in self._stream(before[done:], after[done:], valid[done:], size):
                    scores.append(score)
                    done += len(score)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                size = self.batch_size = _halve(size, before.shape)
        return torch.cat(scores)

    def _stream(self, before: Tensor, after: Tensor, valid: Tensor, size: int) -> Iterator[Tensor]:
        """Yield the scores of each part; the next one is on its way meanwhile."""
        waiting = None
        for start in range(0, len(before), size):
            part = slice(start, start + size)
            with torch.inference_mode():
                fetched = self._link.fetch(self._score(before[part], after[part], valid[part]))
            if waiting is not None:
                yield self._link.collect(waiting)
            waiting = fetched
        yield self._link.collect(waiting)

    def rate_squares(self, before: Tensor, after: Tensor, valid: Tensor, edge: int) -> Tensor:
        """Let a network for images rate the squares of one image, which is not cut up for it.

        Parameters
        ----------
        before, after : float32 (C1, H, W) and (C2, H, W)
            Whole squares; anything where invalid.
        valid : bool (H, W)
        edge : int
            Of a square, a multiple of the network's stride.

        Returns
        -------
        float32 (rows, cols)
            On the CPU.
        """
        with torch.inference_mode():
            dates, _ = self._prepare(before[None], after[None], valid[None])
            squares = [cut_squares(date[0], edge // self._shrink) for date in dates]
            rated = self._score_flipped(squares, None, (), self._run)
            rated = self._link.collect(self._link.fetch(rated))
        return rated.reshape(valid.shape[0] // edge, valid.shape[1] // edge)

    def _score(self, before: Tensor, after: Tensor, valid: Tensor) -> Tensor:
        """Score a part; beyond the extent of a tile's valid pixels nothing is computed."""
        arrays = before, after, valid
        if self._edged is None:
            return self._score_extent(*arrays, self._run)
        score = torch.zeros(valid.shape, device=self._device)
        for tiles, extent in group_extents(valid, self._stride):
            same = arrays if len(tiles) == len(valid) else tuple(a[tiles] for a in arrays)
            before, after, inner = (a[..., *extent] for a in same)
            whole = inner.shape == valid.shape
            found = self._score_extent(before, after, inner, self._run if whole else self._plain)
            if whole:
                return found
            for tile, part in zip(tiles, found, strict=True):
                score[tile, *extent] = part
        return score

    def _score_extent(self, before: Tensor, after: Tensor, valid: Tensor, run: Run) -> Tensor:
        height, width = valid.shape[-2:]
        dates, mask = self._prepare(before, after, valid)
        known = self._find_borders(mask, valid)
        score = self._score_flipped(dates, known, self._flips[0], run)
        for axes in self._flips[1:]:
            score += self._score_flipped(dates, known, axes, run)
        if len(self._flips) > 1:
            score /= len(self._flips)
        return score[..., :height, :width]

    def _find_borders(self, mask: Tensor | None, valid: Tensor) -> Tensor | None:
        """Return what is valid of the padded dates; None where nothing has to be kept out."""
        if self._edged is None:
            return None
        if mask is None and all(edge % self._stride == 0 for edge in valid.shape[-2:]):
            return None
        return self._pad(torch.ones_like(valid, device=self._device) if mask is None else mask)

    def _prepare(
        self, before: Tensor, after: Tensor, valid: Tensor
    ) -> tuple[list[Tensor], Tensor | None]:
        """Send, shrink, normalise and pad both dates; the mask, if any, is as it was sent."""
        *sent, mask = self._link.send(before, after, valid)
        if self._shrink > 1:
            sent = [shrink_image(date.float(), self._shrink) for date in sent]
            mask = None if mask is None else shrink_mask(mask, self._shrink)
        dates = [
            self._pad(self._normalize(date, mask, columns))
            for date, columns in zip(sent, self._columns, strict=True)
        ]
        return dates, mask

    def _score_flipped(
        self, dates: list[Tensor], known: Tensor | None, axes: tuple[int, ...], run: Run
    ) -> Tensor:
        before, after = (date.flip(axes) if axes else date for date in dates)
        if known is None or self._edged is None:
            logits = run(before, after)
        else:
            with self._borders.hold(known.flip(axes) if axes else known):
                logits = self._edged(before, after)
        return self._probability(logits.flip(axes) if axes else logits)

    def _probability(self, logits: Tensor) -> Tensor:
        plain = logits.squeeze(1).float()
        return (plain if self._temperature == 1 else plain / self._temperature).sigmoid()

    def _normalize(self, date: Tensor, mask: Tensor | None, columns: list[Tensor]) -> Tensor:
        """Scale, cut and cast; pixels that are invalid at either date are 0 at both."""
        centre, gain = columns
        out = torch.empty(date.shape, dtype=self._dtype, device=self._device)
        rows = STRIP_ROWS if self._device.type == "cpu" else date.shape[-2]
        for row in range(0, date.shape[-2], rows):
            strip = slice(row, row + rows)
            scaled = (date[..., strip, :].float() - centre).mul_(gain).clamp_(-LIMIT, LIMIT)
            if mask is not None:
                scaled = torch.where(mask[:, None, strip], scaled, 0.0)
            out[..., strip, :] = scaled
        return out

    def _pad(self, date: Tensor) -> Tensor:
        """Add zeros (or nodata) below and to the right, up to the next multiple of the stride."""
        bottom, right = (-edge % self._stride for edge in date.shape[-2:])
        return pad(date, (0, right, 0, bottom)) if bottom or right else date


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether torch ran out of memory, on a GPU or a processor.

    Examples
    --------
    >>> is_out_of_memory(torch.OutOfMemoryError()), is_out_of_memory(RuntimeError("shape"))
    (True, False)
    """
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _halve(size: int, shape: torch.Size) -> int:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if size <= 1:
        msg = (
            f"one tile of {shape[-2]} x {shape[-1]} px does not fit into memory; choose smaller "
            "tiles (--tile-size), or the CPU"
        )
        raise ResourceError(msg)
    return size // 2


def _columns(scaling: Scaling, device: torch.device) -> list[Tensor]:
    return [torch.from_numpy(column).to(device) for column in scaling.columns()]

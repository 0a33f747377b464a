"""Nodata as the border of the image, at every layer of a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from geochange.nn.parts.layers import Shift


class Borders:
    """Let what is invalid be nothing to every convolution of a network, as is what lies outside.

    Convolutions take what lies beyond their input for zeros. Where a tile reaches over the edge of
    the image, or into nodata, zeros in the input alone are something else: after the first layer
    they are features like any others, those of black ground with a sharp edge. So the features
    that a convolution looks at are set to zero wherever their cell holds no valid pixel. Scores
    near an edge then equal those of the image that ends there, which is what networks see in
    training. It is the mask of the sparse convolution of Uhrig et al. 2017 (arXiv 1708.06500)
    without its rescaling.

    Hooks stay on the network until :meth:`remove`; they do nothing outside of :meth:`hold`.

    Parameters
    ----------
    model : Module
        Several threads may run it at a time, each with a mask of its own.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 3, padding=1)).eval()
    >>> borders, date, valid = Borders(model), torch.rand(1, 1, 4, 6), torch.ones(1, 4, 6) > 0
    >>> valid[..., 4:] = False
    >>> with torch.inference_mode(), borders.hold(valid):
    ...     held = model(torch.where(valid[:, None], date, 0.0))[..., :4]
    >>> with torch.inference_mode():
    ...     bool(torch.allclose(held, model(date[..., :4])))
    True
    """

    def __init__(self, model: nn.Module) -> None:
        self._held: dict[int, _Cells] = {}
        self._handles = [
            module.register_forward_pre_hook(_Clear(self._held)) for module in _find_layers(model)
        ]

    @contextmanager
    def hold(self, valid: Tensor) -> Iterator[None]:
        """Keep to valid pixels in what this thread runs meanwhile.

        While a network is exported, sizes are not known: it must have been run once before.

        Parameters
        ----------
        valid : bool (N, H, W)
            As large as the dates that the network is given.
        """
        self._held[get_ident()] = _Cells(valid)
        try:
            yield
        finally:
            del self._held[get_ident()]

    def remove(self) -> None:
        """Leave the network as it was."""
        for handle in self._handles:
            handle.remove()


@contextmanager
def keep_to(model: nn.Module, valid: Tensor) -> Iterator[None]:
    """Keep a network to valid pixels, see :class:`Borders`, in what one thread runs meanwhile.

    Parameters
    ----------
    model : Module
    valid : bool (N, H, W)
        As large as the dates that the network is given.
    """
    if bool(valid.all()):
        yield
        return
    borders = Borders(model)
    try:
        with borders.hold(valid):
            yield
    finally:
        borders.remove()


def _find_layers(model: nn.Module) -> Iterator[nn.Module]:
    """Yield what looks at more than single pixels.

    Layers that begin with their ``conv`` stand for it: those fused for speed never call it.
    """
    inner = set()
    for module in model.modules():  # parents come first
        if isinstance(module, Shift):
            yield module
        conv = getattr(module, "conv", module)
        if not isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) or id(module) in inner:
            continue
        inner.add(id(conv))
        if max(conv.kernel_size) > 1:
            yield module


class _Cells:
    """Which cells hold a valid pixel, at each resolution that was asked for.

    Parameters
    ----------
    valid : bool (N, H, W)
    """

    def __init__(self, valid: Tensor) -> None:
        self.shape = valid.shape
        self.valid = valid[:, None].float()
        self.found: dict[int, Tensor | None] = {}

    def clear(self, x: Tensor, factor: int) -> Tensor:
        """Set features of the other cells to zero.

        Parameters
        ----------
        x : float (K N, C, H / factor, W / factor)
            K dates after each other.
        factor : int
            Edge of a cell in pixels.
        """
        if factor not in self.found:
            self.found[factor] = self._find(factor)
        mask = self.found[factor]
        if mask is None:
            return x
        dates = x.shape[0] // self.shape[0]
        return x * (mask.repeat(dates, 1, 1, 1) if dates > 1 else mask).to(x.dtype)

    def _find(self, factor: int) -> Tensor | None:
        """Return the mask of cells; None where all hold a valid pixel, as beside a thin edge."""
        mask = max_pool2d(self.valid, factor)
        exported = isinstance(self.shape[-1], torch.SymInt)
        return None if not exported and bool(mask.all()) else mask


class _Clear:
    """What is done to the input of one convolution."""

    def __init__(self, held: dict[int, _Cells]) -> None:
        self.held = held
        self.factor = 1

    def __call__(self, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        cells = self.held.get(get_ident())
        if cells is None:
            return None
        x, *others = inputs
        height = x.shape[-2]
        if not isinstance(height, torch.SymInt):  # while exported, as it was before
            self.factor = cells.shape[-2] // height
        return (cells.clear(x, self.factor), *others)

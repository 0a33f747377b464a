"""Pixels to the device and scores back: nothing to do on a processor, overlapped on a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LEVELS = 65534
"""Scores of 0 to 1 are stored as whole numbers of 0 to this; they come back from a GPU as such."""
STRIP_ROWS = 16
"""Rows packed at a time: they stay in the processor's cache."""
MOST_UINT8 = 255


class DeviceLink:
    """The way to a processor: none.

    Attributes
    ----------
    parts : int
        Into how many a batch is cut, so that a part can travel while another is computed on.
    """

    parts = 1

    def send(
        self, before: Tensor, after: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Bring a part to the device; the mask only when something is invalid."""
        return before, after, None if bool(valid.all()) else valid

    def fetch(self, score: Tensor) -> Any:
        """Begin to bring scores back, and return what :meth:`collect` takes."""
        return score

    def collect(self, fetched: Any) -> Tensor:
        """Wait for scores, float32 on the processor."""
        score: Tensor = fetched
        return score


class CudaLink(DeviceLink):
    """The way to a GPU: pinned memory and a stream of its own, beside what is computed.

    Whole numbers travel as such, a quarter or half of the bytes, and scores come back as they are
    stored. The allocator of pinned memory keeps a block until its copy is done, which makes it a
    ring of buffers.

    Parameters
    ----------
    device : torch.device
    """

    parts = 4

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def send(
        self, before: Tensor, after: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Bring a part to the device on the link's stream; what follows waits for it there."""
        mask = None if bool(valid.all()) else valid
        packed = [pack(before, mask), pack(after, mask), *([] if mask is None else [mask])]
        with torch.cuda.stream(self.stream):
            moved = [x.pin_memory().to(self.device, non_blocking=True) for x in packed]
        current = torch.cuda.current_stream(self.device)
        current.wait_stream(self.stream)
        for tensor in moved:
            tensor.record_stream(current)
        return moved[0], moved[1], None if mask is None else moved[2]

    def fetch(self, score: Tensor) -> Any:
        """Queue the copy of stored scores behind what computes them."""
        stored = to_levels(score)
        host = torch.empty(stored.shape, dtype=stored.dtype, pin_memory=True)
        host.copy_(stored, non_blocking=True)
        return host, torch.cuda.current_stream(self.device).record_event()

    def collect(self, fetched: Any) -> Tensor:
        """Wait for the copy alone, not for what was queued behind it."""
        host, done = fetched
        done.synchronize()
        return from_levels(host)


def open_link(device: torch.device) -> DeviceLink:
    """Return the way to a device."""
    return CudaLink(device) if device.type == "cuda" else DeviceLink()


def pack(date: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return whole numbers of 0 to 65535 in the smallest type that holds them.

    About 4 ms for a million pixels of four bands at two dates, no more than their copy takes.

    Parameters
    ----------
    date : float32 or integer (N, C, H, W)
    mask : bool (N, H, W), optional
        Valid pixels; None when all are. Others may hold anything, and become 0 if all is packed.

    Returns
    -------
    uint8, uint16 or ``date`` itself

    Examples
    --------
    >>> date = torch.full((1, 1, 2, 2), 255.0)
    >>> pack(date).dtype, pack(date + 1).dtype, pack(date + 0.5).dtype
    (torch.uint8, torch.uint16, torch.float32)
    """
    if not date.is_floating_point():
        return date
    pixels: NDArray[np.float32] = date.numpy()
    packed = np.empty(pixels.shape, np.uint16)
    highest = 0
    for row in range(0, pixels.shape[-2], STRIP_ROWS):
        rows = (..., slice(row, row + STRIP_ROWS), slice(None))
        known = None if mask is None else mask.numpy()[:, None, rows[1]]
        strip = pixels[rows] if known is None else np.where(known, pixels[rows], np.float32(0))
        with np.errstate(invalid="ignore"):  # what does not fit is seen in the next line
            packed[rows] = strip
        if not np.array_equal(packed[rows].astype(np.float32), strip):
            return date
        highest = max(highest, int(packed[rows].max(initial=0)))
    return torch.from_numpy(packed.astype(np.uint8) if highest <= MOST_UINT8 else packed)


def to_levels(score: Tensor) -> Tensor:
    """Return scores in [0, 1] as whole numbers, uint16.

    Examples
    --------
    >>> to_levels(torch.tensor([0.0, 0.5, 1.0])).tolist()
    [0, 32767, 65534]
    """
    return (score * LEVELS).round().to(torch.uint16)


def from_levels(stored: Tensor) -> Tensor:
    """Invert :func:`to_levels`, float32."""
    return stored.float() * (1 / LEVELS)

"""What a trained network says of the pixels of a window, over many dates."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray

from geochange.errors import ResourceError
from geochange.nn.inference.precision import choose_device
from geochange.nn.inference.predictor import is_out_of_memory
from geochange.nn.normalization import Scaling
from geochange.nn.parts.layers import fold_batch_norm
from geochange.nn.temporal.network import SeriesNet, join_dates
from geochange.nn.threads import single_threaded


class SeriesPredictor:
    """A network for series that scores windows of raw pixels, in float32.

    Parameters
    ----------
    model : SeriesNet
        Left as it is.
    scaling : Scaling
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    temperature : float
        The logit of any change is divided by it.

    Notes
    -----
    Many threads may score at a time.

    Examples
    --------
    >>> from geochange.nn.temporal.registry import build_series_model
    >>> predict = SeriesPredictor(build_series_model("cnn-lstm", 1), Scaling((0.0,), (1.0,)))
    >>> images, valid = np.zeros((4, 1, 20, 30), np.float32), np.ones((4, 20, 30), bool)
    >>> score, place = predict(images, valid, np.arange(4))
    >>> score.shape, place.dtype.name
    ((20, 30), 'int64')
    """

    def __init__(
        self,
        model: SeriesNet,
        scaling: Scaling,
        *,
        device: str = "auto",
        temperature: float = 1.0,
    ) -> None:
        self._device = choose_device(device)
        self._model = copy.deepcopy(model).eval().float()
        fold_batch_norm(self._model)
        self._model.to(self._device)
        self._scaling, self._temperature = scaling, temperature

    def __call__(
        self, images: NDArray[np.float32], valid: NDArray[np.bool_], days: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Score a window.

        Parameters
        ----------
        images : float32 (T, C, H, W)
            Pixel values, anything where invalid.
        valid : bool (T, H, W)
        days : int64 (T,)
            Ordinals, rising.

        Returns
        -------
        score : float32 (H, W)
            Of any change, in [0, 1].
        place : int64 (H, W)
            Position of the likeliest first date that shows it.

        Raises
        ------
        ResourceError
            The window does not fit into memory.
        """
        scaled = np.where(valid[:, None], self._scaling.apply(images), np.float32(0))
        apart = (days - days[0]).astype(np.float32) + np.float32(days[0] % 1461)
        arrays = (scaled[None], valid[None], apart[None])
        try:
            with single_threaded(), torch.inference_mode():
                logits = self._model(*(torch.from_numpy(a).to(self._device) for a in arrays))
                score = (join_dates(logits)[0, 0] / self._temperature).sigmoid().cpu().numpy()
                place = logits[0].argmax(dim=0).cpu().numpy()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            msg = (
                f"{len(images)} dates of {images.shape[2]} x {images.shape[3]} px do not fit into "
                "memory; choose smaller tiles (--tile-size), or the CPU"
            )
            raise ResourceError(msg) from error
        return score, place

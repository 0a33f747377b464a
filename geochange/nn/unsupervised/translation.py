"""Networks that translate each date of a pair into the other through a code they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from geochange.nn.threads import single_threaded

Array = NDArray[np.float32]

WIDTH = 24
CODES = 6
RADIUS = 2
"""Pixels that a translation sees around each one."""
LOG_RANGE = -6.0, 4.0
"""Limits of the logarithm of a variance that a decoder gives."""


@dataclass(frozen=True)
class Guess:
    """What a network says of an image: its values and, if it knows, the log of their variance."""

    mean: Tensor
    log_variance: Tensor | None = None

    def measure(self, truth: Tensor) -> Tensor:
        """Return squared errors (N, C, H, W), in variances where these are known."""
        square = (self.mean - truth) ** 2
        return square if self.log_variance is None else square * (-self.log_variance).exp()


class TranslationNet(nn.Module):
    """Two encoders into one code and two decoders out of it, one of each for either date.

    Parameters
    ----------
    bands : tuple of int
        Of the before and of the after date.
    variational : bool
        Codes and values are normal distributions instead of numbers.

    Examples
    --------
    >>> net = TranslationNet((1, 3))
    >>> net.translate(torch.zeros(2, 1, 7, 7), 0).mean.shape
    torch.Size([2, 3, 3, 3])
    """

    def __init__(self, bands: tuple[int, int], *, variational: bool = False) -> None:
        super().__init__()
        self.bands = bands
        self.variational = variational
        times = 2 if variational else 1
        self.encoders = nn.ModuleList(_build_encoder(count, times * CODES) for count in bands)
        self.decoders = nn.ModuleList(_build_decoder(times * count) for count in bands)

    def encode(self, image: Tensor, date: int) -> Guess:
        """Return the code of an image of one date, 2 px smaller at each side."""
        return self._split(self.encoders[date](image))

    def decode(self, code: Tensor, date: int) -> Guess:
        """Return what an image of one date with this code looks like."""
        return self._split(self.decoders[date](code))

    def translate(self, image: Tensor, date: int) -> Guess:
        """Return what an image of one date should look like at the other."""
        return self.decode(self.encode(image, date).mean, 1 - date)

    def _split(self, values: Tensor) -> Guess:
        if not self.variational:
            return Guess(values)
        mean, log_variance = values.chunk(2, dim=1)
        return Guess(mean, log_variance.clamp(*LOG_RANGE))


def _build_encoder(bands: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(bands, WIDTH, 3),
        nn.LeakyReLU(0.1),
        nn.Conv2d(WIDTH, WIDTH, 3),
        nn.LeakyReLU(0.1),
        nn.Conv2d(WIDTH, width_out, 1),
    )


def _build_decoder(width_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(CODES, WIDTH, 1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(WIDTH, WIDTH, 1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(WIDTH, width_out, 1),
    )


def crop_to(image: Tensor, like: Tensor) -> Tensor:
    """Return the middle of an image, as large as another.

    Examples
    --------
    >>> crop_to(torch.zeros(1, 1, 7, 7), torch.zeros(1, 1, 3, 3)).shape
    torch.Size([1, 1, 3, 3])
    """
    margin = (image.shape[-1] - like.shape[-1]) // 2
    return image[..., margin : image.shape[-2] - margin, margin : image.shape[-1] - margin]


class Translator:
    """A trained network that measures how far either date is from its translation.

    Parameters
    ----------
    weights : mapping of str to float32 array
        Of :func:`geochange.nn.unsupervised.translationtraining.train_translation`.
    bands : tuple of int
    variational : bool
    """

    def __init__(
        self, weights: Mapping[str, Array], bands: tuple[int, int], *, variational: bool
    ) -> None:
        self._net = TranslationNet(bands, variational=variational)
        self._net.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
        self._net.eval()

    def __call__(self, before: Array, after: Array) -> Array:
        """Return root mean square errors over the bands, float32 (2, N, H, W).

        Of the after date given the before date, and the other way round; zeros lie around the
        images (N, C1, H, W) and (N, C2, H, W).
        """
        errors = []
        with torch.inference_mode(), single_threaded():
            for images in zip(before, after, strict=True):
                dates = [torch.from_numpy(image)[None] for image in images]
                errors.append(torch.stack([self._measure(dates, date) for date in (0, 1)]))
        found: Array = torch.stack(errors, dim=1).numpy()
        return found

    def _measure(self, dates: list[Tensor], date: int) -> Tensor:
        guess = self._net.translate(pad(dates[date], (RADIUS,) * 4), date)
        return guess.measure(dates[1 - date])[0].mean(dim=0).sqrt()

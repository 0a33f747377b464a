"""Losses from a specification such as ``"bce+0.5*lovasz"``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geochange.errors import UsageError, suggest
from geochange.nn.learning.lossterms import (
    BinaryCrossEntropy,
    Contrastive,
    CrossEntropy,
    Focal,
    HardPixels,
    Lovasz,
    Pixels,
    Term,
    Tversky,
    require_range,
)


@dataclass(frozen=True)
class Kind:
    """A term that a specification may name.

    Attributes
    ----------
    build : callable
        Takes the numbers after the colon.
    numbers : tuple of tuple of float
        Range of each of those numbers; all or none may be given.
    """

    build: Callable[..., Term | Contrastive]
    numbers: tuple[tuple[float, float], ...] = ()


KINDS: dict[str, Kind] = {
    "bce": Kind(BinaryCrossEntropy),
    "ce": Kind(CrossEntropy),
    "contrastive": Kind(Contrastive, ((1e-6, 1e6),)),
    "dice": Kind(Tversky),
    "focal": Kind(Focal, ((0, 10),)),
    "lovasz": Kind(Lovasz),
    "ohem": Kind(HardPixels, ((1e-6, 1),)),
    "tversky": Kind(Tversky, ((0, 10), (0, 10))),
}


class ChangeLoss(nn.Module):
    """A weighted sum of terms over the pixels of known truth.

    Parameters
    ----------
    terms : list of (float, Term or Contrastive)
    class_weights : sequence of float, optional
        Weights of the pixels of no change and of change, in all terms but ``dice``, ``tversky``
        and ``lovasz``, which look at whole classes.
    ignore : int
        Value of the target that does not count.

    Attributes
    ----------
    needs_features : bool
        The features of both dates must be given, see :class:`geochange.nn.networks.network.Trace`.
    """

    def __init__(
        self,
        terms: list[tuple[float, Term | Contrastive]],
        *,
        class_weights: Sequence[float] | None = None,
        ignore: int = 255,
    ) -> None:
        super().__init__()
        self.terms = terms
        self.ignore = ignore
        self.class_weights = tuple(class_weights or (1.0, 1.0))
        self.needs_features = any(isinstance(term, Contrastive) for _, term in terms)

    def forward(
        self, logits: Tensor, target: Tensor, features: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        logits : float (N, 1, H, W)
        target : uint8 (N, H, W)
            0 no change, 1 change, or the ignored value.
        features : tuple of float (N, C, h, w), optional
            Of the before and the after date, for ``contrastive``.

        Returns
        -------
        float32 scalar
            0 with a gradient of 0 when nothing counts.
        """
        counted = target != self.ignore
        truth = (target == 1).float()
        unchanged, changed = self.class_weights
        weights = torch.where(target == 1, changed, unchanged) * counted
        flat = (t.flatten() for t in (logits.squeeze(1).float(), truth, weights, counted.float()))
        pixels = Pixels(*flat)
        total = logits.float().sum() * 0
        for factor, term in self.terms:
            if not isinstance(term, Contrastive):
                total = total + factor * term(pixels)
            elif features is None:
                msg = (
                    "loss 'contrastive' compares the features of each date, which this network "
                    "does not have; choose a siamese network, or leave the term out"
                )
                raise UsageError(msg)
            else:
                total = total + factor * term(features, truth, counted, weights)
        return total


def build_loss(
    spec: str, *, class_weights: Sequence[float] | None = None, ignore: int = 255
) -> ChangeLoss:
    """Build a loss.

    Parameters
    ----------
    spec : str
        Terms joined by ``+``, each with an optional factor and numbers: ``bce``, ``ce``, ``dice``,
        ``focal:GAMMA``, ``tversky:FALSE_POSITIVE,FALSE_NEGATIVE``, ``lovasz``, ``ohem:SHARE``,
        ``contrastive:MARGIN``; such as ``"bce+0.5*lovasz"``.
    class_weights : sequence of float, optional
        Of no change and of change.
    ignore : int
        Value of the target that does not count.

    Raises
    ------
    UsageError
        A term that does not exist, numbers it does not take, or weights that are not two positive
        numbers.

    Examples
    --------
    >>> loss = build_loss("bce+0.5*dice")
    >>> value = loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.uint8))
    >>> round(float(value), 4)
    1.0265
    """
    if class_weights is not None and (len(class_weights) != 2 or min(class_weights) <= 0):
        msg = f"class_weights are two numbers above 0, no change and change; got {class_weights}"
        raise UsageError(msg)
    terms = [_parse_term(part.strip(), spec) for part in spec.split("+")]
    return ChangeLoss(terms, class_weights=class_weights, ignore=ignore)


def _parse_term(text: str, spec: str) -> tuple[float, Term | Contrastive]:
    factor, star, rest = text.rpartition("*")
    name, colon, given = (rest if star else text).strip().partition(":")
    if name not in KINDS:
        msg = f"unknown loss '{name}' in '{spec}'{suggest(name, KINDS)}"
        raise UsageError(msg)
    kind = KINDS[name]
    numbers = [_number(n, spec) for n in given.split(",")] if colon else []
    if numbers and len(numbers) != len(kind.numbers):
        msg = f"loss '{name}' takes {len(kind.numbers)} numbers, got '{given}' in '{spec}'"
        raise UsageError(msg)
    for number, limits in zip(numbers, kind.numbers, strict=False):
        require_range(name, number, *limits)
    scale = require_range(name, _number(factor, spec), 1e-9, 1e9) if star else 1.0
    return scale, kind.build(*numbers)


def _number(text: str, spec: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        msg = f"'{text}' in loss '{spec}' is not a number; write such as focal:2 or 0.5*dice"
        raise UsageError(msg) from error

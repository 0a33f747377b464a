"""Loss terms: logits and truth of pixels, some of which count, to one number each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, logsigmoid, relu

from geochange.errors import UsageError

SMOOTH = 1.0
"""Added to numerator and denominator of overlaps: 0 loss when nothing is there to find."""


@dataclass(frozen=True)
class Pixels:
    """All pixels of a batch; taking out those that count would cost more than the network's step.

    Attributes
    ----------
    logits : float32 (P,)
    truth : float32 (P,)
        0 or 1; 0 where a pixel does not count.
    weights : float32 (P,)
        Weight of each pixel's class; 0 where it does not count.
    counted : float32 (P,)
        1 where a pixel counts, else 0.
    """

    logits: Tensor
    truth: Tensor
    weights: Tensor
    counted: Tensor

    def mean(self, losses: Tensor) -> Tensor:
        """Return the mean of what is 0 where a pixel does not count; 0 when none does."""
        return losses.sum() / self.counted.sum().clamp_min(1)


class Term:
    """One term of a loss; an empty batch gives 0 with a gradient of 0."""

    def __call__(self, pixels: Pixels) -> Tensor:
        """Return a scalar."""
        raise NotImplementedError


class BinaryCrossEntropy(Term):
    """Mean weighted binary cross-entropy over the pixels."""

    def __call__(self, pixels: Pixels) -> Tensor:
        """Return the mean."""
        return pixels.mean(cross_entropy(pixels) * pixels.weights)


class CrossEntropy(Term):
    """Two-class softmax cross-entropy of (0, logit), divided by the sum of the weights.

    With class weights it differs from :class:`BinaryCrossEntropy`, which divides by the number of
    pixels; without them both are equal.
    """

    def __call__(self, pixels: Pixels) -> Tensor:
        """Return the weighted mean."""
        total = (cross_entropy(pixels) * pixels.weights).sum()
        return total / pixels.weights.sum().clamp_min(1e-12)


@dataclass(frozen=True)
class Focal(Term):
    """Cross-entropy that fades for pixels that are right already (Lin et al. 2017, 1708.02002)."""

    gamma: float = 2.0

    def __call__(self, pixels: Pixels) -> Tensor:
        """Return the mean of ``(1 - p)^gamma`` times the cross-entropy, p of the true class."""
        entropy = cross_entropy(pixels)
        wrong = logsigmoid(pixels.logits * (1 - 2 * pixels.truth)).exp()
        return pixels.mean(wrong.clamp_min(1e-12) ** self.gamma * entropy * pixels.weights)


@dataclass(frozen=True)
class Tversky(Term):
    """One minus the Tversky index (Salehi et al. 2017, arXiv 1706.05721) of the whole batch.

    ``false_positive`` and ``false_negative`` weight the two kinds of error; 0.5 and 0.5 is Dice.
    """

    false_positive: float = 0.5
    false_negative: float = 0.5

    def __call__(self, pixels: Pixels) -> Tensor:
        """Return the loss."""
        score, truth = pixels.logits.sigmoid(), pixels.truth
        hit = (score * truth).sum()
        false_alarm = (score * (pixels.counted - truth)).sum()
        missed = ((1 - score) * truth).sum()
        errors = self.false_positive * false_alarm + self.false_negative * missed
        return 1 - (hit + SMOOTH / 2) / (hit + errors + SMOOTH / 2)


class Lovasz(Term):
    """Lovasz hinge: a convex surrogate of the Jaccard index (Berman et al. 2018, 1705.08790)."""

    def __call__(self, pixels: Pixels) -> Tensor:
        """Return the loss of the change class over the whole batch."""
        errors = 1 - pixels.logits * (2 * pixels.truth - 1)
        errors = torch.where(pixels.counted > 0, errors, -torch.inf)  # last, and without loss
        errors, order = errors.sort(descending=True)
        return (relu(errors) * jaccard_steps(pixels.truth[order])).sum()


@dataclass(frozen=True)
class HardPixels(Term):
    """Online hard example mining (Shrivastava et al. 2016, arXiv 1604.03540), pixel by pixel.

    The mean cross-entropy of the given share of the pixels, those with the highest.
    """

    share: float = 0.25

    def __call__(self, pixels: Pixels) -> Tensor:
        """Return the mean."""
        losses = cross_entropy(pixels) * pixels.weights
        count = max(1, round(self.share * float(pixels.counted.sum())))
        return losses.topk(min(count, len(losses))).values.sum() / count


@dataclass(frozen=True)
class Contrastive:
    """Features of the two dates near where nothing changed, far apart where something did.

    The batch-balanced contrastive loss of Chen and Shi 2020 (doi:10.3390/rs12101662) after Hadsell
    et al. 2006: distances at the features' resolution are interpolated to that of the truth.
    """

    margin: float = 2.0

    def __call__(
        self, features: tuple[Tensor, Tensor], truth: Tensor, counted: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        features : tuple of float (N, C, h, w)
        truth : float32 (N, H, W)
        counted : bool (N, H, W)
        weights : float32 (N, H, W)
        """
        before, after = (date.float() for date in features)
        distance = ((before - after).square().sum(1, keepdim=True) + 1e-12).sqrt()
        size = (truth.shape[-2], truth.shape[-1])
        full = interpolate(distance, size=size, mode="bilinear").squeeze(1)
        alike = (1 - truth) * counted
        unlike = truth * counted
        near = (alike * weights * full.square()).sum() / alike.sum().clamp_min(1)
        far = (unlike * weights * relu(self.margin - full).square()).sum()
        return (near + far / unlike.sum().clamp_min(1)) / 2


def cross_entropy(pixels: Pixels) -> Tensor:
    """Return the binary cross-entropy of each pixel, unweighted, float32 (P,)."""
    return binary_cross_entropy_with_logits(pixels.logits, pixels.truth, reduction="none")


def jaccard_steps(truth: Tensor) -> Tensor:
    """Return how much the Jaccard loss grows with each further wrong pixel, worst first.

    Parameters
    ----------
    truth : float32 (P,)
        In order of falling errors.

    Examples
    --------
    >>> jaccard_steps(torch.tensor([1.0, 0.0]))
    tensor([1., 0.])
    """
    total = truth.sum()
    overlap = total - truth.cumsum(0)
    union = total + (1 - truth).cumsum(0)
    loss = 1 - overlap / union
    return torch.diff(loss, prepend=loss.new_zeros(1))


def require_range(name: str, value: float, low: float, high: float) -> float:
    """Return ``value``.

    Raises
    ------
    UsageError
        It lies outside ``low`` to ``high``.
    """
    if not low <= value <= high:
        msg = f"loss '{name}' takes numbers from {low:g} to {high:g}, got {value:g}"
        raise UsageError(msg)
    return value

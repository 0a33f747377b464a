"""Learning from scenes without labels: the student imitates what its own average is sure of.

The teacher is the moving average of the weights (mean teacher, Tarvainen and Valpola 2017, arXiv
1703.01780). It sees a weak view of a chip; where it is sure, its answer is the label with which
the student learns a strong view of the same ground (FixMatch, Sohn et al. 2020, arXiv 2001.07685),
parts of which come from another chip, for both alike (French et al. 2020, arXiv 1906.01916).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from geochange.evaluation.counts import UNKNOWN
from geochange.training.chips.views import Views


def ramp_weight(step: int, steps: int) -> float:
    """Return the share of the weight at a step: ``exp(-5 (1 - t)^2)`` as Tarvainen and Valpola.

    Examples
    --------
    >>> [round(ramp_weight(step, 100), 3) for step in (0, 50, 100, 900)]
    [0.007, 0.287, 1.0, 1.0]
    """
    done = min(1.0, step / steps) if steps else 1.0
    return math.exp(-5 * (1 - done) ** 2)


def make_targets(logits: Tensor, views: Views, confidence: float) -> Tensor:
    """Return the teacher's answers for the strong view.

    Parameters
    ----------
    logits : float (N, 1, H, W)
        Of the weak view.
    views : Views
    confidence : float
        Least probability of the answer.

    Returns
    -------
    uint8 (N, H, W)
        0 no change, 1 change, 255 where the teacher is not sure or the strong view is invalid.
    """
    change = torch.sigmoid(logits[:, 0].float())
    change = torch.where(views.pasted, change.roll(-1, dims=0), change)
    sure = torch.maximum(change, 1 - change) >= confidence
    answer = (change > 0.5).to(torch.uint8)
    return torch.where(sure & views.valid, answer, torch.full_like(answer, UNKNOWN))


def compare(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return the cross entropy with the teacher's answers; pixels that it is not sure of add 0.

    Parameters
    ----------
    logits : float (N, 1, H, W)
        Of the student, for the strong view.
    target : uint8 (N, H, W)
        See :func:`make_targets`.
    valid : bool (N, H, W)
        The mean is over these pixels, so that few sure ones count little.

    Examples
    --------
    >>> target = torch.tensor([[[0, 1, 255, 255]]], dtype=torch.uint8)
    >>> valid = torch.tensor([[[True, True, True, False]]])
    >>> round(float(compare(torch.zeros(1, 1, 1, 4), target, valid)), 4)
    0.4621
    """
    sure = target != UNKNOWN
    wanted = (target == 1).float()
    loss = binary_cross_entropy_with_logits(logits[:, 0].float(), wanted, reduction="none")
    return (loss * sure).sum() / valid.sum().clamp(min=1)

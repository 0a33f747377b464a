"""A network and its compiled form: whichever is faster, once it was seen to be right."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import perf_counter

import torch
from torch import Tensor

from geochange.nn.inference.autotuning import describe_situation, recall, remember
from geochange.nn.inference.precision import MOST_SCORE_ERROR

Run = Callable[[Tensor, Tensor], Tensor]
"""Both dates to logits."""


class FasterRun:
    """Compile with the first batch and keep what is faster for batches of its size.

    Parameters
    ----------
    plain : callable
        Both dates to logits.
    score : callable
        Logits to scores, by which the two are compared.
    precision : str
        What ``plain`` computes in.
    weights : str
        Hash of the weights. With it, which one is faster is remembered, see
        :mod:`geochange.nn.inference.autotuning`; that it is right is seen in every process.

    Attributes
    ----------
    chosen : callable
        What runs batches of that size; others are run by ``plain``, since each further size would
        be compiled anew.
    """

    def __init__(
        self, plain: Run, score: Callable[[Tensor], Tensor], *, precision: str, weights: str = ""
    ) -> None:
        self.plain = self.chosen = plain
        self._score, self._precision, self._weights = score, precision, weights
        self._shape: torch.Size | None = None
        self._lock = Lock()

    def __call__(self, before: Tensor, after: Tensor) -> Tensor:
        """Return logits."""
        with self._lock:  # other threads wait for the first batch
            if self._shape is None:
                self._shape = before.shape
                self._settle([before, after])
        run = self.chosen if before.shape == self._shape else self.plain
        return run(before, after)

    def _settle(self, dates: list[Tensor]) -> None:
        """Time the compiled network against the plain one, unless that was done before."""
        shapes = [list(date.shape) for date in dates]
        situation = describe_situation(self._weights, dates[0].device, self._precision, shapes)
        known = recall(situation) if self._weights else None
        if known is not False:
            self._try_compiled(dates, situation, known=known is not None)

    def _try_compiled(
        self, dates: list[Tensor], situation: dict[str, object], *, known: bool
    ) -> None:
        """Keep the compiled network when it is right and, timed or ``known``, faster."""
        try:
            compiled = torch.compile(self.plain)
            faster = known or _time(compiled, dates) < _time(self.plain, dates)
            apart = self._score(compiled(*dates)) - self._score(self.plain(*dates))
        except RuntimeError:  # no compiler on this machine, or one that fails
            return
        right = float(apart.abs().max()) <= MOST_SCORE_ERROR
        if faster and right:
            self.chosen = compiled
        if self._weights and not known:
            remember(situation, faster=faster and right)


def _time(run: Run, dates: list[Tensor]) -> float:
    run(*dates)
    _wait(dates[0])
    start = perf_counter()
    run(*dates)
    _wait(dates[0])
    return perf_counter() - start


def _wait(x: Tensor) -> None:
    if x.is_cuda:
        torch.cuda.synchronize(x.device)

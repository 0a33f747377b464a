"""The training loop: step after step, validation in between, a state to go on from."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor

from geochange.engine.stages import Progress as OnProgress
from geochange.engine.stages import report_nothing
from geochange.errors import TrainingError
from geochange.evaluation.ranking import ScoreHistogram
from geochange.nn.checkpoints.card import Card
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.normalization import Normalization
from geochange.training.cards import describe_network
from geochange.training.chips.batches import Feed, run_ahead
from geochange.training.chips.views import ViewMaker
from geochange.training.histograms import HISTOGRAM, write_histogram
from geochange.training.learner import Learner
from geochange.training.logs import TrainingLog
from geochange.training.schedule import learning_rate
from geochange.training.start import Start
from geochange.training.state import Progress
from geochange.training.validation import Findings, summarise

FIGURES = ("train_loss", "unlabelled_loss", "confident_share")
"""What the learner tells of each step."""
OnValidation = Callable[[int, Mapping[str, float]], str]
"""Called after each validation with the step and the scores; returns why training should stop, or
nothing."""
STATE, MODEL = "state.safetensors", "model.safetensors"


def let_go_on(step: int, scores: Mapping[str, float]) -> str:
    """Let training go on."""
    return ""


class Maker(Protocol):
    """Makes batches: the same ones whoever asks, and whenever."""

    def make_batch(self, step: int, indexes: Sequence[int]) -> Any:
        """Make some chips of a batch."""
        ...

    def describe(self, step: int, indexes: Sequence[int]) -> str:
        """Say where they come from."""
        ...


class Scorer(Protocol):
    """Validates a network."""

    def score(self, network: Any, fabric: Fabric) -> ScoreHistogram:
        """Return the histogram of scores by label over all processes."""
        ...


@dataclass
class Loop:
    """One training run in one process.

    Attributes
    ----------
    learner : Learner
    chips : Maker
    validator : Scorer
    split : Split or StackSplit
    normalization : Normalization
    folder : Path
        Of the outputs; the first process writes them.
    on_progress : callable
        Called with stage, steps done and steps in all.
    start : Start, optional
        What the weights started from.
    views : ViewMaker, optional
        Of chips without labels.
    on_validation : callable
        See :data:`OnValidation`.
    """

    learner: Learner
    chips: Maker
    validator: Scorer
    split: Any
    normalization: Normalization
    folder: Path
    on_progress: OnProgress = report_nothing
    start: Start | None = None
    views: ViewMaker | None = None
    on_validation: OnValidation = let_go_on
    losses: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config, self.fabric = self.learner.config, self.learner.fabric

    def describe(self, found: Findings) -> Card:
        """Return the card of the network as it is now."""
        return describe_network(self.config, self.split, self.normalization, found)

    def run(self, progress: Progress) -> Progress:
        """Train until the last step, or until validation stops getting better.

        Raises
        ------
        TrainingError
            The loss, or a weight, is no number.
        """
        self.on_progress("train", progress.step, self.config.steps)
        with ExitStack() as stack:
            feeds = stack.enter_context(closing(self._make_feeds(progress.step)))
            log = None
            if self.fabric.is_global_zero:
                log = stack.enter_context(closing(TrainingLog(self.folder, progress.step)))
            while progress.step < self.config.steps and not progress.stopped:
                self.losses.append(self.learner.take_step(progress.step, feeds))
                progress.step += 1
                self.on_progress("train", progress.step, self.config.steps)
                validating = self._validates(progress.step)
                if not validating and progress.step % self.config.log_every:
                    continue
                row = self._describe_step(progress.step)
                if validating:
                    row |= self._validate(progress)
                if log is not None:
                    log.write(row)
                if log is not None and validating:
                    log.draw()
                    self.learner.save(self.folder / STATE, progress)
        return progress

    def _make_feeds(self, step: int) -> Generator[Feed]:
        """Yield what this process learns from, from a step on, made ahead."""
        parts = self.config.optimizer.accumulate
        numbers = range(step * parts, self.config.steps * parts)
        return run_ahead(self._make_feed, numbers, self.config.compute.workers)

    def _make_feed(self, number: int) -> Feed:
        batch = self.chips.make_batch(number, self._share(self.config.chips.batch_size))
        if self.views is None:
            return Feed(batch)
        own = self._share(self.config.unlabelled.batch_size)
        return Feed(batch, self.views.make_views(number, own))

    def _share(self, count: int) -> range:
        """Return the chips of a batch that this process makes."""
        size, rank = count // self.fabric.world_size, self.fabric.global_rank
        return range(rank * size, (rank + 1) * size)

    def _validates(self, step: int) -> bool:
        return step % self.config.validation.every_steps == 0 or step == self.config.steps

    def _describe_step(self, step: int) -> dict[str, float]:
        """Return the row of the table; losses are means since the last row.

        Raises
        ------
        TrainingError
            One loss is no number; the message says at which step and in which batch.
        """
        losses = torch.stack(self.losses)
        losses = torch.as_tensor(self.fabric.all_reduce(losses, reduce_op="mean"))
        self.losses.clear()
        bad = torch.nonzero(~torch.isfinite(losses))
        if len(bad):
            row, column = bad[0].tolist()
            raise TrainingError(self._explain(step - len(losses) + row, losses[row, column]))
        means = dict(zip(FIGURES, losses.mean(dim=0).tolist(), strict=False))
        rate = learning_rate(step - 1, self.config.steps, self.config.optimizer)
        return {"step": step, "learning_rate": rate, **means}

    def _explain(self, step: int, loss: Tensor) -> str:
        parts = self.config.optimizer.accumulate
        chips = range(self.config.chips.batch_size)
        numbers = range(step * parts, (step + 1) * parts)
        batch = "; ".join(self.chips.describe(number, chips) for number in numbers)
        return (
            f"the loss is {float(loss)} at step {step + 1}, batch: {batch}; lower "
            "optimizer.learning_rate, set optimizer.clip_norm, or look at those chips"
        )

    def _validate(self, progress: Progress) -> dict[str, float]:
        """Validate the averaged weights; keep them when they are the best so far."""
        self.learner.share_statistics()
        self._require_numbers(progress.step)
        histogram = self.validator.score(self.learner.average.network, self.fabric)
        found = summarise(histogram)
        if found.counts.f1 > progress.best_f1 or self.config.validation.keep == "last":
            self._keep(found, histogram, progress)
        else:
            progress.stale += 1
        patience = self.config.validation.patience
        if patience and progress.stale >= patience:
            progress.stopped = f"no better F1 in {patience} validations"
        progress.stopped = progress.stopped or self._tell(progress.step, found)
        return {
            "val_loss": found.log_loss,
            "val_f1": found.counts.f1,
            "val_ap": found.average_precision,
            "val_threshold": found.threshold,
        }

    def _require_numbers(self, step: int) -> None:
        """Refuse to go on with weights that are no numbers, which a finite loss may lead to.

        Raises
        ------
        TrainingError
        """
        for name, weight in self.learner.average.network.state_dict().items():
            if not bool(torch.isfinite(weight).all()):
                msg = (
                    f"weight '{name}' is no number any more at step {step}; lower "
                    "optimizer.learning_rate, or set optimizer.clip_norm"
                )
                raise TrainingError(msg)

    def _tell(self, step: int, found: Findings) -> str:
        """Tell what was found; every process gets the same answer."""
        asked = self.fabric.is_global_zero
        reason = self.on_validation(step, found.scores) if asked else ""
        return self.fabric.broadcast(reason) if self.fabric.world_size > 1 else reason

    def _keep(self, found: Findings, histogram: ScoreHistogram, progress: Progress) -> None:
        """Write the averaged weights as the run's checkpoint, and how they scored."""
        progress.best_f1, progress.best_step, progress.stale = found.counts.f1, progress.step, 0
        progress.best = {
            "step": progress.step,
            "threshold": found.threshold,
            "temperature": found.temperature,
            "images" if self.config.task == "image" else "pixels": asdict(found.counts),
            "scores": found.scores,
        }
        if found.recalls:
            progress.best["recalls"] = [asdict(point) for point in found.recalls]
        if self.fabric.is_global_zero:
            card = self.describe(found)
            if self.start is not None:
                card = self.start.sign(card, titled=bool(self.config.card.description))
            save_checkpoint(self.folder / MODEL, self.learner.average.network, card)
            write_histogram(self.folder / HISTOGRAM, histogram)

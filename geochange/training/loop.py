"""The training loop: step after step, validation in between, a state to go on from."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from geochange.engine.stages import Progress as OnProgress
from geochange.engine.stages import report_nothing
from geochange.errors import TrainingError
from geochange.evaluation.ranking import ScoreHistogram
from geochange.nn.checkpoint import save_checkpoint
from geochange.nn.normalization import Normalization
from geochange.training.batches import Batch, ChipMaker, run_ahead
from geochange.training.cards import describe_network
from geochange.training.histograms import HISTOGRAM, write_histogram
from geochange.training.learner import Learner
from geochange.training.logs import TrainingLog
from geochange.training.schedule import learning_rate
from geochange.training.split import Split
from geochange.training.state import Progress
from geochange.training.validation import Findings, Validator, summarise

STATE, MODEL = "state.safetensors", "model.safetensors"


@dataclass
class Loop:
    """One training run in one process.

    Attributes
    ----------
    learner : Learner
    chips : ChipMaker
    validator : Validator
    split : Split
    normalization : Normalization
    folder : Path
        Of the outputs; the first process writes them.
    on_progress : callable
        Called with stage, steps done and steps in all.
    """

    learner: Learner
    chips: ChipMaker
    validator: Validator
    split: Split
    normalization: Normalization
    folder: Path
    on_progress: OnProgress = report_nothing
    losses: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config, self.fabric = self.learner.config, self.learner.fabric

    def run(self, progress: Progress) -> Progress:
        """Train until the last step, or until validation stops getting better.

        Raises
        ------
        TrainingError
            The loss is no number.
        """
        self.on_progress("train", progress.step, self.config.steps)
        with ExitStack() as stack:
            batches = stack.enter_context(closing(self._make_batches(progress.step)))
            log = None
            if self.fabric.is_global_zero:
                log = stack.enter_context(closing(TrainingLog(self.folder, progress.step)))
            while progress.step < self.config.steps and not progress.stopped:
                self.losses.append(self.learner.take_step(progress.step, batches))
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

    def _make_batches(self, step: int) -> Generator[Batch]:
        """Yield the batches of this process from a step on, made ahead."""
        share = self.config.chips.batch_size // self.fabric.world_size
        own = range(self.fabric.global_rank * share, (self.fabric.global_rank + 1) * share)
        parts = self.config.optimizer.accumulate
        numbers = range(step * parts, self.config.steps * parts)
        workers = self.config.compute.workers
        return run_ahead(lambda number: self.chips.make_batch(number, own), numbers, workers)

    def _validates(self, step: int) -> bool:
        return step % self.config.validation.every_steps == 0 or step == self.config.steps

    def _describe_step(self, step: int) -> dict[str, float]:
        """Return the row of the table; the loss is the mean since the last row.

        Raises
        ------
        TrainingError
            One loss is no number; the message says at which step and in which batch.
        """
        losses = torch.stack(self.losses)
        losses = torch.as_tensor(self.fabric.all_reduce(losses, reduce_op="mean"))
        self.losses.clear()
        bad = torch.nonzero(~torch.isfinite(losses)).flatten()
        if len(bad):
            raise TrainingError(self._explain(step - len(losses) + int(bad[0]), losses[bad[0]]))
        rate = learning_rate(step - 1, self.config.steps, self.config.optimizer)
        return {"step": step, "learning_rate": rate, "train_loss": float(losses.mean())}

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
        histogram = self.validator.score(self.learner.average.network, self.fabric)
        found = summarise(histogram)
        if found.counts.f1 > progress.best_f1 or self.config.validation.keep == "last":
            self._keep(found, histogram, progress)
        else:
            progress.stale += 1
        patience = self.config.validation.patience
        if patience and progress.stale >= patience:
            progress.stopped = f"no better F1 in {patience} validations"
        return {
            "val_loss": found.log_loss,
            "val_f1": found.counts.f1,
            "val_ap": found.average_precision,
            "val_threshold": found.threshold,
        }

    def _keep(self, found: Findings, histogram: ScoreHistogram, progress: Progress) -> None:
        """Write the averaged weights as the run's checkpoint, and how they scored."""
        progress.best_f1, progress.best_step, progress.stale = found.counts.f1, progress.step, 0
        progress.best = {
            "step": progress.step,
            "threshold": found.threshold,
            "temperature": found.temperature,
            "pixels": asdict(found.counts),
            "scores": found.scores,
        }
        if self.fabric.is_global_zero:
            card = describe_network(self.config, self.split, self.normalization, found)
            save_checkpoint(self.folder / MODEL, self.learner.average.network, card)
            write_histogram(self.folder / HISTOGRAM, histogram)

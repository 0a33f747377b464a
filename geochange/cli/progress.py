"""Progress of a run on stderr: bars on a terminal, one line a stage elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

import click

TELL_EVERY_SECONDS = 30


@dataclass
class ProgressBars:
    """An ``on_progress`` callable that draws one bar per stage.

    Attributes
    ----------
    quiet : bool
        Draw nothing.
    unit : str
        What is counted.
    """

    quiet: bool = False
    unit: str = "tile"
    bar: Any = None
    stage: str = ""
    started: float = field(default_factory=time.perf_counter)
    told: float = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show ``done`` of ``total`` units of ``stage``."""
        if self.quiet:
            return
        if sys.stderr.isatty():
            self._draw(stage, done, total)
        elif done == 0:
            self.stage, self.started = stage, time.perf_counter()
            self.told = self.started
        elif stage == self.stage:
            self._tell(stage, done, total, time.perf_counter())

    def _tell(self, stage: str, done: int, total: int, now: float) -> None:
        """Print a line at the end of a stage and every half minute before."""
        seconds = now - self.started
        if total == 1:
            click.echo(f"{stage}: {seconds:.1f} s", err=True)
            self.stage = ""
        elif now - self.told > TELL_EVERY_SECONDS:
            self.told = now
            left = seconds / done * (total - done)
            rate = f"{done / seconds:.3g} {self.unit}s/s, {left:.0f} s left"
            click.echo(f"{stage}: {done} of {total} {self.unit}s, {rate}", err=True)

    def _draw(self, stage: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if stage != self.stage or self.bar is None:
            self.close()
            self.stage = stage
            layout = (
                "{desc:<12} {percentage:3.0f}% |{bar:30}| {n_fmt}/{total_fmt} {rate_fmt} "
                "{elapsed}<{remaining}"
            )
            self.bar = tqdm(
                total=total, desc=stage, unit=self.unit, bar_format=layout, file=sys.stderr
            )
        if total > 1 or self.bar.total == 1:
            self.bar.total = total
            self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """End the current bar."""
        if self.bar is not None:
            self.bar.update(self.bar.total - self.bar.n)
            self.bar.close()
            self.bar = None

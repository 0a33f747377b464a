"""Progress of a run on stderr: bars on a terminal, one line a stage elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

import click


@dataclass
class ProgressBars:
    """An ``on_progress`` callable that draws one bar per stage.

    Attributes
    ----------
    quiet : bool
        Draw nothing.
    """

    quiet: bool = False
    bar: Any = None
    stage: str = ""
    started: float = field(default_factory=time.perf_counter)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show ``done`` of ``total`` tiles of ``stage``."""
        if self.quiet:
            return
        if sys.stderr.isatty():
            self._draw(stage, done, total)
        elif done == 0:
            self.stage, self.started = stage, time.perf_counter()
        elif done == total and stage == self.stage:
            click.echo(f"{stage}: {time.perf_counter() - self.started:.1f} s", err=True)
            self.stage = ""

    def _draw(self, stage: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if stage != self.stage or self.bar is None:
            self.close()
            self.stage = stage
            layout = (
                "{desc:<12} {percentage:3.0f}% |{bar:30}| {n_fmt}/{total_fmt} {elapsed}<{remaining}"
            )
            self.bar = tqdm(total=total, desc=stage, bar_format=layout, file=sys.stderr)
        if total > 1 or self.bar.total == 1:
            self.bar.total = total
            self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """End the current bar."""
        if self.bar is not None:
            self.bar.update(self.bar.total - self.bar.n)
            self.bar.close()
            self.bar = None

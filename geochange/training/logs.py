"""What training tells while it runs: a CSV table, TensorBoard events, a picture of the curves."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter

from geochange.io.files.atomic import replace_atomically
from geochange.viz.curves import plot_learning_curve
from geochange.viz.figures import figure_png

COLUMNS = (
    "step", "learning_rate", "train_loss", "unlabelled_loss", "confident_share", "val_loss",
    "val_f1", "val_ap", "val_threshold",
)  # fmt: skip
TABLE, EVENTS, PICTURE = "metrics.csv", "logs", "curve.png"


class TrainingLog:
    """Write rows of figures; rows of steps that a resumed run does again are dropped.

    Parameters
    ----------
    folder : Path
    step : int
        Steps done already.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        self.folder = folder
        self.rows = [row for row in read_table(folder) if row["step"] <= step]
        with replace_atomically(folder / TABLE) as temporary, temporary.open("w", newline="") as f:
            writer = csv.DictWriter(f, COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        self.stream = (folder / TABLE).open("a", newline="", encoding="utf-8")
        self.last = step, time.perf_counter()
        self.events = SummaryWriter(str(folder / EVENTS), purge_step=step + 1)

    def write(self, row: Mapping[str, float]) -> None:
        """Write figures of a step; ``row`` has some of ``COLUMNS``."""
        self.rows.append(dict(row))
        csv.DictWriter(self.stream, COLUMNS, restval="").writerow(row)
        self.stream.flush()
        for name, value in row.items():
            if name != "step":
                self.events.add_scalar(name.replace("_", "/", 1), value, int(row["step"]))
        self._report_speed(int(row["step"]))
        self.events.flush()

    def _report_speed(self, step: int) -> None:
        """Tell TensorBoard alone what differs from run to run."""
        now = time.perf_counter()
        self.events.add_scalar(
            "speed/steps_per_s", (step - self.last[0]) / (now - self.last[1]), step
        )
        self.last = step, now

    def draw(self) -> None:
        """Draw the curves so far."""
        with replace_atomically(self.folder / PICTURE) as temporary:
            temporary.write_bytes(figure_png(plot_learning_curve(self.rows)))

    def close(self) -> None:
        """End both files."""
        self.stream.close()
        self.events.close()


def read_table(folder: Path) -> list[dict[str, float]]:
    """Read the rows of a run's table; empty cells and a row cut short by a kill are left out."""
    path = folder / TABLE
    rows: list[dict[str, float]] = []
    if not path.exists():
        return rows
    with path.open(newline="", encoding="utf-8") as stream:
        for cells in csv.DictReader(stream):
            try:
                row = {name: float(cell) for name, cell in cells.items() if cell}
            except ValueError:
                break
            if len(row) < 2 or (rows and row["step"] <= rows[-1]["step"]):
                break
            rows.append(row | {"step": int(row["step"])})
    return rows

"""What a simulation of annotators found, as a table and as curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tables import format_table

FIELDS = ("set", "order", "seed", "tiles", "with_change", "changed_px", "f1", "ap")
Row = dict[str, object]
NAMES = {"aerial": "SZTAKI aerial, 1.5 m", "oscd": "OSCD, Sentinel-2, 10 m"}
COLOURS = {"uncertainty": "#0072b2", "mix": "#009e73", "diversity": "#e69f00", "random": "#555555"}


def gather(rows: Sequence[Row], name: str, order: str, field: str) -> tuple[list[int], np.ndarray]:
    """Return numbers of tiles, and a figure by seed and number of tiles, float64 (S, N)."""
    chosen = [row for row in rows if (row["set"], row["order"]) == (name, order)]
    tiles = sorted({int(row["tiles"]) for row in chosen})
    seeds = sorted({row["seed"] for row in chosen})
    table = np.full((len(seeds), len(tiles)), np.nan)
    for row in chosen:
        table[seeds.index(row["seed"]), tiles.index(int(row["tiles"]))] = row[field]
    return tiles, table


def summarise(rows: Sequence[Row]) -> str:
    """Return one line for each set and order: F1 by number of labelled tiles."""
    lines: list[Row] = []
    for name in dict.fromkeys(row["set"] for row in rows):
        for order in dict.fromkeys(row["order"] for row in rows if row["set"] == name):
            tiles, f1 = gather(rows, name, order, "f1")
            _, ap = gather(rows, name, order, "ap")
            _, some = gather(rows, name, order, "with_change")
            line: Row = {"set": name, "order": order, "seeds": len(f1)}
            line |= {
                f"{n} tiles": f"{f1[:, i].mean():.3f} ± {f1[:, i].std():.3f}"
                for i, n in enumerate(tiles)
            }
            line |= {"AP at the last": f"{ap[:, -1].mean():.3f}"}
            line |= {"mean F1": f"{f1.mean():.3f}"}
            line |= {"tiles with change": f"{some[:, -1].mean():.0f}"}
            lines.append(line)
    return format_table(lines)


def draw_curves(rows: Sequence[Row], path: Path) -> None:
    """Draw F1 over the number of labelled tiles, mean and range over seeds."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sets = list(dict.fromkeys(str(row["set"]) for row in rows))
    figure, axes = plt.subplots(1, len(sets), figsize=(5 * len(sets), 3.8), squeeze=False)
    for axis, name in zip(axes[0], sets, strict=True):
        for order, colour in COLOURS.items():
            tiles, f1 = gather(rows, name, order, "f1")
            if not tiles:
                continue
            axis.plot(tiles, f1.mean(axis=0), "o-", color=colour, label=order, markersize=4)
            axis.fill_between(tiles, f1.min(axis=0), f1.max(axis=0), color=colour, alpha=0.12)
        axis.set(title=NAMES.get(name, name), xlabel="labelled tiles of 128 px")
        axis.set_ylabel("F1 on scenes of other places")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)

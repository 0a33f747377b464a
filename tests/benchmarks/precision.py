"""How far 16 bits change scores on real scenes: ``python tests/benchmarks/precision.py DATA``.

Each shipped network scores the scenes of DATA that it fits, in float32 and in the precision that
it runs in on this machine. The figures are quantiles of the absolute difference of probabilities
over all valid pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from scenes import list_sets
from tables import describe_machine, format_table, tell

from geochange.alignment.pair import open_pair
from geochange.blocks import FloatArray, PairBlock, PairTraits
from geochange.detectors.network import NetworkDetector
from geochange.detectors.suitability import suits
from geochange.nn.checkpoints.shipped import list_models
from geochange.nn.inference.precision import choose_device, choose_precision
from geochange.tiles import Tile, Window

SIDE_PX, MOST_SCENES = 512, 14
QUANTILES = (0.5, 0.99, 0.999, 1.0)


def read_middle(before: Path, after: Path) -> tuple[PairBlock, PairTraits]:
    """Read at most 512 x 512 px from the middle of a pair."""
    pair = open_pair(before, after)
    height, width = pair.shape
    rows, cols = min(SIDE_PX, height), min(SIDE_PX, width)
    window = Window((height - rows) // 2, (width - cols) // 2, rows, cols)
    return pair.read_window(window, Tile(0, window, window)), pair.traits


def compare(model: str, scenes: list[tuple[Path, Path]], precision: str) -> FloatArray:
    """Return the differences of the scores of all valid pixels."""
    found = []
    for before, after in scenes:
        block, traits = read_middle(before, after)
        scores = []
        for name in ("fp32", precision):
            detector = NetworkDetector(
                checkpoint=model, roles=traits.roles, gsd_m=traits.gsd_m, precision=name
            ).fit([block])
            dates = block.before[None], block.after[None]
            scores.append(detector.score(*dates, block.valid[None])[0][block.valid])
        found.append(np.abs(scores[0] - scores[1]))
    return np.concatenate(found)


def main() -> None:
    """Print a row per shipped network and set of scenes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    precision = choose_precision(choose_device("cpu"))
    rows = []
    for model in list_models():
        for group in list_sets(arguments.data):
            pairs = [(scene.before, scene.after) for scene in group.scenes[:MOST_SCENES]]
            fitting = [pair for pair in pairs if suits(open_pair(*pair).traits, model.card)]
            if not fitting:
                continue
            apart = compare(model.name, fitting, precision)
            quantiles = dict(zip(QUANTILES, np.quantile(apart, QUANTILES), strict=True))
            row = {"network": model.name, "set": group.name, "scenes": len(fitting)}
            row |= {f"{100 * q:g} %": f"{value:.4f}" for q, value in quantiles.items()}
            rows.append(tell(row))
    print(f"{describe_machine()}; {precision} against fp32\n\n{format_table(rows)}")


if __name__ == "__main__":
    main()

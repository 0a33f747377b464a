"""What every network learns from real scenes, several seeds each.

    python tests/benchmarks/learning.py DATA RUNS [--sets building,oscd] [--networks tinysiam,unet]
                                        [--seeds 0,1,2] [--set steps=500] [--finished]
                                        [--output results.md]

DATA is a folder of public scenes; RUNS keeps one folder per training, so that a killed benchmark
goes on where it stopped, and ``--finished`` prints what there is by now. Every network of a set is
trained by the same committed configuration, ``configs/<set>.toml``.

Figures are of the change class, pooled over all pixels, mean and standard deviation over seeds.
``building``: the last weights on the validation split, at the score 0.5 and at the best threshold
of that split. ``oscd``: two cities left out at a time, the last weights, the threshold of a fold
chosen on the other folds; ``AP`` is the mean over folds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tables import describe_machine, format_table, tell

from geochange.nn.networks.cost import count_flop_per_px, count_parameters
from geochange.nn.networks.registry import build_model, list_models
from geochange.training.crossvalidation import SUMMARY, cross_validate
from geochange.training.histograms import HISTOGRAM, read_histogram
from geochange.training.run import train

CONFIGS = Path(__file__).parent / "configs"
FOLDED = ("oscd",)
"""Sets that are cross-validated; the others name their validation scenes."""
BANDS = {"building": 3, "oscd": 13}
Figures = dict[str, float]


def learn(name: str, network: str, seed: int, data: Path, runs: Path, words: Sequence[str]) -> None:
    """Train one network from one seed, or go on with it."""
    settings: dict[str, object] = {"data.root": str(data), "model.name": network, "seed": seed}
    settings |= {"validation.keep": "last", "output": ""}
    settings |= dict(word.split("=", 1) for word in words)
    job = cross_validate if name in FOLDED else train
    config, folder = CONFIGS / f"{name}.toml", locate(runs, name, network, seed)
    job(config, folder, settings=settings, resume=True)


def locate(runs: Path, name: str, network: str, seed: int) -> Path:
    """Return the folder of a training."""
    return runs / f"{name}-{network}-{seed}"


def read_figures(name: str, folder: Path) -> Figures | None:
    """Return the figures of a finished training; None while it is not."""
    path = folder / (SUMMARY if name in FOLDED else "run.json")
    if not path.is_file():
        return None
    run = json.loads(path.read_text(encoding="utf-8"))
    if name in FOLDED:
        mean = run["mean"]
        pooled = {key: run["pooled"][key] for key in ("f1", "iou", "precision", "recall")}
        return pooled | {"average_precision": mean["average_precision"]}
    histogram = read_histogram(folder / HISTOGRAM)
    scores = run["best"]["scores"]
    return {
        "f1": scores["f1"],
        "iou": scores["iou"],
        "precision": scores["precision"],
        "recall": scores["recall"],
        "average_precision": scores["average_precision"],
        "f1 at 0.5": histogram.counts_at(0.5).f1,
    }


def compare(
    name: str, networks: Sequence[str], seeds: Sequence[int], runs: Path
) -> Iterator[dict[str, str]]:
    """Yield a row per network of which something is finished."""
    for network in networks:
        found = [read_figures(name, locate(runs, name, network, seed)) for seed in seeds]
        done = [figures for figures in found if figures is not None]
        if not done:
            continue
        model = build_model(network, BANDS[name])
        yield {
            "set": name,
            "network": network,
            "seeds": str(len(done)),
            "M parameters": f"{count_parameters(model) / 1e6:.2f}",
            "kFLOP/px": f"{count_flop_per_px(model) / 1e3:.1f}",
            **{key: spread([100 * figures[key] for figures in done]) for key in done[0]},
        }


def spread(values: Sequence[float]) -> str:
    """Write a mean and a standard deviation.

    >>> spread([50.0, 52.0])
    '51.0 +- 1.4'
    """
    deviation = f" +- {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def main() -> None:
    """Train what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--sets", default="building,oscd")
    parser.add_argument(
        "--networks", default=",".join(n for n in list_models("pixels") if n != "siamese")
    )
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--set", dest="words", action="append", default=[])
    parser.add_argument("--finished", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    networks = options.networks.split(",")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    parts = [describe_machine()]
    for name in options.sets.split(","):
        for seed in [] if options.finished else seeds:
            for network in networks:
                print(f"{name} {network} seed {seed}", file=sys.stderr)
                learn(name, network, seed, options.data, options.runs, options.words)
        rows = [tell(row) for row in compare(name, networks, seeds, options.runs)]
        parts.append(format_table(rows))
    text = "\n\n".join(parts) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Methods for series against each other and against two dates: F1, average precision, date error.

``python tests/benchmarks/series.py [--dates 8 16 30 60] [--seeds 3] [--size 96]`` makes labelled
series (``data_samples/series.py``), runs every method as it comes over all dates, and the methods
for pairs over the first and the last date, with the same clouds and gaps. Pixels that a method
cannot judge count as unchanged. ``reached`` is F1 at the best threshold in hindsight.

``--models series runs/convlstm/model.safetensors`` adds networks, at the threshold of their cards;
``tests/benchmarks/configs/series.toml`` trains them. Other seeds than those of the table made their
series. ``--only`` runs what it names alone.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from tables import describe_machine, format_table, tell

from geochange.blocks import PairBlock
from geochange.detectors.registry import get_detector
from geochange.nn.checkpoints.shipped import open_model
from geochange.series.network import SeriesNetwork
from geochange.series.protocol import SeriesBlock
from geochange.series.registry import BUILDERS, choose_series_method, get_series_detector
from geochange.tiles import Tile, Window

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data_samples"))
from series import make_series

PAIR_METHODS = ("context", "cva", "irmad")


def score_pair(name, sample):
    """Score the first and the last date; returns (H, W) with NaN where unknown."""
    detector = get_detector(name)
    halo = detector.halo
    valid = sample.valid[0] & sample.valid[-1]
    window = Window(0, 0, *valid.shape)
    edges = [(halo, halo), (halo, halo)]
    dates = [np.pad(sample.images[at], [(0, 0), *edges]) for at in (0, -1)]
    block = PairBlock(*dates, np.pad(valid, edges), Tile(0, window, window.pad(halo)))
    detector.fit([block])
    found = detector.score(block.before[None], block.after[None], block.valid[None])[0]
    score = found[halo : halo + valid.shape[0], halo : halo + valid.shape[1]]
    return np.where(valid, score, np.nan)


def rate(score, truth, threshold=0.5):
    """Return F1, precision, recall at a threshold, average precision and the best F1 there is."""
    score, truth = np.nan_to_num(score).ravel(), truth.ravel()
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    taken = np.arange(1, len(order) + 1)
    precision = hits / taken
    called = score >= threshold
    both = np.count_nonzero(called & truth)
    return {
        "f1": 2 * both / max(1, called.sum() + truth.sum()),
        "precision": both / max(1, called.sum()),
        "recall": both / truth.sum(),
        "ap": float((precision * truth[order]).sum() / truth.sum()),
        "reached": float((2 * hits / (taken + truth.sum())).max()),
    }


def rate_dates(found, sample, days, threshold=0.5):
    """Return the share of true positives dated within one date, and the mean error in days."""
    hit = (np.nan_to_num(found.score) >= threshold) & (sample.truth >= 0)
    if not hit.any():
        return {}
    places = np.searchsorted(days, found.day[hit])
    near = np.abs(places - sample.truth[hit]) <= 1
    wrong = np.abs(found.day[hit] - days[sample.truth[hit]])
    return {"dated": near.mean(), "days off": np.median(wrong)}


def run(name, sample):
    """Return all figures of one method on one series; None where it needs more dates."""
    days = np.array([day.toordinal() for day in sample.dates])
    truth = sample.truth >= 0
    started = time.perf_counter()
    if name in PAIR_METHODS:
        figures = rate(score_pair(name, sample), truth)
    else:
        detector, threshold = open_method(name, days)
        if len(days) < detector.least:
            return None
        block = SeriesBlock(sample.images, sample.valid, days)
        found = detector.fit([block]).score_series(sample.images, sample.valid, days)
        figures = rate(found.score, truth, threshold)
        figures |= rate_dates(found, sample, days, threshold)
    seconds = time.perf_counter() - started
    return figures | {"seconds": seconds, "Mpx/s": truth.size / seconds / 1e6}


def open_method(name, days):
    """Return a method and the score from which it calls change."""
    if name in BUILDERS or name == "auto":
        chosen = choose_series_method(days)[0] if name == "auto" else name
        return get_series_detector(chosen), 0.5
    detector = SeriesNetwork(checkpoint=name)
    return detector, detector.card.threshold


def call(name):
    """Return what a row is called, with the parameters of a network."""
    if name in BUILDERS or name in PAIR_METHODS:
        return name, ""
    model = open_model(name)
    return f"network: {model.card.architecture}", f"{model.parameters:,}"


def main():
    """Print one table a number of dates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dates", type=int, nargs="+", default=[8, 16, 30, 60])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--models", nargs="*", default=[], help="networks for series")
    parser.add_argument("--only", nargs="*", help="methods to run, beside the networks")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    columns = (
        "f1", "precision", "recall", "ap", "reached", "dated", "days off", "seconds", "Mpx/s",
    )  # fmt: skip
    print(describe_machine())
    for count in options.dates:
        rows = []
        samples = [make_series(seed, count, options.size) for seed in range(options.seeds)]
        methods = [name for name in (*BUILDERS, *PAIR_METHODS) if name != "network"]
        chosen = methods if options.only is None else options.only
        for name in (*chosen, *options.models):
            figures = [run(name, sample) for sample in samples]
            if None in figures:
                continue
            means = [np.nanmean([one.get(column, np.nan) for one in figures]) for column in columns]
            shown = zip(columns, means, strict=True)
            values = {c: f"{mean:.3f}" if c == "Mpx/s" else f"{mean:.2f}" for c, mean in shown}
            called, parameters = call(name)
            rows.append(tell({"dates": count, "method": called, **values, "params": parameters}))
        print(f"\n{count} dates, mean of {options.seeds} series of {options.size} px")
        print(format_table(rows))


if __name__ == "__main__":
    main()

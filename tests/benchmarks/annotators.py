"""How many tiles one must label: an oracle answers what each order of the queue asks.

    python tests/benchmarks/annotators.py DATA WORK [--sets aerial,oscd] [--seeds 0,1,2]
                       [--orders uncertainty,random,mix,diversity] [--set steps=60] [--finished]
                       [--output results.md] [--curve curve.png]

DATA is a folder of public scenes; WORK keeps what was prepared and ``results.csv``, one row for
each training, so that a killed simulation goes on where it stopped; ``--finished`` reports what
there is by now. Scenes are cut into tiles of 128 px. A round: the queue, by the scores of the
present detector, names the next tiles; the oracle gives their truth; the network is trained on by
the recipe of ``geochange finetune --from-labels``; it is measured on whole scenes of other places;
and it scores the pool anew. The first scores are those of the method ``auto``, which is not
trained; the first network is ``structures``, which has seen no label. Each seed holds other
scenes out. F1 is at the best threshold of those scenes, AP the average precision, both pooled.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pool import Pool, open_pool
from tables import describe_machine, tell
from tellings import FIELDS, Row, draw_curves, summarise

from geochange.annotation.queue import order_tiles
from geochange.errors import InputError
from geochange.improvement.recipe import Recipe, make_config
from geochange.nn.checkpoints.shipped import find_model
from geochange.training.run import train

ROUNDS = (6, 12, 20, 30)
"""Labelled tiles at which the network is trained on."""
RECIPE = Recipe(steps=50, chip_px=64, normalization="scene", validations=1)
START = "structures"


def simulate(pool: Pool, order: str, seed: int, recipe: Recipe) -> Iterator[Row]:
    """Label, train, measure, ask again."""
    checkpoint = find_model(START)
    uncertainty, features = pool.look()
    asked: list[int] = []
    for tiles in ROUNDS:
        queue = order_tiles(uncertainty, features, order=order, seed=seed).places
        fresh = [int(index) for index in queue if index not in set(asked)]
        asked += fresh[: tiles - len(asked)]
        row: Row = {"order": order, "seed": seed, "tiles": tiles}
        row |= {"with_change": int((pool.changed[asked] > 0).sum())}
        row |= {"changed_px": int(pool.changed[asked].sum())}
        config = make_config(
            pool.label(asked), pool.held_out, dataclasses.replace(recipe, seed=seed),
            start=checkpoint,
        )  # fmt: skip
        try:
            result = train(config, pool.folder / "network", overwrite=True)
        except InputError:  # no tile with change so far: nothing to learn from
            yield row | {"f1": 0.0, "ap": 0.0}
            continue
        kept = pool.folder / "model.safetensors"
        kept.write_bytes(result.checkpoint.read_bytes())
        checkpoint = kept
        scores = result.scores
        yield row | {"f1": scores["f1"], "ap": scores["average_precision"]}
        if tiles != ROUNDS[-1] and order != "random":
            uncertainty, features = pool.look(checkpoint)


def read_rows(path: Path) -> list[Row]:
    """Return the trainings that are done."""
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        return [
            {k: v if k in ("set", "order") else float(v) for k, v in row.items()}
            for row in csv.DictReader(stream)
        ]


def run(args: argparse.Namespace, path: Path) -> None:
    """Simulate what is missing, seed by seed, so that orders can be compared early."""
    recipe = dataclasses.replace(RECIPE, **dict(_read_settings(args.settings)))
    done = {(row["set"], row["order"], row["seed"]) for row in read_rows(path)}
    for seed in args.seeds:
        for name in args.sets:
            for order in args.orders:
                if (name, order, seed) in done:
                    continue
                pool = open_pool(args.data, args.work, name, seed, order)
                rows = [tell({"set": name} | row) for row in simulate(pool, order, seed, recipe)]
                new = not path.exists()
                with path.open("a", newline="") as stream:
                    writer = csv.DictWriter(stream, FIELDS)
                    if new:
                        writer.writeheader()
                    writer.writerows(rows)


def _read_settings(words: Sequence[str]) -> Iterator[tuple[str, float | int | str]]:
    kinds = {field.name: type(getattr(RECIPE, field.name)) for field in dataclasses.fields(Recipe)}
    for word in words:
        name, _, text = word.partition("=")
        yield name, kinds[name](text)


def _names(text: str) -> list[str]:
    return text.split(",")


def main() -> None:
    """Run the simulation and report it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sets", type=_names, default=["aerial", "oscd"])
    parser.add_argument("--orders", type=_names, default=["uncertainty", "random"])
    parser.add_argument(
        "--seeds", type=lambda text: [int(n) for n in text.split(",")], default=[0, 1, 2]
    )
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--finished", action="store_true")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--curve", type=Path)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    path = args.work / "results.csv"
    if not args.finished:
        run(args, path)
    rows = read_rows(path)
    text = f"{describe_machine()}\n\n{summarise(rows)}\n"
    sys.stdout.write(text)
    if args.output:
        args.output.write_text(text)
    if args.curve:
        draw_curves(rows, args.curve)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()

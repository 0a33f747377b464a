"""What a screen keeps and what it saves: ``python tests/benchmarks/screening.py DATA``.

The first table is about squares of ``building/val``: how well networks of the task ``image`` tell
changed from unchanged ones, by the labels and by what network ``building`` finds. With several
``--models`` of several seeds there is one row a network.

The second is about scenes: mosaics of such squares, few of which hold labelled change, each run
with and without ``--screen``. Processor time counts: of scoring, tile by tile in turns (see
``turns.py``), of learning before it, and of the whole run. ``label recall`` is the share of the
labelled pixels that the plain run finds, ``of it kept`` how many of those the screened run still
finds, ``of all found kept`` the same with false alarms counted in.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import shift
from tables import describe_machine, format_table, tell
from turns import time_scoring

from geochange.alignment.pair import open_pair
from geochange.detectors.choosing import build_detector, name_network, settle_method
from geochange.detectors.imagenetwork import ImageNetwork
from geochange.detectors.network import NetworkDetector
from geochange.detectors.wrappers.screened import put_screen
from geochange.evaluation.ranking import ScoreHistogram
from geochange.io.rasters.rasterfile import open_dataset
from geochange.io.stores.score import encode_score
from geochange.pipeline import detect
from geochange.tiles import Window

Array = NDArray[Any]
ALARMS, RECALLS = (0.05, 0.1, 0.2), (0.95, 0.99)
PLACE = {"crs": "EPSG:32651", "transform": Affine(2.5, 0, 5e5, 0, -2.5, 4e6)}


def read_tiles(folder: Path) -> list[dict[str, Array]]:
    """Read the pairs of a part of ``building`` on the grids of their before dates."""
    tiles = []
    for path in sorted((folder / "before").iterdir()):
        pair = open_pair(path, folder / "after" / path.name, resampling="cubic")
        block = pair.read_window(Window(0, 0, *pair.shape))
        with open_dataset(folder / "label" / path.name) as dataset:
            label = dataset.read(1) == 1
        parts = {"before": block.before, "after": block.after, "valid": block.valid[None]}
        tiles.append(parts | {"label": label[None]})
    return tiles


def find_change(tiles: Sequence[dict[str, Array]]) -> None:
    """Add what network ``building`` finds to each tile."""
    network = NetworkDetector(checkpoint="building").fit([])
    for tile in tiles:
        score = network.score(tile["before"][None], tile["after"][None], tile["valid"])
        tile["found"] = np.nan_to_num(score) >= network.card.threshold


def write_labels(data: Path, folder: Path) -> None:
    """Write what network ``building`` finds as labels, beside links to the images."""
    for part in ("train", "val"):
        source, target = data / "building" / part, folder / part
        (target / "label").mkdir(parents=True)
        for date in ("before", "after"):
            (target / date).symlink_to((source / date).resolve())
        tiles = read_tiles(source)
        find_change(tiles)
        for path, tile in zip(sorted((source / "before").iterdir()), tiles, strict=True):
            found = np.where(tile["valid"][0], tile["found"][0], 255).astype(np.uint8)
            with rasterio.open(path) as dataset:
                place = {"crs": dataset.crs, "transform": dataset.transform}
            _write(target / "label" / path.name, found[None], place)


def cut(tiles: Sequence[dict[str, Array]], name: str, size: int) -> Array:
    """Return the squares of all tiles, (N, C, size, size)."""
    squares = []
    for tile in tiles:
        channels, height, width = tile[name].shape
        rows, cols = height // size, width // size
        image = tile[name][:, : rows * size, : cols * size]
        parts = image.reshape(channels, rows, size, cols, size).transpose(1, 3, 0, 2, 4)
        squares.append(parts.reshape(-1, channels, size, size))
    return np.concatenate(squares)


def rank_squares(model: str, tiles: Sequence[dict[str, Array]]) -> list[Mapping[str, object]]:
    """Return rows of the first table."""
    network = ImageNetwork(checkpoint=model).fit([])
    size = network.card.image_px
    dates = (cut(tiles, name, size) for name in ("before", "after"))
    rated = network.rate(*dates, cut(tiles, "valid", size)[:, 0])
    rows = []
    for name in ("label", "found"):
        pixels = cut(tiles, name, size).sum(axis=(1, 2, 3))
        changed = pixels > 0
        histogram = ScoreHistogram.count(encode_score(rated), changed.astype(np.uint8))
        alarms, recall, _ = histogram.roc_curve()
        row: dict[str, object] = {
            "network": Path(model).parent.name or model, "squares": f"{len(rated)} of {size} px",
            "changed by": name, "changed": f"{changed.mean():.0%}",
            "ROC AUC": f"{histogram.roc_auc:.3f}", "AP": f"{histogram.average_precision:.3f}",
            "best F1": f"{histogram.best_f1:.3f}",
        }  # fmt: skip
        for limit in ALARMS:
            row[f"recall at {limit:.0%} alarms"] = f"{recall[alarms <= limit].max(initial=0):.2f}"
        order = np.argsort(-rated)
        kept = np.cumsum(pixels[order]) / max(1, pixels.sum())
        for wanted in RECALLS:
            last = order[int(np.searchsorted(kept, wanted - 1e-9))]
            alarm = float((rated[~changed] >= rated[last]).mean())
            row[f"alarms, threshold at {wanted:.0%} of px"] = f"{alarm:.2f}, {rated[last]:.3f}"
        rows.append(tell(row))
    return rows


def build_scene(
    tiles: Sequence[dict[str, Array]], size: int, edge: int, share: float, quiet: bool, folder: Path
) -> tuple[Path, Path, Array]:
    """Write a mosaic of turned squares, a share of them with labelled change.

    Quiet ground is a square's before date at both dates, with other light, noise and half a pixel
    of shift; otherwise it is a square of both dates without labelled change.
    """
    rng = np.random.default_rng(0)
    squares = {name: cut(tiles, name, edge) for name in ("before", "after", "valid", "label")}
    whole = squares["valid"].all(axis=(1, 2, 3))
    changed = squares["label"].any(axis=(1, 2, 3))
    count = size // edge
    scene = {name: np.zeros((len(squares[name][0]), size, size), squares[name].dtype)
             for name in ("before", "after", "label")}  # fmt: skip
    for row in range(count):
        for col in range(count):
            wanted = rng.random() < share
            pool = np.flatnonzero(whole & (changed if wanted else quiet | ~changed))
            index, turns, flip = int(rng.choice(pool)), int(rng.integers(4)), bool(rng.integers(2))
            chosen = {name: squares[name][index] for name in scene}
            if quiet and not wanted:
                chosen |= _repeat(rng, chosen["before"])
            for name, image in scene.items():
                part = np.rot90(chosen[name], turns, axes=(1, 2))
                part = part[..., ::-1] if flip else part
                image[:, row * edge : (row + 1) * edge, col * edge : (col + 1) * edge] = part
    paths = [_write(folder / f"{name}.tif", scene[name]) for name in ("before", "after")]
    return paths[0], paths[1], scene["label"][0]


def _repeat(rng: np.random.Generator, before: Array) -> dict[str, Array]:
    """Return the same ground once more, and that nothing changed."""
    moved = shift(before, (0, *rng.uniform(-0.5, 0.5, 2)), order=3, mode="nearest")
    light = rng.normal(1, 0.05, (3, 1, 1)) * moved + rng.normal(0, 5, (3, 1, 1))
    after = light + rng.normal(0, 2, before.shape)
    return {"after": after, "label": np.zeros((1, *before.shape[1:]), bool)}


def _write(path: Path, pixels: Array, place: Mapping[str, Any] = PLACE) -> Path:
    stored = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    shape = {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint8", tiled=True, compress="zstd", **shape, **place
    ) as dataset:
        dataset.write(stored)
        if len(pixels) > 1:
            dataset.descriptions = ("Red", "Green", "Blue")
    return path


def run(before: Path, after: Path, output: Path, **options: Any) -> tuple[Any, float]:
    """Return a run's result and its processor seconds."""
    start = time.process_time()
    result = detect(before, after, output, threads=1, overwrite=True,
                    register="off", normalize="off", **options)  # fmt: skip
    return result, time.process_time() - start


def screen_scene(
    paths: tuple[Path, Path, Array], name: str, options: Mapping[str, Any], screen: str,
    recall: float, ground: str, folder: Path,
) -> Mapping[str, object]:  # fmt: skip
    """Return a row of the second table."""
    before, after, label = paths
    chosen = {"screen": screen, "screen_recall": recall}
    plain, whole_s = run(before, after, folder / "plain", **options)
    screened, whole_1 = run(before, after, folder / "screened", **options, **chosen)
    pair = open_pair(before, after)
    named = name_network(
        options.get("method", "auto"), options.get("model"), options.get("options")
    )
    choice = settle_method(*named, pair.traits)
    detectors = [
        put_screen(build_detector(choice), *behind, pair.traits)
        for behind in ((None, None), (screen, recall))
    ]
    fits, (score_s, score_1) = time_scoring(detectors, pair, TILE_PX, folder, REPEATS)
    masks = []
    for result in (plain, screened):
        with open_dataset(str(result.path / "mask.tif")) as dataset:
            masks.append(dataset.read(1) == 1)
    found, kept = masks
    facts = screened.run["screening"]
    right = found & label
    return tell({
        "method": name, "scene px": label.shape[0], "ground": ground,
        "screen used": "yes" if facts["used"] else "no",
        "screened out": f"{facts['screened_share']:.1%}",
        "label recall": f"{right.sum() / max(1, label.sum()):.3f}",
        "of it kept": f"{(right & kept).sum() / max(1, right.sum()):.4f}",
        "of all found kept": f"{(found & kept).sum() / max(1, found.sum()):.4f}",
        "scoring s": f"{score_s:.2f} / {score_1:.2f}", "speed-up": f"{score_s / score_1:.2f}",
        "fit s": f"{fits[0]:.2f} / {fits[1]:.2f}",
        "whole run s": f"{whole_s:.2f} / {whole_1:.2f}",
        "speed-up of all": f"{whole_s / whole_1:.2f}",
    })  # fmt: skip


REPEATS, TILE_PX = 3, 1024
"""How often a tile is scored, of which the least time counts, and its edge."""
GROUNDS = {"unlabelled": False, "quiet": True}
METHODS: dict[str, dict[str, Any]] = {
    "building": {"model": "building"},
    "building, four flips": {"model": "building", "options": {"flips": True}},
    "context": {"method": "context"},
}


def main() -> None:
    """Parse the command line and print both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", nargs="+", default=["building-screen"])
    parser.add_argument("--sizes", type=int, nargs="*", default=[4096])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.04])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--grounds", nargs="+", default=list(GROUNDS), choices=list(GROUNDS))
    parser.add_argument("--recall", type=float, default=0.99)
    parser.add_argument("--square", type=int, default=128, help="edge of a mosaic's squares")
    parser.add_argument("--write-labels", type=Path, help="for configs/building-screen.toml")
    arguments = parser.parse_args()
    if arguments.write_labels is not None:
        write_labels(arguments.data, arguments.write_labels)
        return
    print(describe_machine() + "\n")
    tiles = read_tiles(arguments.data / "building" / "val")
    find_change(tiles)
    print(format_table([row for m in arguments.models for row in rank_squares(m, tiles)]) + "\n")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for size, share, kind in product(arguments.sizes, arguments.shares, arguments.grounds):
            folder, edge = Path(name), arguments.square
            ground = f"{share:.0%} changed squares, {kind}"
            paths = build_scene(tiles, size, edge, share, GROUNDS[kind], folder)
            rows += [
                    screen_scene(paths, method, METHODS[method], arguments.models[0],
                                 arguments.recall, ground, folder)
                    for method in arguments.methods
                ]  # fmt: skip
    print(format_table(rows))


if __name__ == "__main__":
    main()

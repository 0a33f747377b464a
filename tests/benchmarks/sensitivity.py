"""How faint a change every method finds, beside Orfeo ToolBox's MAD, on the same injected changes.

    python tests/benchmarks/sensitivity.py DATA [--scenes nanjing,rennes] [--methods cva,irmad]
                                           [--sizes 1,3] [--trials 100] [--output results.md]

DATA is a folder of public scenes. Changes of 1, 2, 3, 4 and 8 px are put into real pairs, where
labelled change is masked and what else really changed counts as false alarm, and into scenes
against copies of themselves, half a pixel away, in another light and with noise (``copy``). Every
method gets the same places, directions and contrasts. A cell is the contrast, in noise sigmas, that
is found with 90 % at a false-alarm rate of 1e-4, then the one that is found with 50 %; ``-`` is
more than the largest. The last table is the contrast at 3 x 3 px relative to plain CVA, empty for
methods that do not take a pair. ``network:NAME`` is a trained network.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from no_change import change_all, write_disturbed
from otb import OtbMad, is_installed
from tables import describe_machine, format_table, tell

import geochange
from geochange.alignment.pair import Pair
from geochange.detectability.design import Design
from geochange.detectability.facts import list_limits
from geochange.detectability.job import count_scores
from geochange.detectability.measuring import FALSE_ALARMS, Cut, measure
from geochange.detectability.rates import level_at_rate, share_above
from geochange.detectors.base import Detector
from geochange.detectors.choosing import settle_method
from geochange.detectors.registry import get_detector
from geochange.engine.registering import register_pair
from geochange.engine.runner import open_runner
from geochange.engine.scoring import fit_detector
from geochange.engine.stages import Stages
from geochange.errors import GeochangeError, GeochangeWarning

Row = dict[str, str]
SIZES_PX = (1.0, 2.0, 3.0, 4.0, 8.0)
CONTRASTS = tuple(float(c) for c in 2 ** np.arange(-1.0, 6.6, 0.5))
RATE = 1e-4
TILE_PX = 256
BANDS = ("blue", "green", "red", "nir")
PLAIN = "cva"
METHODS: dict[str, tuple[str, dict[str, object]]] = {
    PLAIN: ("cva", {}),
    "cva gain": ("cva", {"gain": True}),
    "mad": ("mad", {}),
    "irmad": ("irmad", {}),
    "irmad shift 1": ("irmad", {"shift": 1}),
    "sfa": ("sfa", {}),
    "pca-kmeans": ("pca-kmeans", {}),
    "context": ("context", {}),
    "context smoothing 1": ("context", {"smoothing": 1.0}),
    "faint": ("faint", {}),
    "feature-match": ("feature-match", {}),
    "log-ratio": ("log-ratio", {}),
    "ratio-clusters": ("ratio-clusters", {}),
    "structure-graph": ("structure-graph", {}),
    "autoencoder": ("autoencoder", {}),
    "vae": ("vae", {}),
    "translation-gan": ("translation-gan", {}),
}
OTB = "Orfeo ToolBox MAD"


@dataclass(frozen=True)
class Place:
    """A pair, and how it is opened."""

    before: Path
    after: Path
    settings: Mapping[str, object] = field(default_factory=dict)


def list_places(data: Path, copies: Path) -> dict[str, Callable[[], Place]]:
    """Return what makes each pair, by name."""
    tile = sorted((data / "building/val/before").glob("*.tif"))[7].name
    building = data / "building/val"
    aerial, nanjing = data / "aerial/szada3", data / "landsat_nanjing"
    cities = {city: data / "oscd" / city for city in ("rennes", "beirut")}
    places: dict[str, Callable[[], Place]] = {
        city: partial(_labelled, folder, "", bands=BANDS) for city, folder in cities.items()
    }
    places |= {
        "szada3": partial(_labelled, aerial, ".tif"),
        "nanjing": partial(_labelled, nanjing, ".tif", mask_codes=[1]),
        "juelich": lambda: Place(*sorted((data / "misc").glob("juelich*.tif"))),
        "building": lambda: Place(
            building / "before" / tile,
            building / "after" / tile,
            {"mask_after": building / "label" / tile},
        ),
        "szada3 copy": partial(_copied, aerial / "before.tif", copies / "szada3"),
        "nanjing copy": partial(_copied, nanjing / "before.tif", copies / "nanjing"),
        "rennes copy": partial(
            _copied, cities["rennes"] / "before", copies / "rennes", bands=BANDS
        ),
    }
    return places


def _labelled(folder: Path, ending: str, **settings: object) -> Place:
    label = {"mask_after": folder / "label.tif"}
    return Place(folder / f"before{ending}", folder / f"after{ending}", label | settings)


def _copied(date: Path, target: Path, **settings: object) -> Place:
    return Place(date, write_disturbed(date, target, change_all), settings)


def measure_place(
    place: Place, names: list[str], design: Design
) -> Iterator[tuple[str, Row, float]]:
    """Yield name, cells and the contrast at 3 px for every method on one pair."""
    opened = geochange.open_pair(place.before, place.after, **place.settings)
    with open_runner() as runner, Stages(runner) as stages, stages.stage("sensitivity"):
        pair = register_pair(opened, "auto", stages).apply(opened)
        for name in names:
            try:
                yield name, *measure_method(pair, build(name, pair), design, stages)
            except GeochangeError as error:
                print(f"{name}: {error}", file=sys.stderr)


def build(name: str, pair: Pair) -> Detector:
    if name == OTB:
        return OtbMad(pair)
    kind, _, model = name.partition(":")
    method, options = (kind, {"checkpoint": model}) if model else METHODS[name]
    return get_detector(method, **settle_method(method, options, pair.traits).options)


def measure_method(
    pair: Pair, detector: Detector, design: Design, stages: Stages
) -> tuple[Row, float]:
    """Return the cells of a method, and its contrast at 3 px averaged over kinds of change."""
    fit_detector(detector, pair, stages)
    histogram = count_scores(detector, pair, TILE_PX, stages)
    level = level_at_rate(histogram, RATE)
    cut = Cut(FALSE_ALARMS, level, share_above(histogram, level), "")
    limits = list(list_limits(measure(pair, detector, design, (cut,), stages)))
    cells = {
        f"{limit['kind']} {limit['size_px']:g} px": (
            f"{show(limit['contrast_90'])} ({show(limit['contrast_50'])})"
        )
        for limit in limits
    }
    at_three = [limit["contrast_90"] or np.nan for limit in limits if limit["size_px"] == 3]
    return cells, float(np.exp(np.mean(np.log(at_three))))


def show(contrast: float | None) -> str:
    return "-" if contrast is None else f"{contrast:.1f}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Detection limits of every method.")
    parser.add_argument("data", type=Path, help="folder of scenes")
    parser.add_argument("--scenes", help="comma-separated; default all")
    parser.add_argument("--methods", help="comma-separated; default all, and Orfeo ToolBox's MAD")
    parser.add_argument("--sizes", default=SIZES_PX, type=read_sizes, help="px, with 3 among them")
    parser.add_argument("--trials", type=int, default=100, help="places of each size")
    parser.add_argument("--output", type=Path, help="a .md file")
    return parser.parse_args()


def read_sizes(words: str) -> tuple[float, ...]:
    return tuple(map(float, words.split(",")))


def main() -> None:
    arguments = parse_arguments()
    warnings.simplefilter("ignore", GeochangeWarning)
    names = list(METHODS) + ([OTB] if is_installed() else [])
    if arguments.methods:
        names = [PLAIN, *(n for n in arguments.methods.split(",") if n != PLAIN)]
    rows, relative = [], []
    design = Design(arguments.sizes, CONTRASTS, arguments.trials)
    with tempfile.TemporaryDirectory() as copies:
        places = list_places(arguments.data, Path(copies))
        chosen = arguments.scenes.split(",") if arguments.scenes else list(places)
        if unknown := set(chosen) - set(places):
            sys.exit(f"no scene named {', '.join(unknown)}; there are {', '.join(places)}")
        for scene in chosen:
            found = {}
            for name, cells, at_three in measure_place(places[scene](), names, design):
                rows.append(tell({"scene": scene, "method": name, **cells}))
                found[name] = at_three
            relative.append({"scene": scene} | compare(found))
            text = write_tables(rows, relative, arguments.output)
    print(text)


def write_tables(rows: list[Row], relative: list[Row], output: Path | None) -> str:
    """Return the tables of the scenes so far, and write them where that is wanted."""
    scenes = [row["scene"] for row in relative]
    parts = [describe_machine()]
    parts += [format_table([r for r in rows if r["scene"] == scene]) for scene in scenes]
    parts.append("## Contrast at 3 x 3 px and 90 %, relative to plain CVA\n")
    parts.append(format_table(relative))
    text = "\n\n".join(parts)
    if output:
        output.write_text(text + "\n", encoding="utf-8")
    return text


def compare(found: Mapping[str, float]) -> Row:
    """Return the contrast of every method over that of plain CVA."""
    plain = found[PLAIN]
    return {n: "-" if np.isnan(c / plain) else f"{c / plain:.2f}" for n, c in found.items()}


if __name__ == "__main__":
    main()

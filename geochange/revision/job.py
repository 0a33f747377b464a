"""The one job behind fusing, refining and tuning: runs in, one run directory out."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from geochange.alignment.grid import gsd_m
from geochange.alignment.pair import Pair
from geochange.engine.preparing import Prepared, prepare_pair
from geochange.engine.resuming import find_once
from geochange.engine.runner import count_tasks, open_runner
from geochange.engine.scoring import ScoreOf, fill_tiles, require_valid, say_lost
from geochange.engine.sizing import choose_tile_size, parse_memory
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.explanation.reopening import reopen_pair
from geochange.exports.runs.finishing import (
    Finish,
    conclude_run,
    display_bands,
    map_changes,
)
from geochange.exports.runs.products import PRODUCTS, check_products
from geochange.exports.runs.run import describe_run
from geochange.io.files.outputs import new_folder, read_fingerprint, read_state
from geochange.io.provenance import hash_run, plain
from geochange.io.stores.score import SCORE_NODATA
from geochange.io.stores.tilestore import TileStore
from geochange.maps.areas import parse_area_px
from geochange.maps.changemap import ChangeMap
from geochange.maps.clean import Cleaning
from geochange.maps.kept import Kept
from geochange.maps.preview import PreviewGrid
from geochange.maps.threshold import (
    Threshold,
    check_threshold,
    choose_threshold,
    least_threshold,
)
from geochange.tiles import TilePlan
from geochange.version import __version__

CLEANING = {"min_area": "4px", "max_hole": "4px", "connectivity": 8, "opening": 0, "closing": 0}
"""How a mask is cleaned where neither the user nor the run says."""


@dataclass(frozen=True)
class Wanted:
    """What a user asks of a revision; None stands for what the first run had.

    Attributes
    ----------
    threshold, min_area, max_hole, connectivity, opening, closing, smooth, products
        See :func:`geochange.detect`.
    """

    threshold: str | float | None = None
    min_area: str | int | None = None
    max_hole: str | int | None = None
    connectivity: int | None = None
    opening: int | None = None
    closing: int | None = None
    smooth: bool | None = None
    products: Sequence[str] = PRODUCTS

    def settle(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of cleaning, given those of the first run."""
        settled = {}
        for name, usual in (CLEANING | {"smooth": False}).items():
            value = getattr(self, name)
            settled[name] = before.get(name, usual) if value is None else plain(value)
        return settled


@dataclass(frozen=True)
class Work:
    """Who does it, and where it goes; see :func:`geochange.detect`."""

    output: str | os.PathLike[str] | None = None
    tile_size: int | None = None
    workers: int = 0
    threads: int = 0
    scheduler: str | None = None
    memory_limit: str | int | None = None
    overwrite: bool = False
    resume: bool = False
    on_progress: Progress = report_nothing


@dataclass(frozen=True)
class Learned:
    """What a revision knows once it has looked at its maps.

    Attributes
    ----------
    score : callable
        Returns the new stored score of a block.
    threshold : Threshold
        Where the user gives no rule.
    facts : mapping
        For ``run.json``.
    notes : sequence of str
    """

    score: ScoreOf
    threshold: Threshold
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Revision:
    """All that is settled before a pixel is touched.

    Attributes
    ----------
    kind : str
        ``fuse``, ``refine`` or ``threshold``.
    base : ChangeMap
        Its images are shown, its polygons are cleaned as its were.
    members : sequence of dict
        Provenance of the runs that go in.
    files : sequence of dict
        Their files and others, described.
    options : mapping
        Parameters that change what is found, plain enough for JSON.
    reason : str
        One sentence for a person.
    learn : callable
        Looks at the maps, given the prepared pair.
    halo : int
        Margin that the score needs, in pixels.
    """

    kind: str
    base: ChangeMap
    members: Sequence[Mapping[str, Any]]
    files: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any]
    reason: str
    learn: Callable[[Prepared, Stages], Learned]
    halo: int = 0


def revise(revision: Revision, wanted: Wanted, work: Work) -> ChangeMap:
    """Write the run directory of a revision, as :func:`geochange.detect` writes its own.

    Raises
    ------
    InputError, GridError, UsageError, OutputExistsError, OutputError, ResourceError
    """
    check_products(wanted.products)
    if wanted.threshold is not None:
        check_threshold(str(plain(wanted.threshold)), has_probability=False)
    pair = reopen_pair(revision.base)
    settings = _settle(revision, wanted)
    products = sorted(wanted.products)
    key = hash_run([revision.files], settings | {"products": products}, __version__)
    target = Path(work.output or tempfile.mkdtemp(prefix="geochange-")).resolve()
    if work.resume and not work.overwrite and key == read_fingerprint(target):
        return ChangeMap(target)
    limit = parse_memory(work.memory_limit)
    size = choose_tile_size(
        pair.shape,
        len(pair.before.bands) + len(revision.members),
        work.tile_size,
        halo=revision.halo,
        tasks=count_tasks(work.workers, work.threads),
        workers=work.workers,
        limit_bytes=limit,
    )
    named = [str(file["path"]) for file in revision.files]
    with (
        new_folder(
            target,
            overwrite=work.overwrite or work.output is None,
            resume=work.resume,
            state={"key": key, "tile_size": size},
            inputs=[*pair.paths, *named],
        ) as folder,
        open_runner(workers=work.workers, threads=work.threads, scheduler=work.scheduler) as crew,
    ):
        if not (folder / "run.json").exists():  # else it was stopped after its last file
            with Stages(crew, work.on_progress) as stages:
                _carry_out(revision, pair, settings, wanted, key, folder, stages)
        shutil.rmtree(folder / "tiles", ignore_errors=True)
    return ChangeMap(target)


def _settle(revision: Revision, wanted: Wanted) -> dict[str, Any]:
    """Return the settings of the new run: how the pair is seen, and how the map is made."""
    before = dict(revision.base.run["settings"])
    dropped = ("method", "model", "options", "shift_tolerance", "uncertainty", "sensitivity")
    seen = {name: value for name, value in before.items() if name not in dropped}
    rule = None if wanted.threshold is None else str(plain(wanted.threshold))
    own = {"method": revision.kind, "options": plain(revision.options), "threshold": rule}
    return seen | own | wanted.settle(before)


def _carry_out(
    revision: Revision,
    pair: Pair,
    settings: Mapping[str, Any],
    wanted: Wanted,
    key: str,
    folder: Path,
    stages: Stages,
) -> None:
    state = read_state(folder) or {}
    tiles = folder / "tiles" / str(state["attempt"])  # workers that are late write nowhere else
    tiles.mkdir(parents=True, exist_ok=True)
    prepared = prepare_pair(pair, settings, stages, partial(find_once, folder))
    pair, size = prepared.pair, int(state["tile_size"])
    with stages.stage("learn"):
        learned = revision.learn(prepared, stages)
    rule = settings["threshold"]
    own = learned.threshold
    least = least_threshold(rule) if rule else own.low or own.value or 1.0
    store = TileStore(tiles / "score", pair.geobox, size, "uint16", SCORE_NODATA)
    kept = Kept(store, least)
    with stages.stage("score"):
        grid = PreviewGrid(pair.shape, display_bands(pair))
        plan = TilePlan(pair.shape, size, revision.halo)
        scored = fill_tiles(learned.score, plan, pair, kept, grid, stages)
        require_valid(int(scored.histogram.sum()), pair)
    found = choose_threshold(scored.histogram, rule) if rule else own
    sources = revision.base.run["sources"]
    both = sources["before"], sources["after"]
    method = {"name": revision.kind, "reason": revision.reason, "options": dict(revision.options)}
    inputs = revision.base.run["inputs"]
    run = describe_run(key, both, pair, inputs, method, found, settings)
    run |= {"kind": revision.kind, "command": _repeat(revision, settings), "sources": dict(sources)}
    run |= {"runs": list(revision.members), "learned": dict(learned.facts)}
    run |= prepared.describe() | {"quarantine": scored.quarantine}
    run |= {"notes": [*pair.notes, *learned.notes, *say_lost([], scored)]}
    cleaning = Cleaning(
        opening_px=settings["opening"],
        closing_px=settings["closing"],
        max_hole_px=parse_area_px(settings["max_hole"], gsd_m(pair.geobox)),
        min_area_px=parse_area_px(settings["min_area"], gsd_m(pair.geobox)),
        connectivity=settings["connectivity"],
    )
    finish = Finish(cleaning, settings["smooth"], wanted.products)
    findings = map_changes(prepared, kept, scored, found, run, finish, folder, stages)
    conclude_run(findings, finish, folder, stages)


def _repeat(revision: Revision, settings: Mapping[str, Any]) -> str:
    """Return the command line that repeats a revision."""
    words = ["geochange", revision.kind, *(str(member["path"]) for member in revision.members)]
    words += ["-o", "OUT"]
    named = {**revision.options, **{name: settings[name] for name in ("threshold", *CLEANING)}}
    for name, value in named.items():
        if value is None or value is False:
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            several = isinstance(value, list | tuple)
            words.append(",".join(map(str, value)) if several else str(value))
    return shlex.join(words)

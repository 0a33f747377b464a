"""A project of labels: the pair, the store, the runs, and what works on them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import shapely.geometry
from numpy.typing import NDArray

from geochange.alignment.grid import gsd_m
from geochange.alignment.pair import Pair, open_pair
from geochange.annotation.database import Database
from geochange.annotation.edits import parse_edit
from geochange.annotation.jobs import Job, Jobs
from geochange.annotation.levels import LevelCache, needs_cache
from geochange.annotation.pictures import Pictures
from geochange.annotation.prelabels import add_run
from geochange.annotation.probes import offer_probe
from geochange.annotation.queue import describe_scores, order_tiles, store_order
from geochange.annotation.refusals import NOT_FOUND, RefusedError
from geochange.annotation.registered import apply_registration, picture_key, registration_of
from geochange.annotation.reviewing import Person
from geochange.annotation.saving import save_edit
from geochange.annotation.views import latest_run
from geochange.errors import InputError
from geochange.io.rasters.scene import Source
from geochange.labels.schema import Schema
from geochange.maps.changemap import ChangeMap, open_map
from geochange.pipeline import detect
from geochange.tiles import TilePlan
from geochange.viz.pictures import choose_display_bands

Looks = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Uncertainty and features of all tiles."""


def absolute(source: Source) -> str | list[str]:
    """Return the paths of a date so that they hold wherever one is."""
    if isinstance(source, list | tuple):
        return [str(absolute(part)) for part in source]
    text = os.fspath(source)  # type: ignore[arg-type]
    return os.path.abspath(text) if Path(text).exists() else text


def reopen_pair(settings: Mapping[str, Any]) -> Pair:
    """Open the pair of a project from its settings."""
    chosen = {name: value for name, value in settings.items() if name != "register"}
    if isinstance(chosen.get("aoi"), Mapping):
        chosen["aoi"] = shapely.geometry.shape(chosen["aoi"])
    return open_pair(**chosen)


@dataclass
class Project:
    """Labels of one pair; of :func:`~geochange.annotation.create_project` or ``open_project``.

    Attributes
    ----------
    folder : Path
    pair : Pair
        Registered, as it is shown.
    database : Database
    schema : Schema
    schema_version : int
    plan : TilePlan
        The tiles that are gone through one after the other.
    pictures : Pictures
    settings : dict
        How the pair is opened: arguments of :func:`geochange.open_pair`, and ``register``.
    facts : dict
        What was measured when the project was made: stretch, inputs, registration.
    seed : int
        Of the order of the queue.
    jobs : Jobs
        What works in the background.
    looked_at : dict
        Run to what its scores are like in each tile.
    """

    folder: Path
    pair: Pair
    database: Database
    schema: Schema
    schema_version: int
    plan: TilePlan
    pictures: Pictures
    settings: dict[str, Any]
    facts: dict[str, Any]
    seed: int = 0
    jobs: Jobs = field(default_factory=Jobs)
    looked_at: dict[Path, Looks] = field(default_factory=dict)

    @cached_property
    def display_bands(self) -> dict[str, list[int]]:
        """Bands of each date that are shown first."""
        return {
            name: list(choose_display_bands(date.roles))
            for name, date in (("before", self.pair.before), ("after", self.pair.after))
        }

    def save(self, content: Any, annotator: str, *, reviewer: bool = False) -> dict[str, Any]:
        """Save one edit; see :func:`geochange.annotation.saving.save_edit`."""
        edit = parse_edit(content, self.pair.shape, self.schema)
        person = Person(annotator, reviewer)
        reply = save_edit(self.database, edit, person, self.schema_version)
        if edit.kind == "tile" and not reviewer:
            offer_probe(self.database, annotator)
        return reply

    def result(self, run: int | None = None) -> ChangeMap:
        """Return a run of the project, the newest one when None.

        Raises
        ------
        RefusedError
            404: there is none.
        """
        db = self.database.read()
        number = latest_run(db) if run is None else run
        row = db.execute("SELECT folder FROM model_run WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise RefusedError(NOT_FOUND, "there is no such run of a model")
        return ChangeMap(Path(row["folder"]))

    def newest_result(self) -> ChangeMap | None:
        """Return the newest run, or None."""
        return self.result() if latest_run(self.database.read()) else None

    def has_run(self, folder: Path | str) -> bool:
        """Tell whether the candidates of a run are here already."""
        path = str(Path(folder).absolute())
        db = self.database.read()
        return (
            db.execute("SELECT 1 FROM model_run WHERE folder = ?", (path,)).fetchone() is not None
        )

    def require_same_pair(self, before: Source, after: Source | None) -> None:
        """See that two dates are those of the project.

        Raises
        ------
        InputError
        """
        for name, given in (("before", before), ("after", after)):
            if given is None or absolute(given) != self.settings[name]:
                msg = (
                    f"{self.folder} holds labels of {self.settings['before']} and "
                    f"{self.settings['after']}; choose another folder (-o) for this pair"
                )
                raise InputError(msg)

    def add_run(self, folder: str | os.PathLike[str], name: str = "") -> int:
        """Take the polygons of a finished run as candidates, and order the queue by its scores."""
        result = open_map(folder)
        run = add_run(self.database, result, self.schema, self.plan.size, name=name)
        self.order("mix")
        return run

    def order(self, order: str, seed: int | None = None) -> None:
        """Put the tiles in an order of :data:`geochange.annotation.queue.ORDERS`."""
        if seed is not None:
            self.seed = seed
            with self.database.write() as db:
                db.execute("UPDATE meta SET value = ? WHERE name = 'seed'", (str(seed),))
        result = self.newest_result()
        if result is None or "score" not in result.layers:
            wanted = "systematic" if order != "random" else order
            unknown, alike = np.full(len(self.plan), np.nan), np.zeros((len(self.plan), 1))
            store_order(self.database, order_tiles(unknown, alike, order=wanted, seed=self.seed))
            return
        if result.path not in self.looked_at:
            self.looked_at[result.path] = describe_scores(result, self.plan)
        unsure, features = self.looked_at[result.path]
        store_order(
            self.database, order_tiles(unsure, features, order=order, seed=self.seed), unsure
        )

    def start_levels(self) -> Job | None:
        """Build the overviews of a large pair in the background, where they are missing."""
        if not needs_cache(self.pair.shape) or self.pictures.cached:
            return None
        return self.jobs.start("levels", self._build_levels)

    def _build_levels(self, job: Job) -> str:
        cache = self.pictures.cache
        cache.build(self.pair, lambda done, total: job.report("overviews", done, total))
        return "overviews are ready"

    def adopt_registration(self, result: ChangeMap) -> None:
        """Show the after date where a run found that it belongs."""
        found = registration_of(result)
        if found == self.facts["registration"]:
            return
        with self.database.write() as db:
            db.execute("UPDATE pair SET registration = ?", (json.dumps(found),))
        self.facts["registration"] = found
        pair = apply_registration(self.open_pair(), found)
        self.pair = pair
        self.pictures = Pictures(
            pair, LevelCache(self.pictures.cache.folder, picture_key(pair, found))
        )
        self.start_levels()

    def open_pair(self) -> Pair:
        """Open the two dates as they lie."""
        return reopen_pair(self.settings)

    def start_detection(
        self, *, method: str = "auto", model: str | None = None,
        options: dict[str, object] | None = None, threshold: str | float | None = None,
    ) -> Job:  # fmt: skip
        """Detect change in the background, and take what is found as candidates."""
        settings = {"method": method, "model": model, "options": options, "threshold": threshold}
        return self.jobs.start("prelabels", lambda job: self._detect(job, settings))

    def _detect(self, job: Job, settings: dict[str, Any]) -> str:
        return self.detect_anew(job, settings, name=settings["model"] or "")

    def detect_anew(self, job: Job, settings: Mapping[str, Any], *, name: str = "") -> str:
        """Detect change and take what is found as candidates of a new run; returns what to say.

        Parameters
        ----------
        job : Job
            Told of the progress.
        settings : mapping
            Arguments of :func:`geochange.detect`.
        name : str
            Of the run; the method's when empty.
        """
        chosen = {k: v for k, v in self.settings.items() if k not in ("before", "after")}
        result = detect(
            self.settings["before"], self.settings["after"], self.next_folder(),
            products=("score", "mask", "changes"), threads=1, on_progress=job.report,
            **chosen, **settings,
        )  # fmt: skip
        return self.take(job, result, name)

    def next_folder(self, kind: str = "") -> Path:
        """Return where the next run goes; runs of two kinds never meet."""
        folder = self.folder / "runs"
        folder.mkdir(exist_ok=True)
        taken = [int(path.name[:3]) for path in folder.iterdir() if path.name[:3].isdigit()]
        return folder / f"{max(taken, default=0) + 1:03d}{kind and '-'}{kind}"

    def take(self, job: Job, result: ChangeMap, name: str = "") -> str:
        """Take what a finished run found as candidates; returns what to say."""
        job.report("candidates", 0, 1)
        self.adopt_registration(result)
        run = self.add_run(result.path, name)
        row = self.database.read().execute("SELECT * FROM model_run WHERE id = ?", (run,))
        found = row.fetchone()
        return f"{found['candidates']} candidates by {found['name']}"

    def describe(self) -> dict[str, Any]:
        """Return what a page must know of the project."""
        height, width = self.pair.shape
        crs = self.pair.geobox.crs
        runs = self.database.read().execute("SELECT * FROM model_run ORDER BY id DESC")
        return {
            "uuid": self.facts["uuid"],
            "name": self.folder.name,
            "width": width,
            "height": height,
            "crs": None if crs is None else str(crs),
            "affine": list(self.pair.geobox.affine)[:6],
            "gsd_m": gsd_m(self.pair.geobox),
            "dates": list(self.pair.dates),
            "bands": {"before": list(self.pair.before.bands), "after": list(self.pair.after.bands)},
            "display_bands": self.display_bands,
            "stretch": self.facts["stretch"],
            "levels": self.pictures.levels,
            "cached": self.pictures.cached,
            "version": self.pictures.cache.key[:12],
            "tile_size": self.plan.size,
            "schema": self.schema.describe(),
            "schema_version": self.schema_version,
            "runs": [_describe_run(row) for row in runs],
            "notices": [*self.database.notices, *self.facts["notes"], *self._said()],
            "journal": self.database.journal,
        }

    def _said(self) -> list[str]:
        said = self.facts["registration"]["said"]
        return [str(said)] if said else []

    def close(self) -> None:
        """Stop what works in the background and close the store."""
        self.jobs.close()
        self.database.close()


def _describe_run(row: Any) -> dict[str, Any]:
    names = ("id", "name", "threshold", "created", "candidates", "left_out")
    facts = {name: row[name] for name in names}
    return facts | {"params": json.loads(row["params"]), "weights": row["weights_sha256"]}

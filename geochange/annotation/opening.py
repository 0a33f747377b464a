"""Making a project of labels, and opening it again."""

from __future__ import annotations

import json
import os
import shutil
import uuid
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geochange.alignment.inputs import describe_inputs
from geochange.alignment.pair import Pair
from geochange.annotation.database import Database
from geochange.annotation.levels import LevelCache
from geochange.annotation.pictures import Pictures
from geochange.annotation.project import Project, absolute, reopen_pair
from geochange.annotation.registered import (
    apply_registration,
    as_they_lie,
    picture_key,
    registration_of,
)
from geochange.annotation.stretch import measure_stretch
from geochange.errors import (
    DataWarning,
    InputError,
    InputNotFoundError,
    OutputError,
    OutputExistsError,
    UsageError,
)
from geochange.io.provenance import plain
from geochange.io.rasters.scene import Source
from geochange.labels.schema import Schema, parse_schema
from geochange.maps.changemap import open_map
from geochange.registration.result import check_mode
from geochange.tiles import TilePlan

NAME = "project.db"
TILE_SIZE = 512


def create_project(
    folder: str | os.PathLike[str],
    before: Source | None = None,
    after: Source | None = None,
    *,
    run: str | os.PathLike[str] | None = None,
    schema: Schema | None = None,
    tile_size: int = TILE_SIZE,
    register_mode: str = "auto",
    seed: int = 0,
    pair_settings: Mapping[str, Any] | None = None,
) -> Project:
    """Make a project; the folder appears complete or not at all.

    Parameters
    ----------
    folder : path
        To create.
    before, after : path, folder or list of paths, optional
        The two dates; left out with ``run``.
    run : path, optional
        Output directory of a finished run, whose pair, registration and polygons are taken.
    schema : Schema, optional
        Classes; one class, change, when None.
    tile_size : int
        Edge in pixels of what is looked at in one go, 64 to 4096.
    register_mode : {'auto', 'off', 'global', 'local'}
        How detections bring the after date onto the before date; it is shown as it lies until one
        has measured it. See :func:`geochange.register`.
    seed : int
        Of the order of tiles.
    pair_settings : mapping, optional
        Further arguments of :func:`geochange.open_pair`.

    Raises
    ------
    InputError, GridError, BandError, UsageError, OutputExistsError, OutputError

    Examples
    --------
    >>> project = create_project("labels.gcproj", "a.tif", "b.tif")  # doctest: +SKIP
    """
    target = Path(folder)
    if target.exists():
        msg = f"{target} exists; open it, or choose another folder"
        raise OutputExistsError(msg)
    if not 64 <= tile_size <= 4096:
        msg = f"tile_size must be 64 to 4096, got {tile_size}"
        raise UsageError(msg)
    check_mode(register_mode)
    if run is None and (before is None or after is None):
        msg = "a project needs two dates, or a run; give BEFORE and AFTER"
        raise UsageError(msg)
    settings = _settings_of_run(run) if run is not None else dict(plain(pair_settings or {}))
    if before is not None and after is not None and run is None:
        settings |= {"before": absolute(before), "after": absolute(after)}
        settings |= {"register": register_mode}
    pair = reopen_pair(settings)
    found = registration_of(open_map(run)) if run is not None else as_they_lie()
    facts = {
        "stretch": measure_stretch(apply_registration(pair, found)),
        "inputs": describe_inputs(pair),
        "registration": found,
        "notes": list(pair.notes),
    }
    _write(target, pair, settings, facts, schema or Schema(), tile_size, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # said when the pair was opened first
        project = open_project(target)
    if run is not None:
        project.add_run(run)
    return project


def open_project(folder: str | os.PathLike[str]) -> Project:
    """Open a project and back its store up.

    Raises
    ------
    InputNotFoundError, InputError
        No project is there, or the images are gone or of another size.

    Examples
    --------
    >>> open_project("nowhere")
    Traceback (most recent call last):
    ...
    geochange.errors.InputNotFoundError: nowhere is not a project of labels: it has no project.db
    """
    folder = Path(folder)
    path = folder / NAME
    if not path.is_file():
        msg = f"{folder} is not a project of labels: it has no {NAME}"
        several = sorted(folder.glob(f"pairs/*/{NAME}"))
        if several:
            first = several[0].parent
            msg = f"{folder} holds {len(several)} pairs; give one of them, such as {first}"
        raise InputNotFoundError(msg)
    database = Database(path)
    db = database.read()
    row = db.execute("SELECT * FROM pair WHERE id = 1").fetchone()
    schema = db.execute("SELECT * FROM schema ORDER BY version DESC LIMIT 1").fetchone()
    meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
    if row is None or schema is None:
        database.close()
        msg = f"{path} is incomplete; restore it from backups/"
        raise InputError(msg)
    settings = json.loads(row["settings"])
    facts = json.loads(row["stretch"])
    facts |= {"inputs": json.loads(row["inputs"]), "uuid": meta["project_uuid"]}
    found = json.loads(row["registration"])
    facts |= {"registration": found}
    try:
        pair = apply_registration(reopen_pair(settings), found)
        if pair.shape != (row["height"], row["width"]):
            msg = f"the images of {folder} have another size now; put the old ones back"
            raise InputError(msg)
    except BaseException:
        database.close()
        raise
    database.back_up()
    cache = LevelCache(folder / "cache", picture_key(pair, found))
    return Project(
        folder,
        pair,
        database,
        parse_schema(json.loads(schema["content"])),
        schema["version"],
        TilePlan(pair.shape, int(meta["tile_size"])),
        Pictures(pair, cache),
        settings,
        facts,
        int(meta["seed"]),
    )


def _write(
    target: Path, pair: Pair, settings: Mapping[str, Any], facts: Mapping[str, Any],
    schema: Schema, tile_size: int, seed: int,
) -> None:  # fmt: skip
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        msg = f"cannot make {target} ({error.strerror}); choose another folder"
        raise OutputError(msg) from error
    try:
        database = Database(partial / NAME)
        try:
            _fill(database, pair, settings, facts, schema, tile_size, seed)
        finally:
            database.close()
        partial.replace(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _fill(
    database: Database, pair: Pair, settings: Mapping[str, Any], facts: Mapping[str, Any],
    schema: Schema, tile_size: int, seed: int,
) -> None:  # fmt: skip
    now = datetime.now(UTC).isoformat(timespec="seconds")
    height, width = pair.shape
    crs = pair.geobox.crs
    shown = {name: facts[name] for name in ("stretch", "notes")}
    with database.write() as db:
        meta = {"project_uuid": str(uuid.uuid4()), "created": now, "tile_size": str(tile_size),
                "seed": str(seed)}  # fmt: skip
        db.executemany("INSERT INTO meta VALUES (?,?)", list(meta.items()))
        db.execute(
            "INSERT INTO pair VALUES (1,?,?,?,?,?,?,?,?,?,?)",
            (
                json.dumps(settings["before"]), json.dumps(settings["after"]),
                json.dumps(settings), json.dumps(facts["registration"]),
                None if crs is None else crs.to_wkt(), json.dumps(list(pair.geobox.affine)[:6]),
                height, width, json.dumps(facts["inputs"]), json.dumps(shown),
            ),
        )  # fmt: skip
        db.execute("INSERT INTO schema VALUES (1,?,?)", (json.dumps(schema.describe()), now))
        db.executemany(
            "INSERT INTO tile(id, pair_id, col, row, width, height, place) VALUES (?,1,?,?,?,?,?)",
            (
                (t.index + 1, t.core.col, t.core.row, t.core.width, t.core.height, t.index)
                for t in TilePlan(pair.shape, tile_size)
            ),
        )


PAIR_SETTINGS = (
    "grid", "bands", "aoi", "mask_before", "mask_after", "mask_codes", "resampling", "nodata",
    "date_before", "date_after", "register",
)  # fmt: skip


def _settings_of_run(run: str | os.PathLike[str]) -> dict[str, Any]:
    content = open_map(run).run
    if "sources" not in content:
        msg = f"{os.fspath(run)} does not say where its inputs are; run detect again"
        raise InputError(msg)
    given = {n: v for n, v in content["settings"].items() if n in PAIR_SETTINGS}
    located = {n: v for n, v in content["sources"].items() if n != "checkpoint"}
    return given | located

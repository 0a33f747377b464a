"""Several pairs labelled as one: a project for each, behind one link and one queue."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from geochange.annotation.opening import NAME, TILE_SIZE, create_project, open_project
from geochange.annotation.project import Project
from geochange.annotation.states import DONE
from geochange.errors import InputError, InputNotFoundError, OutputExistsError
from geochange.io.rasters.scene import Source
from geochange.labels.schema import Schema

LIST = "collection.json"
COUNTS = f"""
SELECT count(*) AS total, sum(state IN {DONE!r}) AS done,
    sum(state IN {DONE!r} AND review = '' AND author != :who) AS waiting,
    max(CASE WHEN state NOT IN {DONE!r} THEN coalesce(uncertainty, 0) END) AS unsure
FROM tile WHERE probe_of IS NULL
"""


class PairRow(Protocol):
    """One row of a manifest, such as :class:`geochange.batch.Item`."""

    @property
    def id(self) -> str:
        """Name of the pair, also of its folder."""

    @property
    def before(self) -> Source:
        """The first date."""

    @property
    def after(self) -> Source:
        """The second date."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Further arguments of :func:`geochange.open_pair`."""


@dataclass
class Collection:
    """Projects of several pairs; of :func:`create_collection` or :func:`open_collection`.

    Attributes
    ----------
    folder : Path
    names : tuple of str
        Of the pairs, in the order of the manifest; each is a project in ``pairs/NAME``.
    """

    folder: Path
    names: tuple[str, ...]
    opened: dict[str, Project] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def project(self, name: str) -> Project:
        """Return the project of a pair, opened once.

        Raises
        ------
        InputNotFoundError
            No pair has that name.
        """
        if name not in self.names:
            msg = f"{self.folder} has no pair '{name}'; it has {', '.join(self.names[:5])} ..."
            raise InputNotFoundError(msg)
        with self.lock:
            if name not in self.opened:
                self.opened[name] = open_project(self.folder / "pairs" / name)
            return self.opened[name]

    def progress(self, annotator: str = "") -> list[dict[str, Any]]:
        """Return how far every pair is.

        Returns
        -------
        list of dict
            ``name``; how many tiles there are in ``total``, are ``done``, and are ``waiting`` for a
            review by the annotator; how ``unsure`` the model is in the unsurest tile that is to do
            (None when all are done).
        """
        return [{"name": name, **self._count(name, annotator)} for name in self.names]

    def _count(self, name: str, annotator: str) -> dict[str, Any]:
        path = self.folder / "pairs" / name / NAME
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as db:
            db.row_factory = sqlite3.Row
            return dict(db.execute(COUNTS, {"who": annotator}).fetchone())

    def start_detection(self, names: Iterable[str], **settings: Any) -> threading.Thread:
        """Detect change in pairs in the background, one after the other."""

        def work() -> None:
            for name in names:
                project = self.project(name)
                jobs = [project.start_levels(), project.start_detection(**settings)]
                for job in filter(None, jobs):
                    if job.thread is not None:
                        job.thread.join()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Close all projects."""
        for project in self.opened.values():
            project.close()


def create_collection(
    folder: str | os.PathLike[str], rows: Sequence[PairRow], *, schema: Schema | None = None,
    tile_size: int = TILE_SIZE, register_mode: str = "auto", seed: int = 0,
    pair_settings: Mapping[str, Any] | None = None,
) -> Collection:  # fmt: skip
    """Make a project for every row; the folder appears complete or not at all.

    Parameters
    ----------
    folder : path
        To create.
    rows : sequence of PairRow
        Such as those of :func:`geochange.batch.read_manifest`; what a row sets goes before
        ``pair_settings``.
    schema, tile_size, register_mode, seed, pair_settings
        Of all projects; see :func:`create_project`.

    Raises
    ------
    InputError
        There are no rows, or one cannot be opened.
    OutputExistsError

    Examples
    --------
    >>> from geochange.batch import read_manifest
    >>> create_collection("labels.gcproj", read_manifest("pairs.csv"))  # doctest: +SKIP
    """
    target = Path(folder)
    if target.exists():
        msg = f"{target} exists; open it, or choose another folder"
        raise OutputExistsError(msg)
    if not rows:
        msg = "the manifest has no rows; give at least one pair"
        raise InputError(msg)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        for row in rows:
            create_project(
                partial / "pairs" / row.id, row.before, row.after, schema=schema,
                tile_size=tile_size, register_mode=register_mode, seed=seed,
                pair_settings={**(pair_settings or {}), **row.settings},
            ).close()  # fmt: skip
        content = {"version": 1, "pairs": [row.id for row in rows]}
        (partial / LIST).write_text(json.dumps(content, indent=1), encoding="utf-8")
        partial.replace(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return open_collection(target)


def is_collection(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder holds several pairs."""
    return (Path(folder) / LIST).is_file()


def open_collection(folder: str | os.PathLike[str]) -> Collection:
    """Open the projects of several pairs; each is opened when it is first asked for.

    Raises
    ------
    InputNotFoundError, InputError
    """
    path = Path(folder) / LIST
    if not path.is_file():
        msg = f"{folder} is no collection of pairs: it has no {LIST}"
        raise InputNotFoundError(msg)
    try:
        names = tuple(map(str, json.loads(path.read_text(encoding="utf-8"))["pairs"]))
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path} is damaged ({error}); it lists the folders in pairs/"
        raise InputError(msg) from error
    missing = [name for name in names if not (Path(folder) / "pairs" / name / NAME).is_file()]
    if missing:
        msg = f"{path} names pairs that are not there: {', '.join(missing[:5])}; put them back"
        raise InputError(msg)
    return Collection(Path(folder), names)

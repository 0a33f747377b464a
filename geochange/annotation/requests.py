"""What each address of the tool does: from a call to JSON or PNG."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from geochange.annotation.geometry import combine, parse_polygon, plain_geometry
from geochange.annotation.improving import (
    describe_improvement,
    start_improvement,
    use_improvement,
    write_every,
)
from geochange.annotation.leases import end_lease, list_leases, take_lease
from geochange.annotation.people import measure_people
from geochange.annotation.pictures import render_score_tile
from geochange.annotation.probes import hidden_tiles
from geochange.annotation.project import Project
from geochange.annotation.refusals import BAD_REQUEST, FORBIDDEN, NOT_FOUND, RefusedError
from geochange.annotation.revising import measure_labels, start_fusion, start_refinement
from geochange.annotation.superpixels import cut_tile
from geochange.annotation.views import (
    describe_tile,
    find_features,
    list_history,
    list_notes,
    list_tiles,
    measure_progress,
)
from geochange.annotation.wand import wave
from geochange.tiles import Window

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes
    ----------
    project : Project
    annotator : str
        Who asks.
    reviewer : bool
        Whether who asks is a reviewer.
    reviewed : bool
        Whether there are reviewers at all.
    pairs : callable
        Returns, for an annotator, progress of all pairs that are served together.
    path, query : mapping of str to str
    body : JSON value
        None without one.
    """

    project: Project
    annotator: str
    reviewer: bool
    reviewed: bool
    pairs: Callable[[str], list[dict[str, Any]]]
    path: Params
    query: Params
    body: Any

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body's fields; none when it is no object."""
        return self.body if isinstance(self.body, Mapping) else {}


Handler = Callable[[Call], Any]
MAX_SETTINGS = 20_000


def get_project(call: Call) -> Any:
    """Return metadata of the pair, classes, runs, stretch; the person's own settings."""
    row = (
        call.project.database.read()
        .execute("SELECT content FROM setting WHERE annotator = ?", (call.annotator,))
        .fetchone()
    )
    return call.project.describe() | {
        "annotator": call.annotator,
        "reviewer": call.reviewer,
        "reviewed": call.reviewed,
        "settings": json.loads(row["content"]) if row else {},
    }


def get_pairs(call: Call) -> Any:
    """Return how far all pairs are that are served together."""
    return {"pairs": call.pairs(call.annotator)}


def put_settings(call: Call) -> Any:
    """Keep how a person likes to see things."""
    text = json.dumps(call.body)
    if not isinstance(call.body, Mapping) or len(text) > MAX_SETTINGS:
        raise RefusedError(BAD_REQUEST, "settings are a small object")
    with call.project.database.write() as db:
        db.execute("INSERT OR REPLACE INTO setting VALUES (?,?)", (call.annotator, text))
    return {}


def get_image(call: Call) -> bytes:
    """Return a tile of one date as PNG."""
    date = str(call.path["date"])
    if date not in ("before", "after"):
        raise RefusedError(BAD_REQUEST, "the date is 'before' or 'after'")
    known = len(getattr(call.project.pair, date).bands)
    bands = [_integer(text) for text in str(call.query.get("b", "0")).split(",")]
    limits = [_limits(text) for text in str(call.query.get("s", "0:1")).split(",")]
    if len(bands) not in (1, 3) or len(limits) != len(bands) or max(bands) >= known:
        msg = f"b names 1 or 3 of {known} bands, s the limits of each as low:high"
        raise RefusedError(BAD_REQUEST, msg)
    gamma = _float(call.query.get("g", "1"))
    if not 0.1 <= gamma <= 10:
        raise RefusedError(BAD_REQUEST, "g is 0.1 to 10")
    match = _match(call.project, date, bands) if call.query.get("m") == "1" else []
    return call.project.pictures.render(date, _place(call.path), bands, limits, gamma, match)


def get_score(call: Call) -> bytes:
    """Return a tile of a run's score as PNG, score in red."""
    return render_score_tile(call.project.result(_integer(call.path["run"])), _place(call.path))


def get_tiles(call: Call) -> Any:
    """Return all tiles in the order of the queue."""
    return {"tiles": list_tiles(call.project.database, call.annotator)}


def get_tile(call: Call) -> Any:
    """Return one tile and who holds it."""
    number = _integer(call.path["tile"])
    row = _tile_row(call, number)
    return describe_tile(row) | {"lease": list_leases(call.project.database).get(number)}


def get_features(call: Call) -> Any:
    """Return annotations and candidates that reach a window."""
    parts = [_float(text) for text in str(call.query.get("box", "")).split(",")]
    if len(parts) != 4:
        raise RefusedError(BAD_REQUEST, "box is first column, first row, last column, last row")
    run = _integer(call.query["run"]) if "run" in call.query else None
    box = parts[0], parts[1], parts[2], parts[3]
    return find_features(call.project.database, box, run, call.annotator, as_text=True)


def post_edit(call: Call) -> Any:
    """Save one edit."""
    return call.project.save(call.body, call.annotator, reviewer=call.reviewer)


def get_history(call: Call) -> Any:
    """Return what the person can undo and redo."""
    return list_history(call.project.database, call.annotator)


def post_lease(call: Call) -> Any:
    """Take a tile, or keep it."""
    return take_lease(
        call.project.database, _integer(call.path["tile"]), call.annotator, _session(call.body)
    )


def delete_lease(call: Call) -> Any:
    """Give a tile back."""
    end_lease(
        call.project.database, _integer(call.path["tile"]), call.annotator, _session(call.body)
    )
    return {}


def get_progress(call: Call) -> Any:
    """Return how much is done."""
    return measure_progress(call.project.database, call.annotator)


def post_wand(call: Call) -> Any:
    """Return the region around a click, as a polygon."""
    on = call.fields.get("on")
    if on not in ("score", "difference"):
        raise RefusedError(BAD_REQUEST, "on is 'score' or 'difference'")
    point = _float(call.fields.get("x")), _float(call.fields.get("y"))
    tolerance = min(max(_float(call.fields.get("tolerance", 0.5)), 0.0), 1.0)
    result = call.project.newest_result()
    return {"geom": plain_geometry(wave(call.project.pair, result, on, point, tolerance))}


def post_superpixels(call: Call) -> Any:
    """Return a tile cut into small regions, as polygons."""
    tile = _tile_row(call, _integer(call.fields.get("tile")))
    point = _float(call.fields.get("x")), _float(call.fields.get("y"))
    window = Window(tile["row"], tile["col"], tile["height"], tile["width"])
    size = _float(call.fields.get("size", 16))
    stretch = call.project.facts["stretch"]
    return {"geometries": cut_tile(call.project.pair, stretch, window, point, size)}


def get_people(call: Call) -> Any:
    """Return how people label; for reviewers only."""
    if not call.reviewer:
        raise RefusedError(FORBIDDEN, "how people label is for reviewers only (--reviewer)")
    return {"people": measure_people(call.project.database, call.project.schema)}


def get_notes(call: Call) -> Any:
    """Return flags and comments."""
    return {"notes": list_notes(call.project.database, call.annotator)}


def post_geometry(call: Call) -> Any:
    """Unite, subtract, split, stroke or simplify polygons; stores nothing."""
    listed = call.fields.get("geometries", [])
    if not isinstance(listed, list) or len(listed) > 200:
        raise RefusedError(BAD_REQUEST, "geometries is a list of at most 200 polygons")
    shapes = [parse_polygon(one, call.project.pair.shape) for one in listed]
    tolerance = min(max(_float(call.fields.get("tolerance", 1.0)), 0.05), 500.0)
    found = combine(str(call.fields.get("action")), shapes, call.fields.get("line"), tolerance)
    return {"geometries": [plain_geometry(shape) for shape in found if not shape.is_empty]}


def get_jobs(call: Call) -> Any:
    """Return what works in the background."""
    return {"jobs": call.project.jobs.list(), "cached": call.project.pictures.cached}


def delete_job(call: Call) -> Any:
    """Stop a job."""
    return call.project.jobs.stop(_integer(call.path["job"]))


def post_prelabels(call: Call) -> Any:
    """Detect change with a method or a shipped network; what is found becomes candidates."""
    from geochange.detectors.registry import list_methods
    from geochange.nn.checkpoints.shipped import list_models

    name = str(call.fields.get("name", "auto"))
    if name in [model.name for model in list_models("pixels")]:
        return call.project.start_detection(model=name).describe()
    if name != "auto" and name not in [method.name for method in list_methods()]:
        raise RefusedError(BAD_REQUEST, f"there is no method or model '{name[:40]}'")
    return call.project.start_detection(method=name).describe()


def get_detectors(call: Call) -> Any:
    """List methods and networks that pre-labels may come from."""
    from geochange.detectors.registry import list_methods
    from geochange.nn.checkpoints.shipped import list_models

    methods = [m.name for m in list_methods() if m.name != "network"]
    return {
        "methods": ["auto", *methods],
        "models": [model.name for model in list_models("pixels")],
    }


def get_improvement(call: Call) -> Any:
    """Return how many tiles the model could learn from, and what it learned last."""
    return describe_improvement(call.project)


def put_improvement(call: Call) -> Any:
    """Set after how many new tiles the page offers to improve the model."""
    write_every(call.project, call.fields.get("every"))
    return describe_improvement(call.project)


def post_improvement(call: Call) -> Any:
    """Improve the model with the labels so far, or use a network that was kept back."""
    number = call.fields.get("use")
    if number is None:
        return start_improvement(call.project).describe()
    return use_improvement(call.project, _integer(number)).describe()


def post_fusion(call: Call) -> Any:
    """Fuse runs into a new one."""
    runs = call.fields.get("runs")
    if not isinstance(runs, list):
        raise RefusedError(BAD_REQUEST, "runs is a list of numbers of runs")
    numbers = [_integer(number) for number in runs]
    return start_fusion(call.project, numbers, str(call.fields.get("rule", "mean"))).describe()


def post_refinement(call: Call) -> Any:
    """Bring the borders of a run's changes to the edges of the images, as a new run."""
    run, method = _integer(call.fields.get("run")), str(call.fields.get("method", "guided"))
    return start_refinement(call.project, run, method).describe()


def post_threshold(call: Call) -> Any:
    """Choose a run's threshold on the labels so far; stores nothing."""
    goal = {
        name: _float(call.fields[name])
        for name in ("precision", "recall")
        if call.fields.get(name) is not None
    }
    return measure_labels(call.project, _integer(call.fields.get("run")), **goal)


def post_queue(call: Call) -> Any:
    """Put the tiles in another order."""
    seed = call.fields.get("seed")
    call.project.order(
        str(call.fields.get("order")), seed if type(seed) is int and seed >= 0 else None
    )
    return {"tiles": list_tiles(call.project.database, call.annotator)}


def _tile_row(call: Call, number: int) -> Any:
    db = call.project.database.read()
    row = db.execute("SELECT * FROM tile WHERE id = ?", (number,)).fetchone()
    if row is None or number in hidden_tiles(db, call.annotator):
        raise RefusedError(NOT_FOUND, f"there is no tile {number}")
    return row


def _place(path: Params) -> tuple[int, int, int]:
    return _integer(path["level"]), _integer(path["col"]), _integer(path["row"])


def _match(project: Project, date: str, bands: list[int]) -> list[tuple[list[float], list[float]]]:
    """Return percentiles of the after date and those of the before date that they are shown as."""
    stretch = project.facts["stretch"]
    if date == "before" or len(stretch["before"]) != len(stretch["after"]):
        return []
    return [(stretch["after"][band], stretch["before"][band]) for band in bands]


def _session(body: Any) -> str:
    session = body.get("session") if isinstance(body, Mapping) else None
    if not isinstance(session, str) or not 1 <= len(session) <= 80:
        raise RefusedError(BAD_REQUEST, "a lease needs the session of the page")
    return session


def _integer(text: Any) -> int:
    word = str(text)
    if not word.isascii() or not word.isdigit() or len(word) > 9:
        raise RefusedError(BAD_REQUEST, f"{word[:20]!r} is not a whole number")
    return int(word)


def _float(text: Any) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError) as error:
        raise RefusedError(BAD_REQUEST, f"{str(text)[:20]!r} is not a number") from error
    if not math.isfinite(value):
        raise RefusedError(BAD_REQUEST, "numbers are finite")
    return value


def _limits(text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    if not colon or not _float(low) < _float(high):
        raise RefusedError(BAD_REQUEST, "limits are low:high, with low below high")
    return _float(low), _float(high)


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/api/project", get_project),
    ("GET", "/api/pairs", get_pairs),
    ("PUT", "/api/settings", put_settings),
    ("GET", "/api/image/{date}/{level}/{col}/{row}", get_image),
    ("GET", "/api/score/{run}/{level}/{col}/{row}", get_score),
    ("GET", "/api/tiles", get_tiles),
    ("GET", "/api/tiles/{tile}", get_tile),
    ("GET", "/api/features", get_features),
    ("POST", "/api/edits", post_edit),
    ("GET", "/api/history", get_history),
    ("POST", "/api/tiles/{tile}/lease", post_lease),
    ("DELETE", "/api/tiles/{tile}/lease", delete_lease),
    ("GET", "/api/progress", get_progress),
    ("POST", "/api/wand", post_wand),
    ("POST", "/api/superpixels", post_superpixels),
    ("GET", "/api/notes", get_notes),
    ("GET", "/api/people", get_people),
    ("POST", "/api/geometry", post_geometry),
    ("GET", "/api/jobs", get_jobs),
    ("DELETE", "/api/jobs/{job}", delete_job),
    ("GET", "/api/detectors", get_detectors),
    ("POST", "/api/prelabels", post_prelabels),
    ("GET", "/api/improvement", get_improvement),
    ("PUT", "/api/improvement", put_improvement),
    ("POST", "/api/improvement", post_improvement),
    ("POST", "/api/fusion", post_fusion),
    ("POST", "/api/refinement", post_refinement),
    ("POST", "/api/threshold", post_threshold),
    ("POST", "/api/queue", post_queue),
)
"""Method, address, handler."""

"""Borders of the changes of a finished run, brought to the edges of the images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from geochange.alignment.pair import Pair
from geochange.blocks import BoolArray, FloatArray, PairBlock
from geochange.engine.preparing import Prepared
from geochange.engine.scoring import FIT_MAX_PIXELS, FIT_TILE_PX, ScoreOf, read_or_salvage
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.errors import UsageError, suggest
from geochange.exports.runs.finishing import display_bands
from geochange.exports.runs.products import PRODUCTS
from geochange.io.stores.score import SCORE_NODATA, decode_score, encode_score
from geochange.maps.changemap import ChangeMap
from geochange.maps.clean import least_level
from geochange.maps.polygons import polygonize
from geochange.maps.threshold import Threshold
from geochange.refinement.contour import evolve_outline
from geochange.refinement.guide import Guide
from geochange.refinement.guided import guide_score
from geochange.refinement.superpixels import vote_in_superpixels
from geochange.revision.job import Learned, Revision, Wanted, Work, revise
from geochange.revision.members import Member, Run, open_members
from geochange.tiles import Tile, TilePlan, Window

METHODS = {
    "guided": "guided filter: the score follows the surfaces of the images",
    "superpixels": "every superpixel of both dates gets its mean score",
    "contour": "active contours: each outline moves to where the dates part",
}
"""Every way with what it does."""
RADIUS = {"guided": 4, "superpixels": 6, "contour": 3}
"""Radius of windows, edge of superpixels, and reach of outlines, in pixels, by default."""
MOST_RADIUS_PX = 64
GUIDE_BANDS = 3
SOFTNESS = 0.1
COMPACTNESS = 0.1
LATTICE_PX = 256
"""Superpixels are made in squares of this size at fixed places, so that tiles leave no trace."""
LATTICE_MARGIN_PX = 24
LARGEST_PX = 2048
"""Changes that are longer keep their outline."""


def refine(
    run: Run,
    output: str | os.PathLike[str] | None = None,
    *,
    method: str = "guided",
    radius: int | None = None,
    threshold: str | float | None = None,
    min_area: str | int | None = None,
    max_hole: str | int | None = None,
    connectivity: int | None = None,
    opening: int | None = None,
    closing: int | None = None,
    smooth: bool | None = None,
    products: Sequence[str] = PRODUCTS,
    tile_size: int | None = None,
    workers: int = 0,
    threads: int = 0,
    scheduler: str | None = None,
    memory_limit: str | int | None = None,
    overwrite: bool = False,
    resume: bool = False,
    on_progress: Progress = report_nothing,
) -> ChangeMap:
    """Bring the borders of a run's changes to the edges that its images show.

    Parameters
    ----------
    run : path or ChangeMap
    output : path, optional
        Directory to create, like that of :func:`geochange.detect`. Default: a temporary one.
    method : {'guided', 'superpixels', 'contour'}
        ``guided``: guided filter of the score by both dates; a tiled result is that of the whole.
        ``superpixels``: the mean score of each superpixel, made in squares of 256 px. ``contour``:
        each outline moves, by morphological Chan-Vese, to where the difference of the dates jumps;
        changes longer than 2048 px keep theirs.
    radius : int, optional
        Radius of the filter, edge of a superpixel or reach of an outline, in pixels. Default: 4, 6
        and 3.
    threshold : str or float, optional
        Default: the run's own value.
    min_area, max_hole, connectivity, opening, closing, smooth
        See :func:`geochange.detect`. Default: as the run had them.
    products, tile_size, workers, threads, scheduler, memory_limit, overwrite, resume, on_progress
        See :func:`geochange.detect`. The result does not depend on tile size or workers.

    Returns
    -------
    ChangeMap

    Raises
    ------
    UsageError
        An unknown method, or a radius that cannot be.
    InputError
        No run, or its images are gone.
    OutputExistsError, OutputError, ResourceError, ClusterError

    Examples
    --------
    >>> refine("out", "fine", method="guided").count  # doctest: +SKIP
    48
    """
    if method not in METHODS:
        msg = f"unknown method '{method}'{suggest(method, METHODS)}"
        raise UsageError(msg)
    reach = RADIUS[method] if radius is None else radius
    if not isinstance(reach, int) or not 1 <= reach <= MOST_RADIUS_PX:
        msg = f"a radius has 1 to {MOST_RADIUS_PX} px, whole ones, got {radius}"
        raise UsageError(msg)
    (member,) = open_members([run])
    learn: Callable[[Prepared, Stages], Learned] = partial(_learn, member, _MAKERS[method], reach)
    described = member.describe()
    revision = Revision(
        kind="refine",
        base=member.run,
        members=[described],
        files=[described["score"]],
        options={"method": method, "radius": reach},
        reason=f"{member.run.run['method']['name']}, then {METHODS[method]}",
        learn=learn,
        halo=2 * reach if method == "guided" else 0,
    )
    wanted = Wanted(threshold, min_area, max_hole, connectivity, opening, closing, smooth, products)
    work = Work(
        output, tile_size, workers, threads, scheduler, memory_limit, overwrite, resume,
        on_progress,
    )  # fmt: skip
    return revise(revision, wanted, work)


@dataclass(frozen=True)
class Sight:
    """What a refinement looks at: the score of a run, and its images.

    Attributes
    ----------
    member : Member
    pair : Pair
    guide : Guide
    reach : int
        See :func:`refine`.
    """

    member: Member
    pair: Pair
    guide: Guide
    reach: int


def _learn(
    member: Member,
    make: Callable[[Sight], ScoreOf],
    reach: int,
    prepared: Prepared,
    stages: Stages,
) -> Learned:
    pair = prepared.pair
    bands = display_bands(pair)[:GUIDE_BANDS]
    plan = TilePlan(pair.shape, min(FIT_TILE_PX, max(pair.shape)))

    def read(tile: Tile) -> PairBlock:
        return read_or_salvage(pair, tile)[0]

    blocks = stages.run_here(read, plan.sample(FIT_MAX_PIXELS), in_flight=2)
    guide = Guide.learn(blocks, bands)
    own = member.run.run["threshold"]
    kept = f"that of the run that is refined: {own['reason']}"
    limit = Threshold(own["value"], own["low"], own["rule"], kept)
    names = [pair.before.bands[band] for band in bands]
    return Learned(make(Sight(member, pair, guide, reach)), limit, {"guide": names})


@dataclass(frozen=True)
class GuidedScore:
    """Returns the score of a block after a guided filter."""

    sight: Sight

    def __call__(self, block: PairBlock) -> NDArray[np.uint16]:
        """Filter a block with its halo and return the core."""
        score = decode_score(self.sight.member.read(block.tile.read))
        fine = guide_score(
            score,
            self.sight.guide.see(block),
            block.valid,
            radius_px=self.sight.reach,
            softness=SOFTNESS,
        )
        return encode_score(fine[block.tile.core_in_read])


@dataclass(frozen=True)
class SuperpixelScore:
    """Returns the score of a block after a vote in superpixels, square by square."""

    sight: Sight

    def __call__(self, block: PairBlock) -> NDArray[np.uint16]:
        """Vote in every square that the core touches."""
        core = block.tile.core
        stored = np.full(core.shape, SCORE_NODATA, np.uint16)
        for row in range(core.row // LATTICE_PX, -(-core.stop_row // LATTICE_PX)):
            for col in range(core.col // LATTICE_PX, -(-core.stop_col // LATTICE_PX)):
                square = Window(row * LATTICE_PX, col * LATTICE_PX, LATTICE_PX, LATTICE_PX)
                part = square.intersect(core)
                if part is not None:
                    stored[part.slices_in(core)] = self._vote(square, part)
        stored[~block.valid[block.tile.core_in_read]] = SCORE_NODATA
        return stored

    def _vote(self, square: Window, part: Window) -> NDArray[np.uint16]:
        seen = square.pad(LATTICE_MARGIN_PX)
        block = self.sight.pair.read_window(seen)
        voted = vote_in_superpixels(
            decode_score(self.sight.member.read(seen)),
            self.sight.guide.see(block),
            block.valid,
            size_px=self.sight.reach,
            compactness=COMPACTNESS,
        )
        return encode_score(voted[part.slices_in(seen)])


@dataclass(frozen=True)
class Outlines:
    """The changes of a run, in pixels.

    Attributes
    ----------
    shapes : object (N,)
        Polygons and MultiPolygons.
    bounds : float64 (N, 4)
        Left, top, right and bottom of each.
    """

    shapes: NDArray[Any]
    bounds: NDArray[np.float64]

    def near(self, window: Window, reach: int) -> list[Any]:
        """Return the shapes whose surroundings touch a window, in their order."""
        left, top, right, bottom = self.bounds.T
        hit = (right + reach > window.col) & (left - reach < window.stop_col)
        hit &= (bottom + reach > window.row) & (top - reach < window.stop_row)
        return list(self.shapes[hit])


@dataclass(frozen=True)
class ContourScore:
    """Returns the score of a block with outlines moved: raised inside them, lowered outside."""

    sight: Sight
    outlines: Outlines
    least: int

    def __call__(self, block: PairBlock) -> NDArray[np.uint16]:
        """Move the outlines of all changes that reach into the core."""
        core, reach = block.tile.core, self.sight.reach
        stored = self.sight.member.read(core)
        known = stored != SCORE_NODATA
        was, now = np.zeros((2, *core.shape), np.bool_)
        for shape in self.outlines.near(core, reach):
            self._move(shape, core, was, now)
        stored = np.where(known & now, np.maximum(stored, self.least), stored)
        stored = np.where(known & was & ~now, np.minimum(stored, self.least - 1), stored)
        stored[~block.valid[block.tile.core_in_read]] = SCORE_NODATA
        return stored.astype(np.uint16)

    def _move(self, shape: Any, core: Window, was: BoolArray, now: BoolArray) -> None:
        """Draw a change as it was and as it is now into the parts of both in the core."""
        left, top, right, bottom = (int(side) for side in shape.bounds)
        margin = 3 * self.sight.reach + 2
        seen = Window(top, left, bottom - top, right - left).pad(margin)
        part = seen.intersect(core)
        if part is None:
            return
        place = Affine.translation(seen.col, seen.row)
        change = rasterize([shape], seen.shape, transform=place, dtype="uint8").astype(np.bool_)
        moved = change
        if max(seen.shape) <= LARGEST_PX:
            block = self.sight.pair.read_window(seen)
            difference = self._difference(block)
            moved = evolve_outline(change, difference, block.valid, reach_px=self.sight.reach)
        was[part.slices_in(core)] |= change[part.slices_in(seen)]
        now[part.slices_in(core)] |= moved[part.slices_in(seen)]

    def _difference(self, block: PairBlock) -> FloatArray:
        before, after = np.split(self.sight.guide.see(block), 2)
        length: FloatArray = np.linalg.norm(after - before, axis=0)
        return length


def _make_contours(sight: Sight) -> ContourScore:
    run = sight.member.run
    mask = _MaskSource(Member(run, sight.member.geobox, "mask"))
    connectivity = int(run.run["settings"].get("connectivity", 8))
    shapes = [shape for _, shape in polygonize(mask, connectivity=connectivity)]
    held = np.empty(len(shapes), np.object_)
    held[:] = shapes
    outlines = Outlines(held, shapely.bounds(held).reshape(-1, 4))
    return ContourScore(sight, outlines, least_level(run.threshold))


@dataclass(frozen=True)
class _MaskSource:
    member: Member
    tile_size: int = 1024

    @property
    def geobox(self) -> Any:
        return self.member.geobox

    def read(self, window: Window) -> NDArray[np.uint16]:
        return self.member.read(window)


_MAKERS: dict[str, Callable[[Sight], ScoreOf]] = {
    "guided": GuidedScore,
    "superpixels": SuperpixelScore,
    "contour": _make_contours,
}

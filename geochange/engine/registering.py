"""Register a pair: measure windows of both dates, weigh the evidence, check the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from geochange.alignment.pair import Pair
from geochange.engine.overviews import match_overviews
from geochange.engine.runner import open_runner
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.errors import InputError
from geochange.io.grids.displacement import STILL, Displacement
from geochange.io.grids.pixelgrid import mesh
from geochange.registration.evidence import Evidence, weigh_models
from geochange.registration.models import list_models
from geochange.registration.result import UNREGISTERED, Registration, check_mode, conclude
from geochange.registration.search import (
    agree_on_shift,
    measure_coarsely,
    plan_search,
    search_margin,
)
from geochange.registration.structure import HALO_PX, MATCHINGS
from geochange.registration.ties import UNREADABLE, Date, Tie, measure_tie
from geochange.registration.windows import FIRST_A_SIDE, plan_windows
from geochange.tiles import Tile, Window
from geochange.viz.pictures import choose_display_bands

MARGIN_PX = 12
"""Shift that windows find by themselves; larger ones are searched for coarsely first."""
NEAR_MARGIN_PX = 5
"""The same once a displacement is known."""
CHECKED = 16
"""Windows that are measured again with the correction."""
MOST_LOOKS = 3
SETTLED_PX = 0.01
"""Bias of windows, by the bend of what the last look changed, that needs no further look."""


def register(
    pair: Pair, *, mode: str = "auto", threads: int = 0, on_progress: Progress = report_nothing
) -> Registration:
    """Measure how the after date of a pair lies on the before date.

    A grid of windows is matched by masked correlation and refined to hundredths of a pixel. What
    they give evidence for - no displacement, a shift, an affine, a smooth field - is chosen by how
    well it foretells windows that it was not fitted to, and checked on windows read through it.

    Parameters
    ----------
    pair : Pair
        Of :func:`geochange.open_pair`.
    mode : {'auto', 'off', 'global', 'local'}
        ``auto`` takes the simplest model with evidence, and applies it from 0.1 px on; ``global``
        a shift or affine; ``local`` a smooth field.
    threads : int
        Default: one per processor.
    on_progress : callable
        Called with stage, windows done, windows in all.

    Returns
    -------
    Registration
        ``registration.apply(pair)`` is the corrected pair. Where the windows do not agree it is
        not reliable and applies nothing.

    Raises
    ------
    UsageError
        Unknown mode.

    Examples
    --------
    >>> pair = open_pair("before.tif", "after.tif")  # doctest: +SKIP
    >>> print(register(pair).said)  # doctest: +SKIP
    registration: after date corrected by a shift of +0.79 columns, +0.34 rows (2.2 m) ...
    """
    check_mode(mode)
    with (
        open_runner(threads=threads) as runner,
        Stages(runner, on_progress) as stages,
        stages.stage("register"),
    ):
        return register_pair(pair, mode, stages)


def register_pair(pair: Pair, mode: str, stages: Stages) -> Registration:
    """Like :func:`register`, with the tasks run as a stage of a job."""
    if mode == "off":
        return UNREGISTERED
    look = Look(_choose_bands(pair), mode, stages)
    found: Evidence | None = None
    matching = ""
    for matching in _order_matchings(pair):
        found = look.search(matching)
        if found.reliable:
            return _settle(look, pair, found, matching)
    turned = match_overviews(look.pair, stages)
    if turned is not None:
        again = look.at(turned, matching, FIRST_A_SIDE, NEAR_MARGIN_PX)
        if again.reliable:
            return _settle(look, pair, again, matching, "features")
    ties = found.ties if found else ()
    return conclude(Registration(mode, ties=ties, matching=matching), pair)


def _settle(look: Look, pair: Pair, found: Evidence, matching: str, said: str = "") -> Registration:
    """Measure more closely where that is needed, check the correction and decide."""
    if look.mode == "local" or found.model.name in ("affine", "field") or said:
        found = look.closer(found, matching)
    registration = Registration(
        mode=look.mode,
        model=found.model.name,
        displacement=found.displacement,
        reliable=True,
        ties=found.ties,
        matching=said or matching,
        residual_before_px=round(found.before_px, 4),
        residual_after_px=round(found.residual_px, 4),
    )
    decided = conclude(registration, pair)
    if not decided.applied:
        return replace(decided, residual_after_px=registration.residual_before_px)
    checked = look.check(found, matching)
    if checked is None:
        reason = "no window shows the same ground once the correction is made"
        return conclude(replace(registration, reliable=False), pair, reason)
    before, after = checked
    if after >= before:
        reason = f"windows lie {before:.2f} px apart and {after:.2f} px with the correction"
        return conclude(replace(registration, reliable=False), pair, reason)
    measured = replace(
        registration, residual_before_px=round(before, 4), residual_after_px=round(after, 4)
    )
    return conclude(measured, pair)


def _order_matchings(pair: Pair) -> tuple[str, ...]:
    alike = len(pair.before.bands) == len(pair.after.bands)
    return MATCHINGS if alike else MATCHINGS[::-1]


def _choose_bands(pair: Pair) -> Pair:
    """Keep the bands that show the ground best, up to three, the same at both dates if they can."""
    if len(pair.before.bands) == len(pair.after.bands):
        first = second = choose_display_bands(pair.before.roles)
    else:
        first, second = (choose_display_bands(date.roles) for date in (pair.before, pair.after))
    return replace(pair, before=pair.before.take(first), after=pair.after.take(second))


@dataclass(frozen=True)
class Look:
    """Measures windows of a pair.

    Attributes
    ----------
    pair : Pair
        With the bands that are matched.
    mode : str
    stages : Stages
    """

    pair: Pair
    mode: str
    stages: Stages

    def search(self, matching: str) -> Evidence:
        """Look near by, then, where windows do not agree, far off."""
        near = self.at(STILL, matching, FIRST_A_SIDE, MARGIN_PX)
        if near.reliable:
            return near
        tiles, factor = plan_search(self.pair.shape)
        margin = search_margin(factor)

        def measure(tile: Tile, before: Date, after: Date) -> Tie:
            return measure_coarsely(tile.core, factor, before, after, matching)

        ties = self._measure(self.pair, tiles, margin, measure)
        shift = agree_on_shift(ties, factor)
        if shift is None or shift.is_still:
            return near
        far = self.at(shift, matching, FIRST_A_SIDE, MARGIN_PX)
        return far if far.reliable else near

    def closer(self, found: Evidence, matching: str) -> Evidence:
        """Measure more windows, through what is known, until that does not change any more.

        A window over which a field varies tells its mean; seen through the field it does not vary.
        """
        nodes = 17
        points = mesh(self.pair.geobox, nodes)
        tiles = plan_windows(self.pair.shape, overlap=True)
        size = tiles[0].core.width
        for _ in range(MOST_LOOKS):
            again = self.weigh(self.measure(found.displacement, tiles, matching, NEAR_MARGIN_PX))
            if not again.reliable:
                return found
            moved = again.displacement.at(points) - found.displacement.at(points)
            found = again
            bend = np.abs(np.diff(moved.reshape(nodes, nodes, 2), 2, axis=1)).max()
            apart = self.pair.shape[1] / (nodes - 1)
            if found.model.name != "field" or bend * (size / apart) ** 2 / 12 < SETTLED_PX:
                return found
        return found

    def at(self, known: Displacement, matching: str, most: int, margin: int) -> Evidence:
        """Measure windows around a displacement and weigh models of the whole of it."""
        tiles = plan_windows(self.pair.shape, most)
        return self.weigh(self.measure(known, tiles, matching, margin))

    def weigh(self, ties: Sequence[Tie]) -> Evidence:
        """Choose the model that the windows give evidence for."""
        shape = self.pair.shape
        sides = [len({getattr(tie, axis) for tie in ties}) for axis in ("y", "x")]
        models = list_models(shape, (sides[0], sides[1]), self.mode)
        return weigh_models(ties, models, earn=self.mode != "local")

    def measure(
        self, known: Displacement, tiles: Sequence[Tile], matching: str, margin: int
    ) -> list[Tie]:
        """Return the displacement of windows, found near one that is known."""
        pair = self.pair
        if not known.is_still:
            pair = replace(pair, after=pair.after.displace(known))

        def measure(tile: Tile, before: Date, after: Date) -> Tie:
            tie = measure_tie(tile.core, margin, before, after, matching)
            there = known.locate(np.array([[tie.x + tie.dx, tie.y + tie.dy]]))[0]
            return replace(tie, dx=float(there[0] - tie.x), dy=float(there[1] - tie.y))

        return self._measure(pair, tiles, margin + HALO_PX, measure)

    def check(self, found: Evidence, matching: str) -> tuple[float, float] | None:
        """Return the root mean square shift of windows before and with a correction, in px.

        None where no window can be measured again.
        """
        used = [tie for tie in found.ties if tie.is_used]
        chosen = used[:: max(1, len(used) // CHECKED)]
        size = plan_windows(self.pair.shape)[0].core.height
        corners = [(round(t.y - size / 2), round(t.x - size / 2)) for t in chosen]
        windows = [Window(row, col, size, size) for row, col in corners]
        tiles = [Tile(i, window, window) for i, window in enumerate(windows)]
        again = self.measure(found.displacement, tiles, matching, NEAR_MARGIN_PX)
        points = np.array([(tie.x, tie.y) for tie in again])
        before = np.hypot([tie.dx for tie in chosen], [tie.dy for tie in chosen])
        moved = np.array([(tie.dx, tie.dy) for tie in again])
        after = np.hypot(*(moved - found.displacement.at(points)).T)
        kept = np.array([tie.is_used for tie in again])
        if not kept.any():
            return None
        return tuple(float(np.sqrt(np.mean(d[kept] ** 2))) for d in (before, after))  # type: ignore[return-value]

    def _measure(
        self,
        pair: Pair,
        tiles: Sequence[Tile],
        pad: int,
        measure: Callable[[Tile, Date, Date], Tie],
    ) -> list[Tie]:
        def task(tile: Tile) -> Tie:
            window = tile.core.pad(pad)
            try:
                before, valid = pair.before.read(window)
                after = pair.after.read(window)
            except InputError:
                middle = tile.core.col + tile.core.width / 2, tile.core.row + tile.core.height / 2
                return Tie(*middle, UNREADABLE)
            if pair.aoi is not None:
                valid = valid & pair.aoi.read(window)
            return measure(tile, (before, valid), after)

        return list(self.stages.run_here(task, tiles, in_flight=2))

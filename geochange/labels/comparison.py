"""Labels of several people for one pair, side by side: how well they agree, tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from geochange.errors import GridError, InputError
from geochange.evaluation.agreement import AgreementCounts, count_pairs
from geochange.evaluation.counts import UNKNOWN
from geochange.labels.content import LOOKED, SILENT, Labels
from geochange.labels.mask import LabelMask
from geochange.tiles import Window

LEAST_IOU = 0.5
VERDICTS = ("change", "no_change", *SILENT)
"""What can be said of a tile; one that was gone through has change or none."""


@dataclass(frozen=True)
class Comparison:
    """Labels of one pair by several people.

    Attributes
    ----------
    people : mapping of str to Labels
        Name to labels, all on one grid and with the same classes; see :func:`compare`.
    """

    people: Mapping[str, Labels]

    @property
    def first(self) -> Labels:
        """Labels of the first of them, whose tiles are those that count."""
        return next(iter(self.people.values()))

    @property
    def geobox(self) -> GeoBox:
        """The grid of all."""
        return self.first.geobox

    @cached_property
    def masks(self) -> list[LabelMask]:
        """What each says of each pixel."""
        return [LabelMask(labels) for labels in self.people.values()]

    @cached_property
    def windows(self) -> dict[int, Window]:
        """Number to place of the tiles."""
        sides = self.first.tiles[["id", "row", "col", "height", "width"]].to_numpy(np.int64)
        return {int(row[0]): Window(*(int(n) for n in row[1:])) for row in sides}

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Read what all say, uint8 (N, H, W); 255 where one says nothing."""
        return np.stack([mask.read(window) for mask in self.masks])

    @cached_property
    def classes(self) -> dict[int, str]:
        """Number to name of what counts: no change, and the classes that are not ignored."""
        kept = {c.id: c.name for c in self.first.schema.classes if not c.ignore}
        return {0: "no change", **kept}

    def count(self) -> tuple[list[int], AgreementCounts]:
        """Count agreement tile by tile; returns the tiles of which two or more people know any.

        Memory holds one tile and what is counted.
        """
        objects, verdicts = self._count_objects(), []
        tiles, confusions, coincidences = [], [], []
        for tile, window in self.windows.items():
            codes = self.read(window)
            confusion, coincidence = count_pairs(codes, tuple(self.classes))
            said = self._judge(tile, window, codes)
            if coincidence.any() or said.any():
                tiles.append(tile)
                confusions.append(confusion)
                coincidences.append(coincidence)
                verdicts.append(said)
        size, pairs = len(self.classes), len(self.people) * (len(self.people) - 1) // 2
        counts = AgreementCounts(
            tuple(self.classes),
            tuple(self.classes.values()),
            np.array(confusions).reshape(-1, pairs, size, size),
            np.array(coincidences).reshape(-1, size, size),
            np.array([objects[tile] for tile in tiles]).reshape(-1, pairs, 4),
            np.array(verdicts).reshape(-1, len(VERDICTS), len(VERDICTS)),
        )
        return tiles, counts

    @cached_property
    def states(self) -> list[dict[Window, str]]:
        """Place to state of the tiles of each."""
        return [_states_of(labels) for labels in self.people.values()]

    def _judge(self, tile: int, window: Window, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return coincidences of what is said of a whole tile."""
        said = []
        for states, own in zip(self.states, codes, strict=True):
            state = states.get(window, "")
            changed = bool(((own > 0) & (own != UNKNOWN)).any())
            seen = "change" if changed else "no_change"
            verdict = seen if state in LOOKED else state
            said.append(VERDICTS.index(verdict) if verdict in VERDICTS else UNKNOWN)
        return count_pairs(np.array(said, np.uint8)[:, None], range(len(VERDICTS)))[1]

    def _count_objects(self) -> dict[int, NDArray[np.float64]]:
        """Match the polygons of each pair of people in tiles that both have gone through."""
        pairs = list(combinations(range(len(self.people)), 2))
        counts = {tile: np.zeros((len(pairs), 4)) for tile in self.windows}
        drawn = [self._place(labels) for labels in self.people.values()]
        for position, (one, other) in enumerate(pairs):
            seen = {
                tile
                for tile, window in self.windows.items()
                if all(self.states[n].get(window) in LOOKED for n in (one, other))
            }
            ours, theirs = drawn[one], drawn[other]
            partner = match_polygons(ours["shape"].to_numpy(), theirs["shape"].to_numpy())
            matched = partner >= 0
            alone = np.ones(len(theirs), bool)
            alone[partner[matched]] = False
            same = np.zeros(len(ours), bool)
            theirs_class = theirs["class"].to_numpy()[partner[matched]]
            same[matched] = ours["class"].to_numpy()[matched] == theirs_class
            listed = ours["tile"][matched], ours["tile"][~matched], theirs["tile"][alone]
            for column, tiles in enumerate((*listed, ours["tile"][same])):
                for tile in tiles[tiles.isin(seen)]:
                    counts[tile][position, column] += 1
        return counts

    def _place(self, labels: Labels) -> pandas.DataFrame:
        """Return shape, class and tile of the polygons that a person stands by."""
        counted = labels.polygons["class_id"].isin(list(self.classes))
        chosen = ((labels.polygons["verdict"] == "accepted") & counted).to_numpy()
        shapes = labels.pixels[chosen]
        tiles = list(self.windows)
        boxes = np.array(
            [shapely.box(w.col, w.row, w.stop_col, w.stop_row) for w in self.windows.values()]
        )
        tree = shapely.STRtree(boxes)
        points = shapely.point_on_surface(shapes)
        polygon, box = tree.query(points, predicate="intersects")
        inside = np.full(len(shapes), -1)
        inside[polygon[::-1]] = np.array(tiles)[box[::-1]]
        classes = labels.polygons["class_id"].to_numpy()[chosen]
        return pandas.DataFrame({"shape": shapes, "class": classes, "tile": inside})


def _states_of(labels: Labels) -> dict[Window, str]:
    rows = labels.tiles[["row", "col", "height", "width", "state"]].itertuples(index=False)
    return {Window(*(int(n) for n in row[:4])): str(row[4]) for row in rows}


def match_polygons(
    ours: NDArray[Any], theirs: NDArray[Any], least_iou: float = LEAST_IOU
) -> NDArray[np.int64]:
    """Match as many polygons as possible one to one where their IoU is at least so much.

    Returns
    -------
    int64 (N,)
        Position of each partner among ``theirs``, -1 where there is none.

    Examples
    --------
    >>> ours = np.array([shapely.box(0, 0, 4, 4), shapely.box(9, 9, 10, 10)])
    >>> theirs = np.array([shapely.box(20, 0, 21, 1), shapely.box(0, 0, 4, 3)])
    >>> match_polygons(ours, theirs).tolist()
    [1, -1]
    """
    if not len(ours) or not len(theirs):
        return np.full(len(ours), -1, np.int64)
    one, other = shapely.STRtree(theirs).query(ours, predicate="intersects")
    both = shapely.area(shapely.intersection(ours[one], theirs[other]))
    union = shapely.area(ours[one]) + shapely.area(theirs[other]) - both
    near = both >= least_iou * union
    shape = len(ours), len(theirs)
    graph = coo_array((np.ones(near.sum(), bool), (one[near], other[near])), shape).tocsr()
    return np.asarray(maximum_bipartite_matching(graph, perm_type="column"), np.int64)


def compare(people: Mapping[str, Labels]) -> Comparison:
    """Put labels of several people side by side.

    Parameters
    ----------
    people : mapping of str to Labels
        Two or more.

    Raises
    ------
    GridError
        They are of different images.
    InputError
        Fewer than two, or other classes.

    Examples
    --------
    >>> compare({"ann": first, "bob": second}).count()  # doctest: +SKIP
    """
    if len(people) < 2:
        msg = f"agreement needs labels of two people or more, got {len(people)}"
        raise InputError(msg)
    names = list(people)
    first = people[names[0]]
    for name in names[1:]:
        _require_alike(names[0], first, name, people[name])
    return Comparison(dict(people))


def _require_alike(name: str, first: Labels, other_name: str, other: Labels) -> None:
    same = first.shape == other.shape and first.geobox.crs == other.geobox.crs
    if not same or not first.geobox.affine.almost_equals(other.geobox.affine, 1e-9):
        msg = (
            f"{name} and {other_name} are labels of different images; let everybody label a copy "
            "of one project (geochange annotate --copy-of)"
        )
        raise GridError(msg)
    classes = [{(c.id, c.name, c.ignore) for c in one.schema.classes} for one in (first, other)]
    if classes[0] != classes[1]:
        odd = min(classes[0] ^ classes[1])
        msg = f"{name} and {other_name} have other classes: {odd[1]} ({odd[0]}) is in one of them"
        raise InputError(msg)

"""Which polygons of two people are the same object."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

LEAST_IOU = 0.5


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

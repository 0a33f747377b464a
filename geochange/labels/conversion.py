"""Labels in the format that a file's suffix names, or as a folder of chips."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from geochange.errors import UsageError, suggest
from geochange.io.files.atomic import check_target
from geochange.labels.chips import write_chips
from geochange.labels.coco import write_coco
from geochange.labels.content import Labels
from geochange.labels.mask import write_mask
from geochange.labels.vectors import write_labels_geojson, write_labels_gpkg

VECTORS = {".gpkg": write_labels_gpkg, ".geojson": write_labels_geojson}
MASKS = (".tif", ".tiff")
SUFFIXES = (*VECTORS, *MASKS, ".json")
VERDICTS = ("accepted", "pending", "rejected")


def export(
    labels: Labels,
    output: str | os.PathLike[str],
    *,
    verdicts: Iterable[str] = ("accepted",),
    binary: bool = False,
    overwrite: bool = False,
    chips: dict[str, object] | None = None,
) -> Path:
    """Write labels in the format of ``output``'s suffix.

    Parameters
    ----------
    labels : Labels
    output : path
        ``.gpkg``: layers ``labels`` and ``tiles``, styled. ``.geojson``: RFC 7946 in longitude and
        latitude (pixels without a CRS). ``.tif``: mask on the grid of the pair, see
        :class:`~geochange.labels.mask.LabelMask`. ``.json``: COCO, an image for each tile that was
        gone through. No suffix: a folder of chips, see :func:`~geochange.labels.chips.write_chips`.
    verdicts : iterable of {'accepted', 'pending', 'rejected'}
        Which polygons ``.gpkg`` and ``.geojson`` hold; the others always hold what a person stands
        by.
    binary : bool
        For ``.tif`` and chips: 1 for every class.
    overwrite : bool
    chips : mapping, optional
        Further arguments of :func:`~geochange.labels.chips.write_chips`.

    Raises
    ------
    UsageError
        Another suffix or verdict; chips of labels without a pair.
    OutputExistsError, OutputError, ResourceError

    Examples
    --------
    >>> export(labels, "labels.gpkg")  # doctest: +SKIP
    """
    target, wanted = Path(output), tuple(verdicts)
    for verdict in wanted:
        if verdict not in VERDICTS:
            msg = f"unknown verdict '{verdict}'{suggest(verdict, VERDICTS)}"
            raise UsageError(msg)
    suffix = target.suffix.lower()
    if not suffix:
        settings = {"binary": binary, "overwrite": overwrite} | (chips or {})
        return write_chips(labels, target, **settings)  # type: ignore[arg-type]
    if chips:
        msg = f"{min(chips)} is for chips; give the name of a folder, not {target.name}"
        raise UsageError(msg)
    if suffix in MASKS:
        return write_mask(labels, target, binary=binary, overwrite=overwrite)
    if suffix not in SUFFIXES:
        msg = f"cannot export labels to '{target.name}'{suggest(suffix, SUFFIXES)}"
        raise UsageError(msg)
    check_target(target, overwrite=overwrite)
    if suffix == ".json":
        write_coco(labels, target)
    else:
        chosen = labels.polygons[labels.polygons["verdict"].isin(wanted)]
        VECTORS[suffix](labels, chosen, target)
    return target

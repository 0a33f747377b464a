"""Labels as chips to learn from: A, B and label in the layout of LEVIR-CD, split by place."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from geochange.alignment.pair import Pair
from geochange.errors import InputError, UsageError
from geochange.evaluation.counts import UNKNOWN
from geochange.io.files.outputs import new_folder, write_json
from geochange.labels.augmented import MaskReference, make_augmenter
from geochange.labels.chipfiles import FOLDERS, ChipWriter, check_format
from geochange.labels.content import Labels
from geochange.labels.crops import Crop, list_crops
from geochange.labels.mask import LabelMask
from geochange.labels.provenance import describe_labels
from geochange.labels.split import PARTS, parse_shares, split_crops
from geochange.tiles import Window
from geochange.training.scenes.scene import Sample, TrainingScene
from geochange.training.settings.chips import AugmentConfig
from geochange.training.settings.presets import find_preset

COLUMNS = (
    "id", "before", "after", "label", "split", "tile", "verdict", "annotator", "row", "col",
    "height", "width", "changed_px", "known_px", "copy",
)  # fmt: skip
"""Columns of ``manifest.csv``, which is one of training's layouts."""
SPLIT = "70/15/15"
MAX_COPIES = 100


def write_chips(
    labels: Labels,
    folder: str | os.PathLike[str],
    *,
    size: int = 0,
    suffix: str = "tif",
    split: str = SPLIT,
    gap_m: float = 0.0,
    binary: bool = False,
    augment: str = "none",
    copies: int = 1,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Write both dates and the label of everything that was looked at.

    The folder holds ``A``, ``B`` and ``label`` with a file of one name each, ``list/train.txt``,
    ``val.txt`` and ``test.txt``, ``manifest.csv`` (a chip a line) and ``manifest.json`` (classes,
    grid, images). Labels are as in :class:`~geochange.labels.mask.LabelMask`, and 255 where either
    date holds no data. Tiles without change are chips too.

    Parameters
    ----------
    labels : Labels
        With its pair.
    folder : path
        To create; appears complete or not at all.
    size : int
        Edge of the chips in pixels; 0: one chip a tile. Beyond the border nothing is known.
    suffix : {'tif', 'png'}
        GeoTIFF keeps all bands, their type and the place; PNG is for 8 bit, and shows three bands.
    split : str
        Shares of training, validation and test in percent; divided by place.
    gap_m : float
        Chips nearer than this, in metres, stay in one part.
    binary : bool
        1 for every class.
    augment : {'none', 'flips', 'light', 'strong'}
        What is done to further copies of the chips to train on, as training does it; see
        :data:`geochange.training.settings.presets.PRESETS`. Copies have no place on the map.
    copies : int
        How many of each chip.
    seed : int
        Of what is drawn for them.
    overwrite : bool

    Returns
    -------
    Path
        ``folder``.

    Raises
    ------
    UsageError
        Labels without a pair, or what the format cannot hold.
    InputError
        Nobody has looked anywhere; fewer places than parts.
    OutputExistsError, OutputError, ResourceError

    Examples
    --------
    >>> write_chips(labels, "chips", size=256)  # doctest: +SKIP
    """
    pair = labels.pair
    if pair is None:
        msg = "chips need the images; gather the labels with the pair, not with its grid"
        raise UsageError(msg)
    if size and not 16 <= size <= 8192:
        msg = f"size of chips must be 16 to 8192 px, or 0 for tiles, got {size}"
        raise UsageError(msg)
    check_format(pair, suffix)
    preset = find_preset(augment)
    if not 0 <= copies <= MAX_COPIES:
        msg = f"copies of each chip must be 0 to {MAX_COPIES}, got {copies}"
        raise UsageError(msg)
    shares = parse_shares(split)
    target = Path(folder)
    with new_folder(target, overwrite=overwrite, inputs=pair.paths) as partial:
        crops = list_crops(labels, size)
        if not crops:
            msg = "there is nothing to learn from: no tile was gone through and nothing is drawn"
            raise InputError(msg)
        parts = split_crops(labels, pair, crops, shares, gap_m)
        for part in FOLDERS:
            (partial / part).mkdir(exist_ok=True)
        writer = ChipWriter(partial, pair, suffix)
        mask = LabelMask(labels, binary)
        rows = []
        for crop, part in zip(crops, parts, strict=True):
            sample = read_sample(pair, mask, crop.window)
            rows.append(_describe(crop, writer.write(crop.name, sample, crop.window), part, sample))
        if augment != "none":
            chosen = [crop for crop, part in zip(crops, parts, strict=True) if part == PARTS[0]]
            rows += _write_copies(writer, mask, chosen, preset, copies, seed)
        _list(partial, rows)
        facts = {"size": size, "split": split, "gap_m": gap_m, "binary": binary}
        facts |= {"augment": augment, "copies": copies, "seed": seed}
        write_json(partial / "manifest.json", _summarise(labels, rows, facts))
    return target


def _write_copies(
    writer: ChipWriter, mask: LabelMask, crops: Sequence[Crop], preset: AugmentConfig,
    copies: int, seed: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Write copies of chips; each reads no pixel outside its chip, so nothing leaks."""
    grid = Window(0, 0, *writer.pair.shape)
    reference = MaskReference(mask)
    scenes = [
        TrainingScene(c.name, writer.pair, reference, c.window.intersect(grid) or c.window)
        for c in crops
    ]
    augmenter, rows = make_augmenter(preset, scenes, seed), []
    for index, (crop, scene) in enumerate(zip(crops, scenes, strict=True)):
        for number, sample in enumerate(augmenter.copies(scene, index, copies), 1):
            files = writer.write(f"{crop.name}_copy{number}", sample, None)
            rows.append(_describe(crop, files, PARTS[0], sample) | {"copy": number})
    return rows


def read_sample(pair: Pair, mask: LabelMask, window: Window) -> Sample:
    """Read both dates and the label of a window; unknown wherever a date holds no data."""
    block = pair.read_window(window)
    label = mask.read(window)
    label[~block.valid] = UNKNOWN
    return Sample(block.before, block.after, label, block.valid)


def _describe(crop: Crop, files: Sequence[str], part: str, sample: Sample) -> dict[str, Any]:
    known = sample.label != UNKNOWN
    height, width = sample.label.shape
    before, after, label = files
    return {
        "id": Path(before).stem, "before": before, "after": after, "label": label, "split": part,
        "tile": crop.tile, "verdict": crop.verdict, "annotator": crop.annotator,
        "row": crop.window.row, "col": crop.window.col, "height": height, "width": width,
        "changed_px": int(np.count_nonzero(known & (sample.label > 0))),
        "known_px": int(np.count_nonzero(known)), "copy": 0,
    }  # fmt: skip


def _list(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write ``manifest.csv`` and the names of each part."""
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    (folder / "list").mkdir(exist_ok=True)
    for part in PARTS:
        names = [Path(row["before"]).name for row in rows if row["split"] == part]
        text = "".join(f"{name}\n" for name in names)
        (folder / "list" / f"{part}.txt").write_text(text, encoding="utf-8")


def _summarise(
    labels: Labels, rows: Sequence[dict[str, Any]], facts: dict[str, Any]
) -> dict[str, Any]:
    parts = Counter(row["split"] for row in rows)
    return {
        "kind": "chips",
        **describe_labels(labels),
        **facts,
        "chips": dict(parts),
        "changed_px": {p: sum(r["changed_px"] for r in rows if r["split"] == p) for p in parts},
    }

"""``gc.predict_image``: images in, changed or unchanged out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geochange.alignment.pair import Pair, open_pair
from geochange.blocks import PairBlock
from geochange.detectors.imagenetwork import ImageNetwork, find_threshold
from geochange.engine.runner import open_runner
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.errors import UsageError
from geochange.io.files.atomic import check_target
from geochange.judging.listing import Item, list_items
from geochange.judging.result import (
    CHANGED,
    NO_DATA,
    UNCHANGED,
    Judgement,
    Verdict,
    check_suffix,
)
from geochange.nn.normalization import FixedNormalization
from geochange.tiles import Tile, TilePlan, Window

BLOCK_PX, MOST_TILE_PX = 1024, 4096
"""About how much is read at a time, and the largest tile that is judged."""
FIT_PX = 4_000_000
ONE_CHIP = 1.5
"""An image up to this much larger than those of the training is seen at once."""
Rated = tuple[Window, float, int]
"""A chip, its probability, its valid pixels."""


def predict_image(
    before: str | os.PathLike[str],
    after: str | os.PathLike[str] | None = None,
    *,
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    tiles: int | None = None,
    threshold: float | None = None,
    recall: float | None = None,
    bands: Sequence[str | int] | None = None,
    device: str = "auto",
    threads: int = 0,
    overwrite: bool = False,
    on_progress: Progress = report_nothing,
) -> Judgement:
    """Say of whole images, or of the tiles of large ones, whether they changed.

    Parameters
    ----------
    before, after : path
        Two images, two folders with images of equal names; without ``after`` one image (for
        networks of one date), a folder of scenes or images, or a CSV table.
    model : str or path
        A network trained with ``task = "image"``.
    output : path, optional
        ``.csv``, ``.json`` or, with outlines of the tiles, ``.gpkg``.
    tiles : int, optional
        Judge squares of so many pixels. Default: each image as a whole.
    threshold : float, optional
        Probability from which an image counts as changed. Default: that of the network's card.
    recall : float, optional
        Instead of a threshold: share of the changed pixels to keep, by the network's card.
    bands : sequence, optional
        Bands to use, see :func:`geochange.open_pair`.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    threads : int
        Default: one per processor.
    overwrite : bool
        Replace ``output``.
    on_progress : callable
        Called with stage, images done and images in all.

    Returns
    -------
    Judgement
        One verdict an image or tile, in the order of names, then rows and columns. What is larger
        than the images of the training is looked at in squares of their size, and the highest
        probability counts.

    Raises
    ------
    InputError, UsageError, OutputExistsError, OutputError, ResourceError
        One line: what came, what was expected, what to do.

    Examples
    --------
    >>> found = predict_image("2018.tif", "2021.tif", model="own.safetensors")  # doctest: +SKIP
    >>> found.verdicts[0].decision  # doctest: +SKIP
    'changed'
    """
    _check_options(output, tiles, threshold, recall, overwrite=overwrite)
    network = ImageNetwork(checkpoint=os.fspath(model), device=device)
    card = network.card
    limit = card.threshold if threshold is None else threshold
    limit = limit if recall is None else find_threshold(card, recall)
    items = list_items(before, after, dates=network.dates)
    verdicts: list[Verdict] = []
    judge = Judge(os.fspath(model), device, tiles, limit)
    with open_runner(threads=threads) as runner, Stages(runner) as stages:
        for done, item in enumerate(items):
            on_progress("images", done, len(items))
            pair = open_pair(item.before, item.after, bands=bands)
            verdicts += judge(item, pair, stages)
        on_progress("images", len(items), len(items))
    found = Judgement(verdicts, limit, network.provenance)
    if output is not None:
        found.write(Path(output))
    return found


def _check_options(
    output: str | os.PathLike[str] | None,
    tiles: int | None,
    threshold: float | None,
    recall: float | None,
    *,
    overwrite: bool,
) -> None:
    if output is not None:
        check_suffix(Path(output))
        check_target(Path(output), overwrite=overwrite)
    if tiles is not None and not 8 <= tiles <= MOST_TILE_PX:
        msg = f"tiles have an edge of 8 to {MOST_TILE_PX} px, got {tiles}"
        raise UsageError(msg)
    if threshold is not None and recall is not None:
        msg = "a threshold and a recall exclude each other; leave one out"
        raise UsageError(msg)
    if threshold is not None and not 0 <= threshold <= 1:
        msg = f"a threshold is a probability of 0 to 1, got {threshold:g}"
        raise UsageError(msg)


class Judge:
    """Judges pairs one after the other; a network is loaded once for those of one kind.

    Parameters
    ----------
    model : str
    device : str
    tiles : int or None
    threshold : float
    """

    def __init__(self, model: str, device: str, tiles: int | None, threshold: float) -> None:
        self.model = model
        self.device = device
        self.tiles = tiles
        self.threshold = threshold
        self._known: dict[Any, ImageNetwork] = {}

    def __call__(self, item: Item, pair: Pair, stages: Stages) -> Iterator[Verdict]:
        """Yield the verdicts of a pair."""
        network = self._settle(pair)
        chip = network.card.image_px
        whole = max(pair.shape)
        tile = self.tiles or whole
        if tile <= ONE_CHIP * chip:
            chip = tile
        block = chip if tile < chip else tile * max(1, BLOCK_PX // tile)
        block = block if tile <= MOST_TILE_PX else chip * max(1, BLOCK_PX // chip)

        def rate(part: Tile) -> list[Rated]:
            return rate_block(network, pair.read(part), chip, min(tile, block))

        results = stages.run_here(rate, TilePlan(pair.shape, block), in_flight=2)
        rated = [one for several in results for one in several]
        yield from self._sum_up(item, pair, rated, tile)

    def _settle(self, pair: Pair) -> ImageNetwork:
        """Return the network, fitted to a pair."""
        traits = pair.traits
        key = traits.roles, traits.gsd_m, traits.dtype, traits.bands_before, traits.bands_after
        if key not in self._known:
            self._known[key] = ImageNetwork(
                checkpoint=self.model,
                roles=traits.roles,
                gsd_m=traits.gsd_m,
                dtype=traits.dtype,
                device=self.device,
            )
        network = self._known[key]
        if not hasattr(network, "scalings_") or not isinstance(
            network.card.normalization, FixedNormalization
        ):
            plan = TilePlan(pair.shape, min(256, max(pair.shape)))
            network.fit(pair.blocks(plan.sample(FIT_PX)))
        return network

    def _sum_up(
        self, item: Item, pair: Pair, rated: Sequence[Rated], tile: int
    ) -> Iterator[Verdict]:
        """Yield one verdict a tile: the highest probability of its chips."""
        best: dict[tuple[int, int], float] = {}
        valid: dict[tuple[int, int], int] = {}
        for window, probability, count in rated:
            key = window.row // tile, window.col // tile
            best[key] = np.fmax(best.get(key, np.nan), probability)
            valid[key] = valid.get(key, 0) + count
        for place in TilePlan(pair.shape, tile):
            core = place.core
            key = core.row // tile, core.col // tile
            probability = float(best[key])
            decision = CHANGED if probability >= self.threshold else UNCHANGED
            yield Verdict(
                item.name,
                core,
                probability,
                NO_DATA if np.isnan(probability) else decision,
                valid[key] / core.size,
                pair.geobox,
            )


def rate_block(network: ImageNetwork, block: PairBlock, chip: int, tile: int) -> list[Rated]:
    """Rate the chips of a block; chips begin anew at every tile.

    Parameters
    ----------
    network : ImageNetwork
    block : PairBlock
        Without a margin; its tiles begin at its corner.
    chip, tile : int
        Edges in pixels.
    """
    windows = [
        Window(row, col, chip, chip)
        for row in _starts(block.valid.shape[0], chip, tile)
        for col in _starts(block.valid.shape[1], chip, tile)
    ]
    first, second = (_cut(date, windows, tile) for date in (block.before, block.after))
    valid = _cut(block.valid[None], windows, tile)[:, 0]
    probability = network.rate(first, second, valid)
    core = block.tile.core
    return [
        (Window(w.row + core.row, w.col + core.col, chip, chip), float(p), int(v.sum()))
        for w, p, v in zip(windows, probability, valid, strict=True)
        if w.row < core.height and w.col < core.width
    ]


def _starts(length: int, chip: int, tile: int) -> list[int]:
    return [
        start for first in range(0, length, tile) for start in range(first, first + tile, chip)
        if start < length
    ]  # fmt: skip


def _cut(image: NDArray[Any], windows: Sequence[Window], tile: int) -> NDArray[Any]:
    """Return chips of (C, H, W), 0 beyond the image and beyond their tile, (N, C, h, w)."""
    edge = windows[0].height
    chips = np.zeros((len(windows), len(image), edge, edge), image.dtype)
    for chip, w in zip(chips, windows, strict=True):
        stop_row = min(w.stop_row, (w.row // tile + 1) * tile)
        stop_col = min(w.stop_col, (w.col // tile + 1) * tile)
        part = image[:, w.row : stop_row, w.col : stop_col]
        chip[:, : part.shape[1], : part.shape[2]] = part
    return chips

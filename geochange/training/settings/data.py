"""Settings of the data: where scenes come from, how they are split and normalised."""

from __future__ import annotations

from dataclasses import dataclass

from geochange.training.settings.checks import require, require_one

LAYOUTS = ("auto", "pair", "scenes", "folders", "manifest")
NORMALIZATIONS = ("set", "date", "percentiles", "scene")


@dataclass(frozen=True)
class SourceConfig:
    """Where scenes come from: one pair, a folder in one of two layouts, or a CSV manifest.

    Attributes
    ----------
    path : str
        Folder of scenes, folder with ``A``, ``B`` and ``label`` below it, or a CSV file.
    layout : str
        ``pair``, ``scenes``, ``folders``, ``manifest``, or ``auto`` to tell from what is there.
    before, after, label : str
        Files of one pair; in a folder layout the names of its parts where they are unusual.
        Without a label the pair trains by synthetic change only.
    scenes, exclude : tuple of str
        Names or patterns (``tiszadob*``) of the scenes to take and to leave out; default all.
    names_file : str
        Text file with one name a line, such as LEVIR's ``list/train.txt``.
    changed, ignore : tuple of int
        Label values that mean change, and that say nothing; see :func:`geochange.evaluate`.
    mask_before, mask_after : str
        Rasters of codes or polygons to leave out, for one pair.
    rows, cols : tuple of float
        Part of each scene's grid to take, from and to, as shares of its height and width.
    weight : float
        How often its pixels are drawn, relative to those of other sources.
    """

    path: str = ""
    layout: str = "auto"
    before: str = ""
    after: str = ""
    label: str = ""
    scenes: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    names_file: str = ""
    changed: tuple[int, ...] = ()
    ignore: tuple[int, ...] = ()
    mask_before: str = ""
    mask_after: str = ""
    rows: tuple[float, ...] = (0.0, 1.0)
    cols: tuple[float, ...] = (0.0, 1.0)
    weight: float = 1.0

    def __post_init__(self) -> None:
        require_one("layout", self.layout, LAYOUTS)
        require(self.weight > 0, "weight", self.weight, "above 0")
        for name, part in (("rows", self.rows), ("cols", self.cols)):
            increasing = len(part) == 2 and 0 <= part[0] < part[1] <= 1
            require(increasing, name, list(part), "two increasing shares in [0, 1]")


@dataclass(frozen=True)
class DataConfig:
    """Scenes and what is done to them before a network sees them.

    Attributes
    ----------
    root : str
        Folder that paths of sources start from; relative to the config file.
    train, validation : tuple of SourceConfig
        Without ``validation`` the training scenes are split by place into ``folds``.
    folds, fold : int
        How many folds, and which one validates (counted from 0); -1: none, every scene trains and
        the same scenes are counted on.
    groups : tuple of str
        Scenes to keep in one fold, as ``"paris bercy"``; neighbours are found by themselves.
    gap_m : float
        Scenes nearer to each other than this, in metres, are neighbours.
    bands : tuple of str
        Bands to use, by name, role or number; default all that match.
    resampling : str
        Kernel where the grids of the dates differ.
    normalization : str
        ``set``: mean and deviation per band of the training set, one for both dates; ``date``:
        one for each date; ``percentiles``: percentiles of each date over all scenes, in the place
        of mean and deviation; ``scene``: percentiles of each scene and date.
    cache_mb : int
        Memory for decoded scenes, in MiB per process.
    """

    root: str = "."
    train: tuple[SourceConfig, ...] = ()
    validation: tuple[SourceConfig, ...] = ()
    folds: int = 5
    fold: int = 0
    groups: tuple[str, ...] = ()
    gap_m: float = 0.0
    bands: tuple[str, ...] = ()
    resampling: str = "cubic"
    normalization: str = "set"
    cache_mb: int = 1024

    def __post_init__(self) -> None:
        require_one("data.normalization", self.normalization, NORMALIZATIONS)
        require(self.folds >= 2, "data.folds", self.folds, "2 or more")
        inside = -1 <= self.fold < self.folds
        require(inside, "data.fold", self.fold, f"0 to {self.folds - 1}, or -1 for none")
        require(self.cache_mb >= 0, "data.cache_mb", self.cache_mb, "0 or more MiB")

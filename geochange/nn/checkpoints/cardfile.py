"""Cards as JSON in the header of a safetensors file: read and checked without torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from geochange.errors import InputError, InputNotFoundError, UsageError
from geochange.nn.checkpoints.card import Band, Card, Metric, Recall, TrainingData
from geochange.nn.checkpoints.fields import Fields
from geochange.nn.normalization import (
    FixedNormalization,
    Normalization,
    Scaling,
    SceneNormalization,
)

KEY = "geochange.card"
"""Name of the card among the metadata of the file."""
FORMAT = 1
"""Version of the card; other ones are refused."""
MOST_HALO_PX = 1024
MOST_IMAGE_PX = 4096
MOST_HEADER_BYTES = 4_000_000


def write_json(card: Card) -> str:
    """Return a card as JSON, keys in a fixed order.

    Examples
    --------
    >>> pan = (Band("pan"),)
    >>> card = Card("demo", pan, pan, SceneNormalization())
    >>> read_json(write_json(card), "demo") == card
    True
    """
    kind = "scene" if isinstance(card.normalization, SceneNormalization) else "fixed"
    values = {"format": FORMAT, **asdict(card)}
    values["normalization"] = {"kind": kind, **asdict(card.normalization)}
    return json.dumps(values, allow_nan=False)


def read_json(text: str, source: str) -> Card:
    """Read a card; ``source`` names it in errors.

    Raises
    ------
    InputError
        Not a card, of another version, or a field of the wrong kind.
    """
    fields = Fields(_parse(text, source), source)
    if fields.whole("format", 0, 1_000_000) != FORMAT:
        msg = (
            f"{source} is of version {fields.values['format']}, version {FORMAT} is read; "
            "install the geochange that wrote it, or train again"
        )
        raise InputError(msg)
    try:
        return _read_card(fields)
    except UsageError as error:
        msg = f"{source}: {error}"
        raise InputError(msg) from error


def read_card(path: str | Path) -> Card:
    """Read the card of a checkpoint; the weights are not touched.

    Raises
    ------
    InputNotFoundError, InputError
        No such file, or not a checkpoint of geochange.
    """
    path = Path(path)
    metadata = read_header(path).get("__metadata__")
    text = metadata.get(KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        msg = (
            f"{path} holds weights but no card of geochange; only checkpoints that geochange wrote "
            "can be used, since bands and normalisation are unknown"
        )
        raise InputError(msg)
    return read_json(text, f"the card of {path}")


def read_header(path: Path) -> dict[str, Any]:
    """Read what a safetensors file says of its tensors and of itself.

    Raises
    ------
    InputNotFoundError, InputError
        No such file, or not a safetensors file.
    """
    if not path.is_file():
        inside = " in it" if path.is_dir() else ""
        msg = f"there is no checkpoint {path}; give the path of a .safetensors file{inside}"
        raise InputNotFoundError(msg)
    try:
        with path.open("rb") as file:
            return _read_header(file, path)
    except OSError as error:
        msg = f"cannot read {path} ({error.strerror}); check its permissions"
        raise InputError(msg) from error


def _read_header(file: BinaryIO, path: Path) -> dict[str, Any]:
    """Parse the JSON header: 8 bytes with its length, then the text."""
    size = int.from_bytes(file.read(8), "little")
    text = file.read(size) if 2 <= size <= MOST_HEADER_BYTES else b""
    if not text.startswith(b"{") or len(text) != size:
        msg = (
            f"{path} is not a safetensors file, or is cut off; other formats (.pt, .pth, .ckpt) "
            "can run code and are never read"
        )
        raise InputError(msg)
    return _parse(text.decode("utf-8", "replace"), f"the header of {path}")


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{source} is not JSON ({str(error)[:80]}); get the file again"
        raise InputError(msg) from error
    if not isinstance(values, dict):
        msg = f"{source} is not a JSON object; get the file again"
        raise InputError(msg)
    return values


def _read_card(f: Fields) -> Card:
    gsd_m = f.optional("gsd_m", f.numbers)
    if gsd_m is not None and not (len(gsd_m) == 2 and 0 < gsd_m[0] <= gsd_m[1]):
        msg = f"{f.source}: 'gsd_m' must be two rising sizes in metres, got {gsd_m}"
        raise InputError(msg)
    return Card(
        title=f.text("title"),
        bands_before=_read_bands(f.parts("bands_before")),
        bands_after=_read_bands(f.parts("bands_after")),
        normalization=_read_normalization(f.part("normalization")),
        gsd_m=None if gsd_m is None else (gsd_m[0], gsd_m[1]),
        threshold=f.number("threshold", 0, 1),
        temperature=f.number("temperature", 1e-3, 1e3),
        classes=f.texts("classes"),
        training=tuple(TrainingData(p.text("name"), p.text("terms")) for p in f.parts("training")),
        metrics=tuple(_read_metric(p) for p in f.parts("metrics")),
        created=f.text("created", 40),
        automatic=f.flag("automatic") if "automatic" in f.values else True,
        task=f.text("task", 20) if "task" in f.values else "pixels",
        image_px=f.whole("image_px", 0, MOST_IMAGE_PX) if "image_px" in f.values else 0,
        recalls=_read_recalls(f.parts("recalls") if "recalls" in f.values else []),
        architecture=f.text("architecture", 80),
        options=dict(f.part("options").values),
        stride=f.whole("stride", 1, 256),
        halo=f.whole("halo", 0, MOST_HALO_PX),
        windowed=f.flag("windowed") if "windowed" in f.values else False,
        halo_per_date=f.whole("halo_per_date", 0, 64) if "halo_per_date" in f.values else 0,
        sha256=f.text("sha256", 64),
    )


def _read_bands(parts: list[Fields]) -> tuple[Band, ...]:
    return tuple(Band(p.text("name", 80), p.optional("wavelength_nm", p.positive)) for p in parts)


def _read_recalls(parts: list[Fields]) -> tuple[Recall, ...]:
    names = "recall", "threshold", "false_alarms"
    return tuple(Recall(*(p.number(name, 0, 1) for name in names)) for p in parts)


def _read_metric(f: Fields) -> Metric:
    return Metric(f.text("name"), f.number("value", -1e12, 1e12), f.text("split"))


def _read_normalization(f: Fields) -> Normalization:
    kind = f.text("kind", 20)
    if kind == "scene":
        return SceneNormalization(f.number("low", 0, 100), f.number("high", 0, 100))
    if kind == "fixed":
        before, after = (
            Scaling(d.numbers("centre"), d.numbers("spread"))
            for d in (f.part("before"), f.part("after"))
        )
        return FixedNormalization(before, after)
    msg = f"{f.source}: 'kind' must be scene or fixed, got '{kind}'; write the file again"
    raise InputError(msg)

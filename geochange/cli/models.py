"""``geochange models``."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from geochange.cli.options import json_option, verbose_option

if TYPE_CHECKING:
    from geochange.nn.checkpoints.card import Band, Card, Metric
    from geochange.nn.checkpoints.shipped import Model

SCORES = {"f1": "F1", "average_precision": "AP"}
"""Figures that the list shows, and what they are called there."""
FIGURES = SCORES | {
    "iou": "IoU",
    "precision": "precision",
    "recall": "recall",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "calibrated_error": "with temperature",
}
"""What figures of a card are called; others have the names that the card gives."""
INDENT = 16
WIDTH = 100


@click.command("models")
@click.argument("name", required=False)
@json_option
@verbose_option
def command(name: str | None, as_json: bool, verbose: int) -> None:
    """List the networks that come with geochange, or show the card of one.

    NAME is one of the list, or a .safetensors file of `geochange train`.

    \b
    geochange models
    geochange models building
    geochange detect 2018.tif 2021.tif -o out --model building
    """
    from geochange.nn.checkpoints.shipped import list_models, open_model

    models = [open_model(name)] if name else list_models()
    if as_json:
        click.echo(json.dumps([_describe(model) for model in models], indent=2))
    elif name:
        _print_card(models[0])
    else:
        for model in models:
            _print_entry(model)
        if not models:
            click.echo("no network is shipped; train one with `geochange train`")


def _describe(model: Model) -> dict[str, object]:
    sizes = {"parameters": model.parameters, "size_bytes": model.size_bytes}
    return {"name": model.name, **sizes, **asdict(model.card)}


def _print_entry(model: Model) -> None:
    card = model.card
    auto = "method auto takes it where it fits" if card.automatic else "for --model only"
    if card.task == "image":
        auto = f"for predict-image and --screen, squares of {card.image_px} px"
    lines = [
        card.title,
        f"{_list_bands(card)}; pixels of {_size(card)}; {auto}",
        *_list_scores(card.metrics, SCORES),
        f"{_weight(model)}; training data: {_list_terms(card)}",
    ]
    blank = " " * INDENT
    for number, line in enumerate(lines):
        first = blank if number else f"{model.name:<{INDENT - 1}} "
        shown = textwrap.wrap(line, WIDTH, initial_indent=first, subsequent_indent=blank + "  ")
        click.echo("\n".join(shown))


def _print_card(model: Model) -> None:
    card = model.card
    all_figures = {metric.name: metric.name for metric in card.metrics} | FIGURES
    facts = [
        ("model", model.name),
        ("for", card.title),
        ("bands", _list_bands(card, waves=True)),
        ("pixels", _size(card)),
        ("classes", ", ".join(card.classes)),
        ("threshold", f"{card.threshold:g}, scores divided by temperature {card.temperature:g}"),
        ("task", _say_task(card)),
        ("auto", _say_auto(model)),
        *(("screen", line) for line in _list_recalls(card)),
        *(("figures", line) for line in _list_scores(card.metrics, all_figures)),
        *(("trained on", f"{data.name}: {data.terms}") for data in card.training),
        ("created", card.created or "unknown"),
        ("network", f"{card.architecture}, {_weight(model)}"),
        *(("", f"{name} = {value}") for name, value in card.options.items()),
        ("tiles", f"halo {card.halo} px, stride {card.stride} px, {_say_how(card)}"),
        ("scaling", _describe_scaling(card)),
        ("sha256", card.sha256),
    ]
    last = ""
    for label, fact in facts:
        click.echo(f"{'' if label == last else label:<11} {fact}")
        last = label


def _say_task(card: Card) -> str:
    said = {"pixels": "each pixel", "series": "each pixel of many dates"}
    return said.get(card.task, f"whole images, {card.image_px} px")


def _list_recalls(card: Card) -> list[str]:
    return [
        f"keeps {p.recall:.4g} of the changed pixels from {p.threshold:.3g} on, and "
        f"{p.false_alarms:.1%} of the unchanged images"
        for p in card.recalls
    ]


def _say_auto(model: Model) -> str:
    from geochange.nn.checkpoints.shipped import find_model, is_shipped

    if not (is_shipped(model.name) and find_model(model.name) == model.path):
        return "no: a file is used when --model names it"
    if model.card.task == "image":
        return "taken by --screen auto" if model.card.automatic else "no: for --screen only"
    return "taken where it fits" if model.card.automatic else "no: for --model only"


def _list_bands(card: Card, *, waves: bool = False) -> str:
    before, after = (_join(bands, waves) for bands in (card.bands_before, card.bands_after))
    return before if before == after else f"{before} before, {after} after"


def _join(bands: Sequence[Band], waves: bool) -> str:
    shown = (
        f"{b.name} ({b.wavelength_nm:g} nm)" if waves and b.wavelength_nm else b.name for b in bands
    )
    return ", ".join(shown)


def _size(card: Card) -> str:
    if card.gsd_m is None:
        return "any size"
    low, high = card.gsd_m
    return f"{low:.3g} m" if low == high else f"{low:.3g} to {high:.3g} m"


def _list_scores(metrics: Sequence[Metric], names: Mapping[str, str]) -> list[str]:
    """One line for each split: ``F1 0.660, AP 0.650 (building, 9 validation scenes)``."""
    found: dict[str, list[str]] = {}
    for metric in metrics:
        if metric.name in names:
            said = f"{names[metric.name]} {metric.value:.3f}"
            found.setdefault(metric.split, []).append(said)
    return [f"{', '.join(said)} ({split})" for split, said in found.items()]


def _list_terms(card: Card) -> str:
    """Name sets of equal terms together: ``aerial, building (CC BY 4.0)``."""
    terms = dict.fromkeys(data.terms for data in card.training)
    named = {t: ", ".join(data.name for data in card.training if data.terms == t) for t in terms}
    return "; ".join(f"{names} ({t})" for t, names in named.items()) or "not stated"


def _weight(model: Model) -> str:
    return f"{model.parameters:,} parameters, {model.size_bytes / 1e6:.1f} MB"


def _say_how(card: Card) -> str:
    return "windows that overlap, blended" if card.windowed else "scored as the whole image"


def _describe_scaling(card: Card) -> str:
    from geochange.nn.normalization import FixedNormalization

    scaling = card.normalization
    if isinstance(scaling, FixedNormalization):
        return "fixed: the same for every scene"
    return f"by the scene: percentiles {scaling.low:g} and {scaling.high:g} of each band"

"""``geochange models``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from geochange.cli.options import json_option, verbose_option

if TYPE_CHECKING:
    from geochange.nn.card import Band, Card, Metric
    from geochange.nn.shelf import Model

SCORES = {"f1": "F1", "average_precision": "AP"}
"""Figures of the card that the table shows, and what they are called there."""
INDENT = 16
SHORT = 60


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
    from geochange.nn.shelf import list_models, open_model

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
    lines = [
        card.title,
        f"{_list_bands(card)}; pixels of {_size(card)}",
        *_list_scores(card.metrics),
        f"{_weight(model)}; training data: {_short(_list_terms(card))}",
    ]
    click.echo(f"{model.name:<{INDENT - 1}} {lines[0]}")
    for line in lines[1:]:
        click.echo(" " * INDENT + line)


def _print_card(model: Model) -> None:
    card = model.card
    facts = [
        ("model", model.name),
        ("for", card.title),
        ("bands", _list_bands(card, waves=True)),
        ("pixels", _size(card)),
        ("classes", ", ".join(card.classes)),
        ("threshold", f"{card.threshold:g}, scores divided by temperature {card.temperature:g}"),
        ("auto", "may be chosen by method auto" if card.automatic else "only by its name"),
        *(("figure", f"{m.name} {m.value:.4g} ({m.split})") for m in card.metrics),
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


def _list_scores(metrics: Sequence[Metric]) -> list[str]:
    """One line for each split: ``F1 0.66, AP 0.65 (building, 9 validation scenes)``."""
    splits = dict.fromkeys(metric.split for metric in metrics if metric.name in SCORES)
    return [
        ", ".join(
            f"{SCORES[m.name]} {m.value:.3f}"
            for m in metrics
            if m.split == split and m.name in SCORES
        )
        + f" ({split})"
        for split in splits
    ]


def _list_terms(card: Card) -> str:
    """Name sets of equal terms together: ``aerial, building (CC BY 4.0)``."""
    terms = dict.fromkeys(data.terms for data in card.training)
    named = {t: ", ".join(data.name for data in card.training if data.terms == t) for t in terms}
    return "; ".join(f"{names} ({t})" for t, names in named.items()) or "not stated"


def _short(text: str) -> str:
    return text if len(text) <= SHORT else f"{text[: SHORT - 3].rstrip()}..."


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

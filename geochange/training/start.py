"""Where a training starts from: the weights of a checkpoint, for bands that may be others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from geochange.detectors.suitability import ROLES
from geochange.errors import InputError, UsageError
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.cardfile import read_card
from geochange.nn.checkpoints.checkpoint import load_checkpoint
from geochange.nn.checkpoints.integrity import require_whole
from geochange.nn.checkpoints.shipped import locate_model
from geochange.nn.learning.freezing import find_frozen, freeze
from geochange.nn.learning.transfer import Match, match_names, transfer_weights
from geochange.nn.networks.network import ChangeNet
from geochange.nn.normalization import FixedNormalization, Normalization, Scaling
from geochange.training.cards import describe_bands, shorten_title
from geochange.training.scenes.scene import TrainingScene
from geochange.training.settings.config import TrainConfig
from geochange.training.settings.start import StartConfig


def settle_start(config: TrainConfig) -> TrainConfig:
    """Take network and hash from the checkpoint that a config names; no network is built.

    Raises
    ------
    InputError
        No such file, not a checkpoint, a damaged one, or not the one whose hash the config holds.
    UsageError
        The config names another network, or other options, than the checkpoint has.
    """
    start = config.start
    if not start.checkpoint:
        return config
    path = locate_model(start.checkpoint)
    card = read_card(path)
    require_whole(Path(path), card)
    if start.sha256 and start.sha256 != card.sha256:
        msg = (
            f"{path} holds other weights than start.sha256 says; name the file that "
            "was meant, or remove start.sha256"
        )
        raise InputError(msg)
    found = {"name": card.architecture, "options": card.options}
    asked = {"name": config.model.name, "options": config.model.options}
    for name, value in asked.items():
        if value and value != found[name]:
            msg = (
                f"'model.{name}' is {value!r}, but {path} has {found[name]!r}; leave "
                "[model] out: it comes from the checkpoint"
            )
            raise UsageError(msg)
    return replace(
        config,
        model=replace(config.model, name=card.architecture, options=dict(card.options)),
        start=replace(start, checkpoint=path, sha256=card.sha256),
    )


@dataclass(frozen=True)
class Start:
    """A checkpoint, and how its bands are found among those of the new scenes.

    Attributes
    ----------
    config : StartConfig
    network : ChangeNet
        As the checkpoint has it.
    card : Card
    matches : tuple of Match
        For each band of the new before and after date its position in the checkpoint's.
    """

    config: StartConfig
    network: ChangeNet
    card: Card
    matches: tuple[Match, Match]

    def begin(self, network: ChangeNet) -> tuple[tuple[str, ...], frozenset[str]]:
        """Give a network the weights and freeze what stays.

        Returns
        -------
        frozen : tuple of str
            Modules.
        new : frozenset of str
            Parameters and buffers that are not the checkpoint's as they were.
        """
        transfer = transfer_weights(self.network, network, self.matches, self.config.fresh)
        network.load_state_dict(transfer.weights)
        frozen = find_frozen(network, self.config.frozen_stages, self.config.frozen)
        freeze(network, frozen)
        return frozen, transfer.new

    def normalize(self, measured: Normalization) -> Normalization:
        """Return the normalisation to train with: the measured one, or the checkpoint's.

        What the checkpoint does not know is scaled as measured.
        """
        old = self.card.normalization
        if self.config.normalization == "data":
            return measured
        if not isinstance(old, FixedNormalization) or not isinstance(measured, FixedNormalization):
            return old
        before = _keep(old.before, measured.before, self.matches[0])
        return FixedNormalization(before, _keep(old.after, measured.after, self.matches[1]))

    def measured_as(self, kind: str) -> str:
        """Return how the training scenes are measured: what is kept of fixed scalings is fixed."""
        kept = self.config.normalization == "keep"
        fixed = isinstance(self.card.normalization, FixedNormalization)
        return "set" if kept and fixed and kind == "scene" else kind

    def sign(self, card: Card, *, titled: bool) -> Card:
        """Name the checkpoint's training data and their terms on the card of what came of it.

        Parameters
        ----------
        card : Card
        titled : bool
            The config gives the title; otherwise the checkpoint's is added to it.
        """
        own = [data for data in card.training if data not in self.card.training]
        title = card.title if titled else f"{card.title}, starting from: {self.card.title}"
        return replace(card, title=shorten_title(title), training=(*self.card.training, *own))


def _keep(old: Scaling, measured: Scaling, match: Match) -> Scaling:
    """Return the old scaling where a band is known and the measured one elsewhere."""
    sources = [(measured, i) if row is None else (old, row) for i, row in enumerate(match)]
    return Scaling(
        tuple(scaling.centre[i] for scaling, i in sources),
        tuple(scaling.spread[i] for scaling, i in sources),
    )


def open_start(config: StartConfig, scene: TrainingScene) -> Start | None:
    """Load the checkpoint for scenes with the bands of ``scene``; None where none is named.

    Raises
    ------
    InputError
        The file is damaged.
    """
    if not config.checkpoint:
        return None
    network, card = load_checkpoint(config.checkpoint)
    dates = (card.bands_before, scene.pair.before), (card.bands_after, scene.pair.after)
    before, after = (
        _match_bands(known, describe_bands(date.bands, date.roles)) for known, date in dates
    )
    return Start(config, network, card, (before, after))


def _match_bands(known: Sequence[Band], wanted: Sequence[Band]) -> Match:
    """Find bands by role or by name; where these say nothing, as many bands keep their order."""
    names, others = ([band.name for band in bands] for bands in (known, wanted))
    match = match_names(names, others)
    silent = not all(set(side) & ROLES for side in (names, others))
    if len(names) == len(others) and silent and set(match) == {None}:
        return tuple(range(len(names)))
    return match

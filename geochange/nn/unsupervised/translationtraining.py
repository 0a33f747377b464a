"""Train translations between the dates of a pair on the pair itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from geochange.nn.threads import single_threaded
from geochange.nn.unsupervised.translation import RADIUS, WIDTH, Guess, TranslationNet, crop_to

Array = NDArray[np.float32]
State = dict[str, Array]

TRAIN_PX = 2 * RADIUS + 3
"""Edge of the patches to train on; the inner 3 x 3 px are translated."""
BATCH = 256
RATE = 3e-3
ALIGNMENT = 0.1
"""Weight of the distance between the codes of the two dates."""
DIVERGENCE = 1e-3
"""Weight of the divergence of variational codes from the standard normal distribution."""
DOUBT = 3.0
"""Patches whose error is so many times the median one of a batch count half."""


@dataclass(frozen=True)
class Recipe:
    """How a translation is trained.

    Attributes
    ----------
    variational : bool
        Codes and values are distributions: a variational autoencoder.
    adversarial : float
        Weight of what two discriminators say of translations; 0 has none.
    steps, seed : int
    """

    variational: bool = False
    adversarial: float = 0.0
    steps: int = 400
    seed: int = 0


def train_translation(before: Array, after: Array, prior: Array, recipe: Recipe) -> State:
    """Train both translations on patches, those more that have probably not changed.

    The loss is the error of either date from its own code, and, weighted, that of its translation
    and the distance of both codes. The weight of a patch is its ``prior`` times one that falls
    with its own error, so that changed ground teaches little.

    Parameters
    ----------
    before, after : float32 (patches, C1, 7, 7) and (patches, C2, 7, 7)
        Standardised; 0 where unknown.
    prior : float32 (patches,)
        How probably each is unchanged, 0 to 1.
    recipe : Recipe

    Returns
    -------
    dict of str to float32 array
        For :class:`geochange.nn.unsupervised.translation.Translator`. The same for the same
        input and seed on one machine.

    References
    ----------
    Luppino, L. T. et al. (2022). Code-aligned autoencoders for unsupervised change detection in
    multimodal remote sensing images. IEEE TNNLS 35(1), 60-72.
    Luppino, L. T. et al. (2022). Deep image translation with an affinity-based change prior for
    unsupervised multimodal change detection. IEEE TGRS 60, 4700422.

    Examples
    --------
    >>> before = np.random.default_rng(0).normal(size=(64, 1, 7, 7)).astype(np.float32)
    >>> weights = train_translation(before, -before, np.ones(64, np.float32), Recipe(steps=2))
    >>> weights["decoders.0.4.weight"].shape
    (1, 24, 1, 1)
    """
    rng = np.random.default_rng(recipe.seed)
    bands = before.shape[1], after.shape[1]
    with single_threaded(always=True), torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        net = TranslationNet(bands, variational=recipe.variational)
        judges = _build_judges(bands) if recipe.adversarial else None
        optimizer = torch.optim.AdamW(net.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, RATE, total_steps=recipe.steps + 1
        )
        for _ in range(recipe.steps):
            drawn = rng.integers(len(before), size=BATCH)
            dates = [_turn(array[drawn], turns) for array, turns in _pair_turns(before, after, rng)]
            loss = _measure_loss(net, dates, torch.from_numpy(prior[drawn]), recipe, judges)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return {name: value.numpy().copy() for name, value in net.state_dict().items()}


def _pair_turns(
    before: Array, after: Array, rng: np.random.Generator
) -> list[tuple[Array, tuple[int, bool]]]:
    turns = int(rng.integers(4)), bool(rng.integers(2))
    return [(before, turns), (after, turns)]


def _turn(patches: Array, turns: tuple[int, bool]) -> Tensor:
    turned = torch.rot90(torch.from_numpy(patches), turns[0], (2, 3))
    return turned.flip(3) if turns[1] else turned


def _measure_loss(
    net: TranslationNet,
    dates: list[Tensor],
    prior: Tensor,
    recipe: Recipe,
    judges: _Judges | None,
) -> Tensor:
    guesses = [net.encode(image, date) for date, image in enumerate(dates)]
    codes = [_draw(guess) for guess in guesses]
    inner = [crop_to(image, codes[0]) for image in dates]
    own = [_surprise(net.decode(codes[date], date), inner[date]).mean() for date in (0, 1)]
    translated = [net.decode(codes[1 - date], date) for date in (0, 1)]
    cross = [_surprise(translated[date], inner[date]) for date in (0, 1)]
    errors = [translated[date].measure(inner[date]).mean((1, 2, 3)) for date in (0, 1)]
    weight = prior * _trust(errors[0] + errors[1])
    weight = weight / weight.sum().clamp(min=1e-6)
    apart = (guesses[0].mean - guesses[1].mean).square().mean((1, 2, 3))
    loss = own[0] + own[1] + (weight * (cross[0] + cross[1] + ALIGNMENT * apart)).sum()
    if recipe.variational:
        loss = loss + DIVERGENCE * (_diverge(guesses[0]) + _diverge(guesses[1]))
    if judges is not None:
        loss = loss + recipe.adversarial * judges.learn(inner, translated, weight)
    return loss


def _draw(guess: Guess) -> Tensor:
    """Draw a code of a distribution, or take the one there is."""
    if guess.log_variance is None:
        return guess.mean
    return guess.mean + torch.randn_like(guess.mean) * (guess.log_variance / 2).exp()


def _surprise(guess: Guess, truth: Tensor) -> Tensor:
    """Return the error of each patch, or its negative log likelihood, (N,)."""
    error = guess.measure(truth)
    if guess.log_variance is not None:
        error = (error + guess.log_variance) / 2
    return error.mean((1, 2, 3))


def _trust(errors: Tensor) -> Tensor:
    """Return weights that fall with the error of a patch."""
    errors = errors.detach()
    typical = errors.median().clamp(min=1e-12)
    return 1 / (1 + (errors / (DOUBT * typical)) ** 2)


def _diverge(guess: Guess) -> Tensor:
    spread = guess.log_variance if guess.log_variance is not None else torch.zeros(())
    return (guess.mean**2 + spread.exp() - 1 - spread).mean() / 2


def _build_judges(bands: tuple[int, int]) -> _Judges:
    return _Judges([_build_judge(sum(bands)) for _ in bands])


def _build_judge(bands: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(bands, WIDTH, 3), nn.LeakyReLU(0.2), nn.Conv2d(WIDTH, 1, 1), nn.Flatten(0)
    )


class _Judges:
    """Discriminators that tell a date from its translation, knowing the other date."""

    def __init__(self, nets: list[nn.Sequential]) -> None:
        self.nets = nets
        parameters = [p for net in nets for p in net.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=RATE / 3)

    def learn(self, inner: list[Tensor], translated: list[Guess], weight: Tensor) -> Tensor:
        """Learn from a batch; return by how much translations fail to pass for true."""
        losses = []
        for date, net in enumerate(self.nets):
            given, true, made = inner[1 - date], inner[date], translated[date].mean
            seen = [net(torch.cat([given, image], dim=1)) for image in (true, made.detach())]
            losses += [_judge(seen[0], 1.0, weight), _judge(seen[1], 0.0, weight)]
        self.optimizer.zero_grad()
        sum(losses, torch.zeros(())).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        fooled = torch.zeros(())
        for date, net in enumerate(self.nets):
            said = net(torch.cat([inner[1 - date], translated[date].mean], dim=1))
            fooled = fooled + _judge(said, 1.0, weight)
        return fooled


def _judge(said: Tensor, truth: float, weight: Tensor) -> Tensor:
    loss = binary_cross_entropy_with_logits(said, torch.full_like(said, truth), reduction="none")
    return (weight * loss).sum()

"""A small network for single pixels, trained in seconds on patches of the scene itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, pad

from geochange.nn.threads import single_threaded

Array = NDArray[np.float32]
State = dict[str, Array]

WIDTH = 24
DEPTH = 4
PATCH_PX = 2 * DEPTH + 1
"""What the network sees around a pixel, as the edge of a square."""
BATCH = 128
RATE = 4e-3
DECAY = 1e-2


def build_patch_net(channels: int) -> nn.Sequential:
    """Return 3 x 3 convolutions without padding, from (N, channels, 9, 9) to (N, 1, 1, 1).

    Examples
    --------
    >>> build_patch_net(3)(torch.zeros(2, 3, 9, 12)).shape
    torch.Size([2, 1, 1, 4])
    """
    layers: list[nn.Module] = []
    for width in [channels, *[WIDTH] * (DEPTH - 1)]:
        layers += [nn.Conv2d(width, WIDTH, 3, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(WIDTH, 1, 1))


def train_patch_net(
    patches: Array, changed: NDArray[np.bool_], *, steps: int = 400, seed: int = 0
) -> State:
    """Train a network to tell two kinds of patches apart.

    Batches hold as many patches of either kind, flipped and turned; AdamW, one rise and fall of
    the learning rate.

    Parameters
    ----------
    patches : float32 (patches, channels, 9, 9)
    changed : bool (patches,)
        Of both kinds at least one.
    steps : int
    seed : int

    Returns
    -------
    dict of str to float32 array
        For :class:`PatchNet`. The same for the same input and seed on one machine.

    Examples
    --------
    >>> patches = np.random.default_rng(0).normal(size=(64, 1, 9, 9)).astype(np.float32)
    >>> patches[:32] += 3
    >>> weights = train_patch_net(patches, np.arange(64) < 32, steps=20)
    >>> PatchNet(weights)(patches[[0, 40]])[:, 4, 4].round()
    array([1., 0.], dtype=float32)
    """
    rng = np.random.default_rng(seed)
    kinds = np.flatnonzero(changed), np.flatnonzero(~changed)
    truth = torch.arange(BATCH) < BATCH // 2
    with single_threaded(always=True), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build_patch_net(patches.shape[1])
        optimizer = torch.optim.AdamW(net.parameters(), weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1)
        for _ in range(steps):
            drawn = np.concatenate([rng.choice(kind, BATCH // 2) for kind in kinds])
            batch = _turn(torch.from_numpy(patches[drawn]), rng)
            loss = binary_cross_entropy_with_logits(net(batch).flatten(), truth.float())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return {name: value.numpy().copy() for name, value in net.state_dict().items()}


def _turn(batch: Tensor, rng: np.random.Generator) -> Tensor:
    turned = torch.rot90(batch, int(rng.integers(4)), (2, 3))
    return turned.flip(3) if rng.random() < 1 / 2 else turned


class PatchNet:
    """A trained network that scores whole images.

    Parameters
    ----------
    weights : mapping of str to float32 array
        Of :func:`train_patch_net`.
    """

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._net = build_patch_net(weights["0.weight"].shape[1])
        self._net.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
        self._net.eval()

    def __call__(self, images: Array) -> Array:
        """Return probabilities (N, H, W) of images (N, channels, H, W); zeros lie around them."""
        with torch.inference_mode(), single_threaded():
            scores = [
                self._net(pad(torch.from_numpy(image), (DEPTH,) * 4)[None])[0, 0].sigmoid()
                for image in images
            ]
        probability: Array = torch.stack(scores).numpy()
        return probability

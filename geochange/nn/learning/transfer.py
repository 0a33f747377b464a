"""Weights of one network brought to another of the same kind that takes other bands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geochange.errors import UsageError
from geochange.nn.learning.freezing import is_part
from geochange.nn.networks.network import ChangeNet

ADAPTERS = "adapters"
Match = tuple[int | None, ...]
"""For each band of a date, the position of the band that the weights know; None for a new one."""


@dataclass(frozen=True)
class Transfer:
    """Weights for a network.

    Attributes
    ----------
    weights : dict of str to Tensor
        Its whole state.
    new : frozenset of str
        Names of the tensors that are not those of the checkpoint as they were.
    """

    weights: dict[str, Tensor]
    new: frozenset[str]


def match_names(known: Sequence[str], wanted: Sequence[str]) -> Match:
    """Find bands by name; of several bands of one name the first is the first.

    Examples
    --------
    >>> match_names(["red", "green", "blue"], ["blue", "green", "red", "nir"])
    (2, 1, 0, None)
    >>> match_names(["sar"], ["sar", "sar"])
    (0, None)
    """
    free = list(range(len(known)))
    match: list[int | None] = []
    for name in wanted:
        found = next((i for i in free if known[i] == name), None)
        if found is not None:
            free.remove(found)
        match.append(found)
    return tuple(match)


def build_selection(count: int, match: Match) -> Tensor:
    """Return the matrix that makes ``count`` known bands out of those of a date.

    A known band is itself. A new one is a share of every known one, so that its filter is the mean
    of theirs; ``m`` new ones are divided by ``m``, so that all together weigh what one known band
    does and a response changes by the factor ``(k + 1) / k`` at most when all bands show the same.
    Where no band is known the sum over all filters stays what it was.

    Returns
    -------
    float64 (count, len(match))

    Examples
    --------
    >>> build_selection(2, (0, 1, None)).tolist()
    [[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]
    >>> build_selection(2, (None,)).tolist()
    [[1.0], [1.0]]
    """
    known = sorted(row for row in match if row is not None)
    matrix = torch.zeros(count, len(match), dtype=torch.float64)
    fresh = [column for column, row in enumerate(match) if row is None]
    for column, row in enumerate(match):
        if row is not None:
            matrix[row, column] = 1
    rows, share = (known, 1 / len(known)) if known else (list(range(count)), 1.0)
    for column in fresh:
        matrix[rows, column] = share / len(fresh)
    return matrix


def find_stem(network: ChangeNet) -> str:
    """Return the name of the weights of the encoder's first convolution.

    Raises
    ------
    UsageError
        An encoder whose first layer is no plain convolution.
    """
    for name, module in network.named_modules():
        if name.startswith("encoder.") and isinstance(module, nn.Conv2d) and module.groups == 1:
            return f"{name}.weight"
    msg = (
        f"network '{network.recipe.name}' does not begin with a convolution, so its weights take "
        "no other bands; choose the bands of the checkpoint in data.bands"
    )
    raise UsageError(msg)


def transfer_weights(
    source: ChangeNet,
    target: ChangeNet,
    matches: tuple[Match, Match],
    fresh: Collection[str] = (),
) -> Transfer:
    """Return the weights of ``source`` for ``target``, which takes other bands.

    The filters of known bands stay what they are, bit for bit; for those of new bands see
    :func:`build_selection`. Dates that get a number of bands of their own each have a 1x1
    convolution in front: the date with more bands begins with one that changes nothing, the other
    with the one that comes nearest in least squares, which is exact when its bands are among those
    of the first.

    Parameters
    ----------
    source, target : ChangeNet
        Of one architecture with the same options.
    matches : tuple of Match
        Of the before and of the after date.
    fresh : collection of str
        Modules of the target that keep their own weights.

    Raises
    ------
    UsageError
        More than the first layer depends on the bands.
    """
    own, found = target.state_dict(), source.state_dict()
    kept = {name for name in own if is_part(name, fresh)}
    weights = {name: own[name] for name in kept}
    weights |= {n: t for n, t in found.items() if n in own and n not in kept}
    new = set(kept)
    same = all(match == tuple(range(len(match))) for match in matches)
    if not same or source.recipe.bands != target.recipe.bands:
        bands = _adapt(source, target, matches)
        weights |= {name: tensor for name, tensor in bands.items() if name not in kept}
        new |= bands.keys()
    misfits = [n for n in own if n not in weights or weights[n].shape != own[n].shape]
    if misfits:
        msg = (
            f"more than the first layer of network '{target.recipe.name}' depends on the number of "
            f"bands ('{misfits[0]}'); choose the bands of the checkpoint in data.bands"
        )
        raise UsageError(msg)
    return Transfer({name: weights[name].clone() for name in own}, frozenset(new))


def _adapt(source: ChangeNet, target: ChangeNet, matches: tuple[Match, Match]) -> dict[str, Tensor]:
    """Return stem and adapters for the target's bands."""
    stem, state = find_stem(source), source.state_dict()
    weight = state[stem].double()
    selections = [
        build_selection(count, match)
        for count, match in zip(source.recipe.bands, matches, strict=True)
    ]
    if weight.shape[1] == sum(source.recipe.bands):
        parts = weight.split(list(source.recipe.bands), dim=1)
        halves = [_mix(part, matrix) for part, matrix in zip(parts, selections, strict=True)]
        return {stem: torch.cat(halves, dim=1).float()}
    effective, offsets = [], []
    for date, matrix in enumerate(selections):
        mixed, offset = _read_adapter(state, date, weight.shape[1])
        effective.append(_mix(weight, mixed @ matrix))
        offsets.append(_mix(weight, offset[:, None]))
    before, after = target.recipe.bands
    if before == after:
        return {stem: ((effective[0] + effective[1]) / 2).float()}
    wide = 0 if before > after else 1
    adapted = {stem: effective[wide].float()}
    for date in (0, 1):
        wanted = torch.cat([effective[date], offsets[date]], dim=1)
        solved = _solve(effective[wide], wanted)
        matrix = torch.eye(max(before, after)).double() if date == wide else solved[:, :-1]
        adapted[f"{ADAPTERS}.{date}.weight"] = matrix.float()[:, :, None, None]
        adapted[f"{ADAPTERS}.{date}.bias"] = solved[:, -1].float()
    return adapted


def _read_adapter(state: Mapping[str, Tensor], date: int, width: int) -> tuple[Tensor, Tensor]:
    """Return matrix and offset of what stands in front of a date; nothing changes nothing."""
    name = f"{ADAPTERS}.{date}"
    if f"{name}.weight" not in state:
        return torch.eye(width).double(), torch.zeros(width).double()
    return state[f"{name}.weight"][:, :, 0, 0].double(), state[f"{name}.bias"].double()


def _mix(weight: Tensor, matrix: Tensor) -> Tensor:
    """Return filters (O, I, h, w) for bands that a matrix (I, J) makes the old ones of."""
    return torch.einsum("oihw,ij->ojhw", weight, matrix)


def _solve(weight: Tensor, wanted: Tensor) -> Tensor:
    """Return the matrix (I, J) with which filters (O, I, h, w) come nearest to (O, J, h, w)."""
    columns, targets = (t.transpose(0, 1).flatten(1).T for t in (weight, wanted))
    solution: Tensor = torch.linalg.lstsq(columns, targets, driver="gelsd").solution
    return solution

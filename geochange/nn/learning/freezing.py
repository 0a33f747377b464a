"""Parts of a network that stay as they are while the others learn."""

from __future__ import annotations

from collections.abc import Iterable

from geochange.errors import UsageError, suggest
from geochange.nn.networks.network import ChangeNet

LEVELS, STEM = "encoder.levels", "encoder.stem"


def list_stages(network: ChangeNet) -> list[tuple[str, ...]]:
    """Return the modules of each stage of the encoder, finest first; the stem is of the first.

    Raises
    ------
    UsageError
        A backbone of another library, whose stages have names of their own.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> list_stages(build_model("attention", bands=3))[:2]
    [('encoder.stem', 'encoder.levels.0'), ('encoder.levels.1',)]
    """
    names = dict(network.named_modules())
    count = sum(name.rpartition(".")[0] == LEVELS for name in names)
    if not count:
        known = ", ".join(sorted(n for n in names if n.count(".") <= 2 and "encoder." in n)[:6])
        msg = (
            f"the encoder of network '{network.recipe.name}' has no numbered stages; name the "
            f"modules to freeze in start.frozen, such as {known}"
        )
        raise UsageError(msg)
    first = (STEM,) if STEM in names else ()
    return [(*first * (level == 0), f"{LEVELS}.{level}") for level in range(count)]


def find_frozen(network: ChangeNet, stages: int, names: Iterable[str]) -> tuple[str, ...]:
    """Return the modules that ``stages`` stages of the encoder and ``names`` stand for.

    Raises
    ------
    UsageError
        More stages than there are, an unknown module, or nothing that would be left to learn.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> find_frozen(build_model("tinysiam", bands=3), 1, ["fusions"])
    ('encoder.levels.0', 'fusions')
    """
    frozen: list[str] = []
    if stages:
        known = list_stages(network)
        if stages > len(known):
            msg = (
                f"'start.frozen_stages' must be at most {len(known)}, the stages of the encoder of "
                f"{network.recipe.name}, got {stages}"
            )
            raise UsageError(msg)
        frozen += [name for stage in known[:stages] for name in stage]
    frozen += require_modules(network, names)
    learning = [n for n, _ in network.named_parameters() if not is_part(n, frozen)]
    if not learning:
        msg = f"{', '.join(frozen)} frozen leaves nothing to learn; freeze less"
        raise UsageError(msg)
    return tuple(frozen)


def require_modules(network: ChangeNet, names: Iterable[str]) -> list[str]:
    """Return names of modules as they are, after checking that the network has them.

    Raises
    ------
    UsageError
        An unknown one.
    """
    modules = [name for name, _ in network.named_modules() if name]
    wanted = list(names)
    for name in wanted:
        if name not in modules:
            near = suggest(name, (m for m in modules if m.count(".") <= 2))
            msg = f"network '{network.recipe.name}' has no module '{name}'{near}"
            raise UsageError(msg)
    return wanted


def is_part(name: str, modules: Iterable[str]) -> bool:
    """Tell whether a parameter, buffer or module lies in one of some modules.

    Examples
    --------
    >>> is_part("encoder.levels.0.0.conv.weight", ["encoder.levels.0"])
    True
    >>> is_part("encoder.levels.10.0.conv.weight", ["encoder.levels.1"])
    False
    """
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def freeze(network: ChangeNet, modules: Iterable[str]) -> None:
    """Let parameters of some modules have no gradient; see :func:`rest` for their statistics."""
    names = tuple(modules)
    for name, parameter in network.named_parameters():
        if is_part(name, names):
            parameter.requires_grad = False


def rest(network: ChangeNet, modules: Iterable[str]) -> None:
    """Put modules into evaluation mode: batch normalisation uses its statistics and keeps them."""
    found = dict(network.named_modules())
    for name in modules:
        found[name].eval()

"""Which arithmetic this machine gets right: folded, laid out and cast, then checked."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from geochange.errors import DataWarning, UsageError, suggest
from geochange.nn.inference.kernels import can_fuse, fuse_layers
from geochange.nn.networks.network import ChangeNet
from geochange.nn.parts.layers import fold_batch_norm

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CHECK_SIZE_PX = 128
MOST_SCORE_ERROR = 0.02
"""Largest difference of scores at their 99.9th percentile."""
MOST_LOGIT_ERROR = 0.05
"""Largest root mean square error of logits, relative to their standard deviation."""
ROUNDING = 2.0**-8
"""What rounding to bfloat16 alone may add, relative to the mean logit."""


@dataclass(frozen=True)
class Prepared:
    """A network ready to run.

    Attributes
    ----------
    model : ChangeNet
        A copy in evaluation mode.
    dtype : torch.dtype
        What its inputs are.
    device : torch.device
    precision : str
        ``fp32``, ``bf16`` or ``fp16``.
    """

    model: ChangeNet
    dtype: torch.dtype
    device: torch.device
    precision: str


def prepare(model: ChangeNet, device: torch.device, precision: str = "auto") -> Prepared:
    """Make the fastest copy of a network that gives the scores of the plain one.

    Batch normalisation is folded in float32, weights are laid out channels last and cast, layers
    are fused on processors. On a fixed random pair the result is compared with the plain network
    in float32 (some builds compute wrong bfloat16 convolutions: pytorch issue 163347); what
    deviates is not used.

    Parameters
    ----------
    model : ChangeNet
        Left as it is.
    device : torch.device
    precision : str
        ``auto``, ``fp32``, ``bf16`` or ``fp16``; ``auto`` takes 16 bits where the hardware has
        them.

    Raises
    ------
    UsageError
        Unknown precision.

    Warns
    -----
    DataWarning
        The wanted precision deviates and float32 is used.

    Examples
    --------
    >>> from geochange.nn.networks.registry import build_model
    >>> prepare(build_model("tinysiam", 1), torch.device("cpu"), "fp32").precision
    'fp32'
    """
    if precision not in (*DTYPES, "auto"):
        msg = f"unknown precision '{precision}'{suggest(precision, [*DTYPES, 'auto'])}"
        raise UsageError(msg)
    plain = copy.deepcopy(model).eval().float().to(device)
    wanted = choose_precision(device) if precision == "auto" else precision
    expected = _check_logits(plain, device, torch.float32)
    for name, fused in ((wanted, True), (wanted, False), ("fp32", True)):
        candidate = _transform(plain, DTYPES[name], fuse=fused)
        if _agrees(candidate, expected, device, DTYPES[name]):
            if name != wanted:
                _warn(wanted)
            return Prepared(candidate, DTYPES[name], device, name)
    _warn(wanted)
    return Prepared(plain, torch.float32, device, "fp32")


def choose_precision(device: torch.device) -> str:
    """Return the precision that the hardware is fastest in.

    Examples
    --------
    >>> choose_precision(torch.device("cpu")) in ("fp32", "bf16")
    True
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    tell = getattr(torch.cpu, "get_capabilities", dict)  # the oldest torch cannot tell
    can: Mapping[str, object] = tell()
    return "bf16" if can.get("avx512_bf16") or can.get("amx_bf16") else "fp32"


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name: ``auto`` is the GPU when there is one.

    Raises
    ------
    UsageError
        Unknown name, or a GPU that is not there.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name not in ("auto", "cpu", "cuda"):
        msg = f"unknown device '{name}'{suggest(name, ['auto', 'cpu', 'cuda'])}"
        raise UsageError(msg)
    if name == "cuda" and not torch.cuda.is_available():
        msg = "device 'cuda' was asked for, but torch sees no GPU; choose 'cpu' or 'auto'"
        raise UsageError(msg)
    there = torch.cuda.is_available() and name != "cpu"
    return torch.device("cuda" if there else "cpu")


def _transform(plain: ChangeNet, dtype: torch.dtype, *, fuse: bool) -> ChangeNet:
    model = copy.deepcopy(plain)
    fold_batch_norm(model)
    on_cpu = next(model.parameters()).device.type == "cpu"
    model.to(dtype)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if fuse and on_cpu and can_fuse():
        fuse_layers(model)
    return model


def _check_pair(bands: tuple[int, int], stride: int) -> tuple[Tensor, Tensor]:
    """Noise over blocks, alike at both dates but for a square."""
    generator = torch.Generator().manual_seed(0)
    size = -(-CHECK_SIZE_PX // stride) * stride
    ground = torch.randn(1, max(bands), size // 8, size // 8, generator=generator)
    dates = []
    for count in bands:
        date = torch.nn.functional.interpolate(ground, size=(size, size))[:, :count]
        dates.append(date + 0.3 * torch.randn(date.shape, generator=generator))
    dates[1][..., size // 4 : size // 2, size // 4 : size // 2] *= -1.5
    return dates[0], dates[1]


def _check_logits(model: ChangeNet, device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode():
        dates = (x.to(device, dtype) for x in _check_pair(model.recipe.bands, model.stride))
        logits: Tensor = model(*dates)
        return logits.float().cpu()


def _agrees(
    candidate: ChangeNet, expected: Tensor, device: torch.device, dtype: torch.dtype
) -> bool:
    try:
        found = _check_logits(candidate, device, dtype)
    except RuntimeError:  # this build lacks an operation in this precision
        return False
    apart = (found.sigmoid() - expected.sigmoid()).abs().flatten().quantile(0.999)
    error = (found - expected).square().mean().sqrt()
    spread = expected.std() if expected.numel() > 1 else torch.ones(())  # of a logit for an image
    allowed = MOST_LOGIT_ERROR * spread + ROUNDING * expected.mean().abs()
    return bool(apart <= MOST_SCORE_ERROR) and bool(error <= allowed)


def _warn(wanted: str) -> None:
    msg = (
        f"{wanted} gives other scores than fp32 on this machine with this torch; the slower fp32 "
        "is used"
    )
    warnings.warn(msg, DataWarning, stacklevel=3)

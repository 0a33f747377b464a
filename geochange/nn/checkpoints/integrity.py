"""Whether the weights of a checkpoint are all there and those of its card; no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from geochange.errors import InputError
from geochange.nn.checkpoints.card import Card
from geochange.nn.checkpoints.cardfile import read_header

TYPES = {
    "F64": "torch.float64",
    "F32": "torch.float32",
    "F16": "torch.float16",
    "BF16": "torch.bfloat16",
    "I64": "torch.int64",
    "I32": "torch.int32",
    "I16": "torch.int16",
    "I8": "torch.int8",
    "U8": "torch.uint8",
    "BOOL": "torch.bool",
}
"""What the types of safetensors are called in the hash of a card."""


def require_whole(path: Path, card: Card) -> None:
    """Refuse a checkpoint that is cut off, or whose weights are not those of its card.

    A run sees so before it reads an image, rather than when its first tile is scored.

    Raises
    ------
    InputError
        One line that names the file.

    Examples
    --------
    >>> from geochange.nn.checkpoints.cardfile import read_card
    >>> from geochange.nn.checkpoints.shipped import find_model
    >>> path = find_model("building")
    >>> require_whole(path, read_card(path))
    """
    tensors = {name: t for name, t in read_header(path).items() if name != "__metadata__"}
    try:
        found = _hash_file(path, tensors)
    except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
        reason = f"tensor {error}" if isinstance(error, KeyError) else str(error)
        msg = f"{path} is damaged ({reason[:100]}); get it again"
        raise InputError(msg) from error
    if found != card.sha256:
        msg = f"the weights in {path} are not those that its card describes (sha256); get it again"
        raise InputError(msg)


def _hash_file(path: Path, tensors: dict[str, Any]) -> str:
    """Return what ``hash_weights`` of ``checkpoint.py`` returns for the file's tensors."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        there = path.stat().st_size - start
        for name in sorted(tensors):
            tensor = tensors[name]
            first, last = (int(offset) for offset in tensor["data_offsets"])
            if not 0 <= first <= last <= there:
                msg = f"cut off: {there:,} bytes of weights, '{name}' ends at {last:,}"
                raise EOFError(msg)
            shape = [int(edge) for edge in tensor["shape"]]
            digest.update(f"{name} {TYPES[tensor['dtype']]} {shape}\n".encode())
            file.seek(start + first)
            digest.update(file.read(last - first))
    return digest.hexdigest()

"""Links that last: who starts the tool again finds pages that are open still working."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "access.json"


@dataclass(frozen=True)
class Access:
    """Port and tokens of a project.

    Attributes
    ----------
    port : int
        The last one; 0 when there was none.
    tokens : dict of str to str
        Token to annotator.
    """

    port: int
    tokens: dict[str, str]


def load_access(folder: Path, annotators: Sequence[str]) -> Access:
    """Return the port of the last time and a token for every annotator, new where there is none.

    Examples
    --------
    >>> list(load_access(Path("nowhere"), ["ann"]).tokens.values())
    ['ann']
    """
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
        port, known = int(content["port"]), dict(content["tokens"])
    except (OSError, ValueError, KeyError, TypeError):
        port, known = 0, {}
    given = {str(name): str(token) for token, name in known.items()}
    return Access(port, {given.get(n) or secrets.token_urlsafe(24): n for n in annotators})


def store_access(folder: Path, access: Access) -> None:
    """Keep port and tokens for the next time, readable by this user alone."""
    path = folder / NAME
    partial = folder / f".{NAME}"
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"port": access.port, "tokens": access.tokens}, file)
    partial.replace(path)

"""``run.json`` of a finished run, read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from geochange.errors import InputError, InputNotFoundError
from geochange.io.files.outputs import RUN_NAME


def load_run(folder: Path, what: str, command: str) -> dict[str, Any]:
    """Return the content of ``run.json``.

    Parameters
    ----------
    folder : Path
        Output directory.
    what : str
        Whose it is meant to be, such as ``a series``.
    command : str
        The command that would make it again.

    Raises
    ------
    InputNotFoundError
        It is not there.
    InputError
        It is damaged.

    Examples
    --------
    >>> load_run(Path("nowhere"), "a series", "series")
    Traceback (most recent call last):
    ...
    geochange.errors.InputNotFoundError: nowhere is not the output directory of a series: ...
    """
    file = folder / RUN_NAME
    if not file.exists():
        msg = f"{folder} is not the output directory of {what}: it has no {RUN_NAME}"
        raise InputNotFoundError(msg)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{file} is damaged ({error}); run {command} again"
        raise InputError(msg) from error
    if not isinstance(content, dict):
        msg = f"{file} is damaged (no object of JSON); run {command} again"
        raise InputError(msg)
    return content

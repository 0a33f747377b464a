"""A folder that holds facts and the picture that a notebook shows of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from geochange.viz.pictures import shrink_png


@dataclass(frozen=True, repr=False)
class PicturedFolder:
    """Lazy view of a folder with a JSON of facts and a PNG; subclasses name the two files.

    Attributes
    ----------
    path : Path
    """

    FACTS: ClassVar[str]
    PICTURE: ClassVar[str]

    path: Path

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """The content of the JSON."""
        text = (self.path / self.FACTS).read_text(encoding="utf-8")
        content: Mapping[str, Any] = json.loads(text)
        return content

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def _repr_png_(self) -> bytes:
        return shrink_png((self.path / self.PICTURE).read_bytes())

"""One of n parts of a manifest, the same on every machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

from geochange.errors import UsageError


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``number`` of ``count``: the items whose id's hash falls to it.

    An item keeps its shard whatever other rows a manifest has. The one shard of 1 is the whole.

    Attributes
    ----------
    number : int
        1 to ``count``.
    count : int

    Raises
    ------
    UsageError

    Examples
    --------
    >>> [Shard(number, 3).holds("lisbon") for number in (1, 2, 3)]
    [True, False, False]
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            msg = f"shard {self.number}/{self.count}: give I/N with I from 1 to N, such as 2/8"
            raise UsageError(msg)

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read ``"2/8"``; None is the whole.

        Raises
        ------
        UsageError

        Examples
        --------
        >>> Shard.parse("2/8")
        Shard(number=2, count=8)
        """
        if text is None:
            return cls()
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text, re.ASCII)
        if found is None:
            msg = f"'{text}' is not a shard; give I/N with I from 1 to N, such as 2/8"
            raise UsageError(msg)
        return cls(int(found[1]), int(found[2]))

    def holds(self, name: str) -> bool:
        """Tell whether the item of this id belongs to the shard."""
        digest = blake2b(name.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1

    def name(self, file: str) -> str:
        """Return the shard's own name of a file.

        Examples
        --------
        >>> Shard(2, 8).name("summary.csv"), Shard().name("summary.csv")
        ('summary-2of8.csv', 'summary.csv')
        """
        stem, dot, suffix = file.rpartition(".")
        return file if self.count == 1 else f"{stem}-{self.number}of{self.count}{dot}{suffix}"

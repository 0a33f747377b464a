"""What the tool refuses, and the HTTP status that says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geochange.errors import GeochangeError

BAD_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT = 400, 403, 404, 409
TOO_LARGE, WRONG_TYPE, UNUSABLE, LOCKED, NOT_YET = 413, 415, 422, 423, 503


class RefusedError(GeochangeError):
    """A request that is not carried out; nothing was changed.

    Parameters
    ----------
    status : int
        HTTP status.
    message : str
        One line: what came, what was expected, what to do.
    facts : mapping, optional
        More for the page, such as the state that the request clashed with.
    """

    def __init__(self, status: int, message: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.facts = dict(facts or {})

"""The tool as a web application: of one pair, or of several behind one link."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from geochange.annotation.collection import Collection
from geochange.annotation.project import Project
from geochange.annotation.refusals import NOT_FOUND
from geochange.annotation.security import PAIR, App, Guard, Receive, Scope, Send, answer
from geochange.annotation.sites import Setting, build_site


def make_app(
    labels: Project | Collection,
    *,
    tokens: Mapping[str, str] | None = None,
    reviewers: Iterable[str] = (),
    hosts: Iterable[str] = (),
    secure: bool = False,
) -> App:
    """Return the tool as an ASGI application.

    Parameters
    ----------
    labels : Project or Collection
        One pair, at ``/``; or several, at ``/p/1/``, ``/p/2/``, ...
    tokens : mapping of str to str, optional
        Token to annotator: who has a token may label in that person's name. One for ``me`` is made
        when None; ``app.tokens`` tells it.
    reviewers : iterable of str
        Who of them may approve tiles that others labelled, or send them back.
    hosts : iterable of str
        Names that it may be called by besides ``localhost``, behind a proxy.
    secure : bool
        It is reached by https only, so the cookie is sent over that alone.

    Raises
    ------
    UsageError
        Starlette is missing: ``pip install geochange[annotate]``.

    Examples
    --------
    >>> from starlette.testclient import TestClient
    >>> app = make_app(project, tokens={"secret": "ann"})  # doctest: +SKIP
    >>> TestClient(app, base_url="http://localhost").get(  # doctest: +SKIP
    ...     "/api/progress", headers={"X-Geochange-Token": "secret"}
    ... ).json()["total"]
    4
    """
    known = dict(tokens) if tokens else {secrets.token_urlsafe(24): "me"}
    digest = hashlib.sha256(str(labels.folder.absolute()).encode()).hexdigest()
    progress = labels.progress if isinstance(labels, Collection) else _no_pairs
    cookie = f"geochange_{digest[:8]}"
    setting = Setting(labels.folder.name, cookie, secure, frozenset(reviewers), progress)
    inner: App
    if isinstance(labels, Collection):
        inner = Pairs(labels, setting)
    else:
        inner = build_site(labels, setting)
    return Guard(inner, known, frozenset(hosts), cookie)


def _no_pairs(_: str) -> list[dict[str, Any]]:
    return []


class Pairs:
    """Sends what is asked of ``/p/3/...`` to the application of the third pair.

    Parameters
    ----------
    collection : Collection
    setting : Setting
    """

    def __init__(self, collection: Collection, setting: Setting) -> None:
        self.collection = collection
        self.setting = setting
        self.sites: dict[int, App] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = PAIR.match(scope["path"])
        if found is None and scope["path"] == "/":
            await self._lead(scope, send)
        elif found is None or not 1 <= int(found[1]) <= len(self.collection.names):
            await answer(send, NOT_FOUND, "there is no such pair")
        else:
            site = await self._site(int(found[1]))
            path = scope["path"][found.end() :]
            await site({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    async def _site(self, number: int) -> App:
        if number not in self.sites:
            name = self.collection.names[number - 1]
            project = await asyncio.to_thread(self.collection.project, name)
            self.sites.setdefault(number, build_site(project, self.setting))
        return self.sites[number]

    async def _lead(self, scope: Scope, send: Send) -> None:
        """Go to the pair where there is most to review or to learn; the cookie goes along."""
        who = scope["annotator"]
        pairs = await asyncio.to_thread(self.collection.progress, who)
        reviews = [pair["waiting"] * (who in self.setting.reviewers) for pair in pairs]
        unsure = [-1.0 if pair["unsure"] is None else pair["unsure"] for pair in pairs]
        place = max(range(len(pairs)), key=lambda n: (reviews[n], unsure[n], -n))
        cookie = f"{self.setting.cookie}={scope['token']}; HttpOnly; Path=/; SameSite=strict"
        cookie += "; Secure" if self.setting.secure else ""
        headers = [(b"location", b"p/%d/" % (place + 1)), (b"set-cookie", cookie.encode())]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

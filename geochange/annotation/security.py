"""Who may ask: right host, right token, same site, bodies of bounded size. Plain ASGI."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from geochange.annotation.refusals import BAD_REQUEST, FORBIDDEN, TOO_LARGE, WRONG_TYPE

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PAIR = re.compile(r"^/p/(\d{1,6})(?=/)")
"""What the addresses of one of several pairs begin with."""
MAX_BODY = 5 * 2**20
HEADER = "x-geochange-token"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
EVER = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}
NO_TOKEN = (
    "This page needs the link with its token. Open the address that 'geochange annotate' printed "
    "when it started (http://.../?token=...), or start it again to get a new one."
)


class Guard:
    """Lets through what comes from the person that the server was started for.

    Parameters
    ----------
    app : ASGI application
        Sees ``scope["annotator"]`` and ``scope["token"]``.
    tokens : mapping of str to str
        Token to annotator.
    hosts : frozenset of str
        Names that the server may be called by, besides those of this machine itself.
    cookie : str
        Name of the cookie that carries the token for pictures.
    """

    def __init__(
        self, app: App, tokens: Mapping[str, str], hosts: frozenset[str], cookie: str
    ) -> None:
        self.app = app
        self.tokens = dict(tokens)
        self.hosts = LOOPBACK | hosts
        self.cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        send = _with_headers(send)
        refusal = self._check(scope, headers)
        if refusal is not None:
            await answer(send, *refusal)
            return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        if host_name(headers.get("host", "")) not in self.hosts:
            msg = "this server does not go by that name; start it with --public-url to allow it"
            return BAD_REQUEST, msg
        path = PAIR.sub("", scope["path"], count=1)
        page = scope["method"] == "GET" and path == "/"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not (
            page and headers.get("sec-fetch-mode") == "navigate"
        ):
            return FORBIDDEN, "requests from other sites are refused"
        if path.startswith("/static/") and scope["method"] == "GET":
            return None
        token = self._find_token(scope, headers, page=page)
        if token is None:
            return FORBIDDEN, NO_TOKEN
        scope["token"], scope["annotator"] = token, self.tokens[token]
        if scope["method"] in ("GET", "HEAD"):
            return None
        return self._check_write(headers)

    def _check_write(self, headers: Mapping[str, str]) -> tuple[int, str] | None:
        if self._known(headers.get(HEADER, "")) is None:
            return FORBIDDEN, f"a request that changes something needs the header {HEADER}"
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdigit() or int(length) > MAX_BODY:
            return TOO_LARGE, f"a request may hold {MAX_BODY // 2**20} MiB; send less at a time"
        if headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return WRONG_TYPE, "send JSON, with the content type application/json"
        return None

    def _find_token(self, scope: Scope, headers: Mapping[str, str], *, page: bool) -> str | None:
        given = [headers.get(HEADER, ""), _cookie(headers.get("cookie", ""), self.cookie)]
        if page:
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            given = [*query.get("token", []), *given]
        return next(filter(None, map(self._known, given)), None)

    def _known(self, given: str) -> str | None:
        known = [t for t in self.tokens if hmac.compare_digest(t.encode(), given.encode())]
        return known[0] if known else None


def host_name(host: str) -> str:
    """Return a Host header without its port.

    Examples
    --------
    >>> host_name("localhost:8000"), host_name("[::1]:8000"), host_name("example.org")
    ('localhost', '::1', 'example.org')
    """
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].split("]")[0]
    return host.split(":")[0]


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _with_headers(send: Send) -> Send:
    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", [])]
            present = {name.lower() for name, _ in headers}
            headers += [(n, v) for n, v in EVER.items() if n not in present]
            if b"cache-control" not in present:
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await send(message)

    return wrapped


async def answer(send: Send, status: int, message: str) -> None:
    """Send an error as JSON."""
    body = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

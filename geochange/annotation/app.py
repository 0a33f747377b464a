"""The web application: routes, and nothing that a route does by itself."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from geochange.annotation.files import TYPES, load_static, render_page, static_version
from geochange.annotation.project import Project
from geochange.annotation.refusals import BAD_REQUEST, NOT_FOUND, RefusedError
from geochange.annotation.requests import ROUTES, Call, Handler
from geochange.annotation.security import App, Guard
from geochange.errors import GeochangeError, UsageError

YEAR = "private, max-age=31536000, immutable"


def make_app(
    project: Project,
    *,
    tokens: Mapping[str, str] | None = None,
    reviewers: Iterable[str] = (),
    hosts: Iterable[str] = (),
    secure: bool = False,
) -> App:
    """Return the tool as an ASGI application.

    Parameters
    ----------
    project : Project
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
    try:
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.exceptions import HTTPException
        from starlette.requests import Request
        from starlette.responses import HTMLResponse, JSONResponse, Response
        from starlette.routing import Route
    except ImportError as error:
        msg = "the annotation tool needs starlette; pip install 'geochange[annotate]'"
        raise UsageError(msg) from error

    trusted = frozenset(reviewers)
    cookie = "geochange_" + hashlib.sha256(str(project.folder.absolute()).encode()).hexdigest()[:8]

    async def page(request: Request) -> Response:
        token = request.scope["token"]
        response = HTMLResponse(render_page(token, project.folder.name))
        response.set_cookie(cookie, token, httponly=True, samesite="strict", secure=secure)
        return response

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in TYPES:
            raise HTTPException(NOT_FOUND, "there is no such file")
        fresh = request.query_params.get("v") == static_version()
        headers = {"cache-control": YEAR if fresh else "no-cache"}
        return Response(load_static(name), media_type=TYPES[name], headers=headers)

    def endpoint(handler: Handler) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            body = await request.body() if request.method not in ("GET", "HEAD") else b""
            call = Call(
                project,
                request.scope["annotator"],
                request.scope["annotator"] in trusted,
                bool(trusted),
                request.path_params,
                request.query_params,
                _parse(body),
            )
            found = await run_in_threadpool(handler, call)
            if isinstance(found, bytes):
                cached = {"cache-control": YEAR if "v" in request.query_params else "no-store"}
                return Response(found, media_type="image/png", headers=cached)
            return JSONResponse(found)

        return answer

    async def refused(_: Request, error: Exception) -> Response:
        facts = error.facts if isinstance(error, RefusedError) else {}
        status = error.status if isinstance(error, RefusedError) else 422
        return JSONResponse({"error": str(error), **facts}, status)

    async def unknown(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else NOT_FOUND
        detail = error.detail if isinstance(error, HTTPException) else "not found"
        return JSONResponse({"error": detail}, status)

    routes = [Route("/", page), Route("/static/{name}", static)]
    routes += [Route(path, endpoint(handler), methods=[m]) for m, path, handler in ROUTES]
    inner = Starlette(
        routes=routes, exception_handlers={GeochangeError: refused, HTTPException: unknown}
    )
    known = dict(tokens) if tokens else {secrets.token_urlsafe(24): "me"}
    return Guard(inner, known, frozenset(hosts), cookie)


def _parse(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RefusedError(BAD_REQUEST, "the body is not JSON") from error


def _refuse_constant(name: str) -> Any:
    msg = f"{name} is not a number of JSON"
    raise ValueError(msg)

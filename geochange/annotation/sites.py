"""The web application of one pair: routes, and nothing that a route does by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from geochange.annotation.files import TYPES, load_static, render_page, static_version
from geochange.annotation.project import Project
from geochange.annotation.refusals import BAD_REQUEST, NOT_FOUND, RefusedError
from geochange.annotation.requests import ROUTES, Call, Handler
from geochange.annotation.security import App
from geochange.errors import GeochangeError, UsageError

YEAR = "private, max-age=31536000, immutable"


@dataclass(frozen=True)
class Setting:
    """What is the same for all pairs that are served together.

    Attributes
    ----------
    title : str
    cookie : str
        Name of the cookie that carries the token for pictures.
    secure : bool
        It is reached by https only, so the cookie is sent over that alone.
    reviewers : frozenset of str
    pairs : callable
        Returns, for an annotator, progress of all pairs; nothing where there is one.
    """

    title: str
    cookie: str
    secure: bool
    reviewers: frozenset[str]
    pairs: Callable[[str], list[dict[str, Any]]]


def build_site(project: Project, setting: Setting) -> App:
    """Return the application of one pair; who asks stands in ``scope["annotator"]``.

    Raises
    ------
    UsageError
        Starlette is missing.
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

    async def page(request: Request) -> Response:
        token = request.scope["token"]
        response = HTMLResponse(render_page(token, setting.title))
        response.set_cookie(
            setting.cookie, token, httponly=True, samesite="strict", secure=setting.secure
        )
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
            who = request.scope["annotator"]
            call = Call(
                project, who, who in setting.reviewers, bool(setting.reviewers), setting.pairs,
                request.path_params, request.query_params, _parse(body),
            )  # fmt: skip
            found = await run_in_threadpool(handler, call)
            if isinstance(found, bytes):
                cached = {"cache-control": YEAR if "v" in request.query_params else "no-store"}
                return Response(found, media_type="image/png", headers=cached)
            return JSONResponse(found)

        return answer

    async def refused(_: Request, error: Exception) -> Response:
        facts: Mapping[str, Any] = error.facts if isinstance(error, RefusedError) else {}
        status = error.status if isinstance(error, RefusedError) else 422
        return JSONResponse({"error": str(error), **facts}, status)

    async def unknown(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else NOT_FOUND
        detail = error.detail if isinstance(error, HTTPException) else "not found"
        return JSONResponse({"error": detail}, status)

    routes = [Route("/", page), Route("/static/{name}", static)]
    routes += [Route(path, endpoint(handler), methods=[m]) for m, path, handler in ROUTES]
    return Starlette(
        routes=routes, exception_handlers={GeochangeError: refused, HTTPException: unknown}
    )


def _parse(body: bytes) -> Any:
    if not body:
        return None
    try:
        found = json.loads(body.decode(), parse_constant=_refuse_constant)
        if b"\\ud" in body.lower():  # half a character could be stored, but never be sent again
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise RefusedError(BAD_REQUEST, "the body is not JSON of whole characters") from error
    return found


def _refuse_constant(name: str) -> Any:
    msg = f"{name} is not a number of JSON"
    raise ValueError(msg)

"""Running the tool on this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from urllib.parse import urlsplit

from geochange.annotation.access import Access, load_access, store_access
from geochange.annotation.app import make_app
from geochange.annotation.collection import Collection
from geochange.annotation.project import Project
from geochange.errors import UsageError

HOST = "127.0.0.1"
GRACE_SECONDS = 2


def require_server() -> None:
    """See that what serves the tool is installed.

    Raises
    ------
    UsageError
    """
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        msg = f"the annotation tool needs {missing[0]}; pip install 'geochange[annotate]'"
        raise UsageError(msg)


def serve(
    labels: Project | Collection,
    *,
    annotators: Sequence[str] = ("me",),
    reviewers: Sequence[str] = (),
    port: int = 0,
    public_url: str | None = None,
    on_ready: Callable[[dict[str, str]], None],
) -> None:
    """Serve labels on the loopback address until it is interrupted.

    Parameters
    ----------
    labels : Project or Collection
    annotators : sequence of str
        Everybody gets a link of their own.
    reviewers : sequence of str
        So do they; they may approve what others labelled, or send it back.
    port : int
        0 takes the one of the last time, or any that is free.
    public_url : str, optional
        Address under which a proxy, such as Jupyter's, shows it.
    on_ready : callable
        Called with annotator to link once requests are answered.

    Raises
    ------
    UsageError
        uvicorn is missing, the port is taken, or the address is no URL.
    """
    require_server()
    import uvicorn

    public = urlsplit(public_url) if public_url else None
    if public and (public.scheme not in ("http", "https") or not public.hostname):
        msg = f"'{public_url}' is not an address; write https://host/path/"
        raise UsageError(msg)
    known = load_access(labels.folder, [*dict.fromkeys([*annotators, *reviewers])])
    tokens = known.tokens
    app = make_app(
        labels,
        tokens=tokens,
        reviewers=reviewers,
        hosts=[public.hostname] if public and public.hostname else [],
        secure=bool(public and public.scheme == "https"),
    )
    listener = _listen(port or known.port, strict=bool(port))
    store_access(labels.folder, Access(listener.getsockname()[1], tokens))
    address = public_url or f"http://{HOST}:{listener.getsockname()[1]}/"
    links = {name: f"{address.rstrip('/')}/?token={token}" for token, name in tokens.items()}

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_ready(links)

    config = uvicorn.Config(
        app, log_level="warning", lifespan="off", timeout_graceful_shutdown=GRACE_SECONDS,
        access_log=False, server_header=False,
    )  # fmt: skip
    with listener:
        Server(config).run(sockets=[listener])


def _listen(port: int, *, strict: bool) -> socket.socket:
    """Listen on a port, or on any other one when it is taken and none was asked for."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        if not strict and port:
            return _listen(0, strict=False)
        msg = f"port {port} is taken or not allowed ({error.strerror}); choose another (--port)"
        raise UsageError(msg) from error
    return listener

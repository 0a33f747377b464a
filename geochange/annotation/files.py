"""The built page, as it lies in the package."""

from __future__ import annotations

import hashlib
import html
from functools import cache
from importlib import resources

TYPES = {
    "app.js": "text/javascript; charset=utf-8",
    "app.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files that are served; nothing else of the disk can be asked for."""


@cache
def load_static(name: str) -> bytes:
    """Return the content of one of :data:`TYPES`."""
    return resources.files("geochange.annotation").joinpath("static", name).read_bytes()


@cache
def static_version() -> str:
    """Return a name for the content of all files, so that browsers keep them until it changes."""
    digest = hashlib.sha256()
    for name in TYPES:
        digest.update(load_static(name))
    return digest.hexdigest()[:12]


def render_page(token: str, title: str) -> str:
    """Return the page; it knows the token that its requests carry."""
    page = (
        resources.files("geochange.annotation")
        .joinpath("static", "index.html")
        .read_text(encoding="utf-8")
    )
    values = {"VERSION": static_version(), "TOKEN": token, "TITLE": title}
    for name, value in values.items():
        page = page.replace("{{" + name + "}}", html.escape(value, quote=True))
    return page

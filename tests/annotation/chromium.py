"""The tool in a real browser: a server on a socket, and a page of it."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

TOKEN = "secret-of-the-tests"
PEOPLE = {TOKEN: "ann", "other": "bob", "third": "carl"}
"""Carl is a reviewer."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str:
    """Return the path of a Chromium; empty when there is none."""
    found = os.environ.get("GEOCHANGE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), "")
    return found if Path(found).is_file() else ""


class Listening:
    """An application on a port of this machine."""

    def __init__(self, app, port: int = 0) -> None:
        import uvicorn

        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        config = uvicorn.Config(
            app, log_level="error", lifespan="off", access_log=False, timeout_graceful_shutdown=1
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join()
        self.listener.close()


@contextmanager
def serve_app(app):
    """Serve an application while a test runs."""
    listening = Listening(app)
    yield listening
    listening.close()


class Served:
    """The tool on a port of this machine; it can be stopped and started again."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self.port = 0
        self.start()

    def start(self) -> None:
        from geochange.annotation.app import make_app
        from geochange.annotation.opening import open_project

        self.project = open_project(self.where)
        app = make_app(self.project, tokens=PEOPLE, reviewers=["carl"])
        self.listening = Listening(app, self.port)
        self.port = self.listening.port

    def stop(self) -> None:
        self.listening.close()
        self.project.close()

    @property
    def running(self) -> bool:
        return self.listening.thread.is_alive()

    @property
    def url(self) -> str:
        return self.listening.url


class Page:
    """A page of the tool, and what went wrong on it."""

    def __init__(self, browser, served, token: str = TOKEN) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 800})
        self.page = self.context.new_page()
        self.served = served
        self.token = token
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.set_default_timeout(15_000)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.load()

    def load(self) -> None:
        self.page.goto(f"{self.served.url}/?token={self.token}")
        self.ready()

    def ready(self) -> None:
        self.page.wait_for_selector("body[data-ready=true]")
        self.until("geochange.model.leftOut === 0")

    def until(self, expression: str) -> None:
        """Wait until something holds on the page."""
        self.page.wait_for_function(f"() => {expression}")

    def saved(self) -> None:
        """Wait until the server has everything."""
        self.until("!geochange.model.waiting && geochange.model.link === 'saved'")

    def tell(self, expression: str):
        """Return the value of an expression."""
        return self.page.evaluate(f"() => {expression}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def at(self, col: float, row: float, name: str = "main") -> tuple[float, float]:
        """Return where a pixel of the image is on the screen."""
        x, y = self.tell(
            f"((own) => {{ const [x, y] = own.map.getPixelFromCoordinate([{col}, {-row}]);"
            " const box = own.target.getBoundingClientRect(); return [x + box.left, y + box.top];"
            f" }})(geochange.views.{name})"
        )
        return x, y

    def click(self, col: float, row: float, **how) -> None:
        self.page.mouse.click(*self.at(col, row), **how)

    def labels(self) -> dict:
        """Return the labels that the page knows, without times."""
        names = "['geom', 'class', 'verdict', 'source', 'candidate', 'note']"
        return self.tell(
            "Object.fromEntries([...geochange.model.annotations.values()].map((one) =>"
            f" [one.id, Object.fromEntries({names}.map((name) => [name, one[name]]))]))"
        )

"""Speed of the annotation tool on a large pair: ``python tests/benchmarks/annotation.py``."""

from __future__ import annotations

import argparse
import json
import os
import socket
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

BANDS = "b=2,1,0&s=0:255,0:255,0:255"
TOKEN = "bench"
CONNECTIONS = 6
"""What a browser opens to one host."""


def write_date(path: Path, size: int, seed: int) -> None:
    """Write a tiled GeoTIFF of texture without overviews."""
    block = np.random.default_rng(seed).integers(0, 255, (3, 512, 512), dtype=np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", height=size, width=size, count=3, dtype="uint8", tiled=True,
        blockxsize=512, blockysize=512, compress="lzw", crs="EPSG:32632",
        transform=Affine(0.5, 0, 5e5, 0, -0.5, 5e6),
    ) as dataset:  # fmt: skip
        dataset.descriptions = ("blue", "green", "red")
        for row in range(0, size, 512):
            for col in range(0, size, 512):
                shape = min(512, size - row), min(512, size - col)
                part = np.roll(block, row // 7 + col // 3, axis=2)[:, : shape[0], : shape[1]]
                dataset.write(part, window=Window(col, row, shape[1], shape[0]))


def add_candidates(project: object, count: int) -> None:
    """Put a run of many polygons into the store."""
    import shapely

    rng = np.random.default_rng(0)
    height, width = project.pair.shape
    place = rng.uniform(0.01, 0.98, (count, 2)) * (width, height)
    radii = rng.uniform(4, 40, count)
    shapes = [shapely.Point(p).buffer(r, 6) for p, r in zip(place, radii, strict=True)]
    columns = project.plan.grid[1]
    with project.database.write() as db:
        db.execute(
            "INSERT INTO model_run VALUES (1,1,'bench','','','{}',0.5,'2026-01-01',?,0)", (count,)
        )
        for shape, (x, y) in zip(shapes, place, strict=True):
            tile = int(y // project.plan.size) * columns + int(x // project.plan.size) + 1
            db.execute(
                "INSERT INTO candidate(run_id, tile_id, geom, class_id, score, score_max, pixels,"
                " minx, miny, maxx, maxy) VALUES (1,?,?,1,?,?,?,?,?,?,?)",
                (tile, shapely.to_geojson(shape), rng.random(), 1.0, int(shape.area),
                 *shape.bounds),
            )  # fmt: skip


def serve(project: object) -> tuple[str, object]:
    """Serve a project in a thread and return its address and the server."""
    import uvicorn

    from geochange.annotation.app import make_app

    listener = socket.create_server(("127.0.0.1", 0))
    app = make_app(project, tokens={TOKEN: "bench"})
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    threading.Thread(target=server.run, args=([listener],), daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return f"http://127.0.0.1:{listener.getsockname()[1]}", server


def ask(url: str, body: object = None) -> bytes:
    """Send one request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"X-Geochange-Token": TOKEN})
    if data is not None:
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def row(what: str, seconds: list[float]) -> None:
    """Print one line of the table."""
    ms = 1000 * np.asarray(seconds)
    print(f"| {what} | {np.median(ms):.0f} | {np.percentile(ms, 95):.0f} | {ms.size} |")


def measure_tiles(url: str, project: object) -> None:
    """Time single tiles of every level, then all that a first view needs."""
    rng = np.random.default_rng(1)
    for level in range(project.pictures.levels):
        count = -(-project.pair.shape[0] // (256 << level))
        places = rng.integers(0, count, (12, 2))
        tiles = [f"{url}/api/image/before/{level}/{x}/{y}?{BANDS}" for x, y in places]
        seconds = [timed(lambda tile=tile: ask(tile)) for tile in tiles]
        row(f"tile, level {level}", seconds)
    level = max(project.pictures.levels - 3, 0)
    count = -(-project.pair.shape[0] // (256 << level))
    wanted = [
        f"{url}/api/image/{date}/{level}/{x}/{y}?{BANDS}"
        for date in ("before", "after")
        for x in range(count)
        for y in range(count)
    ]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        row(f"whole scene at level {level}, {len(wanted)} tiles",
            [timed(lambda: list(pool.map(ask, wanted))) for _ in range(3)])  # fmt: skip


def measure_idle(url: str, folder: Path) -> None:
    """Time what needs no work at all: what this machine adds to everything else."""
    row("base line: a request that does nothing",
        [timed(lambda: ask(f"{url}/api/jobs")) for _ in range(100)])  # fmt: skip
    with open(folder / "synced", "wb", buffering=0) as file:

        def sync() -> None:
            file.write(b"x" * 4096)
            os.fsync(file.fileno())

        row("base line: 4 kB written and synced to disk", [timed(sync) for _ in range(100)])


def measure_saves(url: str, count: int) -> None:
    """Time saves, one after the other."""
    ring = [[10 + 30 * np.cos(a), 60 + 30 * np.sin(a)] for a in np.linspace(0, 2 * np.pi, 200)]
    geom = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    seconds = []
    for number in range(count):
        op = {"target": "annotation", "id": str(uuid.uuid4()), "tile": 1,
              "after": {"geom": geom, "class": 1}}  # fmt: skip
        edit = {"uuid": str(uuid.uuid4()), "session": "bench", "kind": "draw", "ops": [op],
                "base": {"1": number}}  # fmt: skip
        seconds.append(timed(lambda e=edit: ask(f"{url}/api/edits", e)))
    row("save of 200 vertices", seconds)


def measure_page(url: str) -> None:
    """Time the page in Chromium, where there is one."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("GEOCHANGE_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        drawn = "new Promise((done) => { const { map } = geochange.views.main;" \
            " map.once('rendercomplete', done); map.render(); })"  # fmt: skip

        def load() -> None:
            page.goto(f"{url}/?token={TOKEN}")
            page.wait_for_selector("body[data-ready=true]")
            page.evaluate(drawn)

        row("page ready and drawn", [timed(load) for _ in range(4)])
        page.evaluate("geochange.views.fit(geochange.views.world.extent)")
        page.evaluate(drawn)
        page.wait_for_timeout(1500)
        shown = page.evaluate("geochange.labels.source.getFeatures().length")
        print(f"| polygons in view: {shown} | | | |")
        frame = (
            "(async () => { const start = performance.now();"
            " const { width, height } = geochange.model.project;"
            " geochange.views.view.setCenter([Math.random() * width, -Math.random() * height]);"
            " await new Promise((done) => geochange.views.main.map.once('postrender', done));"
            " return performance.now() - start; })()"
        )
        row("frame while panning", [page.evaluate(frame) / 1000 for _ in range(30)])
        moved = (
            "((value) => { const start = performance.now(); geochange.setThreshold(value);"
            " return performance.now() - start; })"
        )
        values = (0.2, 0.8, 0.4, 0.6)
        row("threshold moved", [page.evaluate(f"{moved}({v})") / 1000 for v in values])
        browser.close()


def main() -> None:
    """Make a pair, measure, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--polygons", type=int, default=10_000)
    given = parser.parse_args()
    from geochange.annotation.opening import create_project

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed, date in enumerate(("before", "after")):
            write_date(folder / f"{date}.tif", given.size, seed)
        print(f"{given.size} x {given.size} px, {given.polygons} polygons, "
              f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")  # fmt: skip
        print("| what | median ms | p95 ms | n |\n|---|---|---|---|")
        start = time.perf_counter()
        project = create_project(folder / "labels", folder / "before.tif", folder / "after.tif")
        row("project made", [time.perf_counter() - start])
        row("overviews built", [timed(lambda: (project.start_levels(), project.jobs.wait()))])
        add_candidates(project, given.polygons)
        url, server = serve(project)
        measure_idle(url, folder)
        measure_tiles(url, project)
        whole = f"{url}/api/features?box=0,0,{given.size},{given.size}"
        row("features of the whole scene", [timed(lambda: ask(whole)) for _ in range(5)])
        row("list of tiles", [timed(lambda: ask(f"{url}/api/tiles")) for _ in range(5)])
        measure_page(url)
        measure_saves(url, 300)
        server.should_exit = server.force_exit = True
        time.sleep(1)
        project.close()


if __name__ == "__main__":
    main()

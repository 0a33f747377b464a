"""Fixtures for all rooms: small rasters made in code, the samples, and real data when present."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

ROOT = Path(__file__).resolve().parents[1]
WriteRaster = Callable[..., Path]
RunWithQgis = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def _interrupts() -> Iterator[None]:
    """Let Ctrl-C work here and in programs that tests start, also when a shell put us behind."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def samples() -> Path:
    """Folder of the committed sample scenes."""
    return ROOT / "data_samples"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the development data sets; tests that need them skip without it."""
    folder = Path(os.environ.get("GEOCHANGE_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "README.md").exists():
        pytest.skip("the development data sets are not here (set GEOCHANGE_DATA)")
    return folder


@pytest.fixture
def write_raster(tmp_path: Path) -> WriteRaster:
    """Write an array (C, H, W) as GeoTIFF: ``write_raster("a.tif", pixels, crs=..., ...)``."""

    def write(
        name: str,
        pixels: np.ndarray,
        *,
        crs: str | None = "EPSG:32632",
        transform: Affine | None = None,
        names: tuple[str, ...] = (),
        tags: dict[str, str] | None = None,
        scales: tuple[float, ...] = (),
        offsets: tuple[float, ...] = (),
        **profile: object,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if transform is None:
            transform = Affine(10, 0, 500000, 0, -10, 5000000) if crs else Affine.identity()
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=pixels.shape[1],
            width=pixels.shape[2],
            count=len(pixels),
            dtype=pixels.dtype,
            crs=crs,
            transform=transform,
            **profile,
        ) as dataset:
            dataset.write(pixels)
            if names:
                dataset.descriptions = names
            if scales:
                dataset.scales = scales
                dataset.offsets = offsets
            if tags:
                dataset.update_tags(**tags)
        return path

    return write


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Empty the shelf of shipped networks: ``shelf("name", ("red", "nir"), **card)`` adds one."""
    from geochange.nn.checkpoints import shipped as module

    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setattr(module, "FOLDER", folder)

    def put(name: str, roles: tuple[str, ...], normalization=None, **card: object) -> Path:
        import torch

        from geochange.nn.checkpoints.card import Band, Card
        from geochange.nn.checkpoints.checkpoint import save_checkpoint
        from geochange.nn.networks.registry import build_model
        from geochange.nn.normalization import SceneNormalization

        torch.manual_seed(0)
        bands = tuple(Band(role) for role in roles)
        scaling = normalization or SceneNormalization()
        facts = {"title": f"change that {name} knows"} | card
        made = Card(bands_before=bands, bands_after=bands, normalization=scaling, **facts)
        model = build_model("tinysiam", len(bands), widths=(4, 8, 8))
        model.head.conv.weight.data.mul_(8)
        save_checkpoint(folder / f"{name}.safetensors", model, made)
        return folder / f"{name}.safetensors"

    return put


@pytest.fixture(scope="session")
def run_with_qgis(tmp_path_factory: pytest.TempPathFactory) -> RunWithQgis:
    """Run a program by a Python that has PyQGIS, without a display; tests skip where none is."""
    python = os.environ.get("GEOCHANGE_QGIS_PYTHON", "/usr/bin/python3")
    folder = tmp_path_factory.mktemp("qgis")
    folder.chmod(0o700)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(folder),
        "QGIS_CUSTOM_CONFIG_PATH": str(folder / "profile"),
    }

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
            check=False,
        )

    if not Path(python).exists() or run("-c", "import qgis.core").returncode:
        pytest.skip(f"{python} has no PyQGIS (set GEOCHANGE_QGIS_PYTHON)")
    return run

"""What a GPU gives beside the processor: ``python tests/benchmarks/gpu.py``.

For each device: the network alone on resident, normalised tiles; the predictor, from raw pixels in
ordinary memory to scores; and ``detect`` end to end, files included. The roofs are measured here
too: a matrix product over the arithmetic of a pixel, and a copy from pinned memory over the bytes
of a pixel. Without a GPU only the processor's rows are printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from rasters import BANDS, make_pair
from tables import describe_machine, format_table, tell

import geochange as gc
from geochange.nn.checkpoints.card import Band, Card
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.inference.precision import DTYPES, choose_device, prepare
from geochange.nn.inference.predictor import Predictor
from geochange.nn.networks.cost import count_flop_per_px
from geochange.nn.networks.network import ChangeNet
from geochange.nn.networks.registry import build_model, list_models
from geochange.nn.normalization import FixedNormalization, Scaling

PRODUCT_EDGE = {"cpu": 2048, "cuda": 8192}
COPIED_BYTES = 2**28
BYTES_PER_PX = 2 * BANDS * 2
"""Both dates as uint16, as they travel."""
SCALING = Scaling((1500.0,) * BANDS, (300.0,) * BANDS)


def measure_mpx_s(run: Callable[[], object], pixels: int, device: str, repeats: int) -> float:
    """Million pixels a second by the clock, best of ``repeats``."""
    best = float("inf")
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return pixels / 1e6 / best


def measure_arithmetic(device: str, dtype: torch.dtype) -> float:
    """FLOP a second of a large matrix product."""
    edge = PRODUCT_EDGE[device]
    factors = [torch.randn(edge, edge, device=device, dtype=dtype) for _ in range(2)]
    return 2 * edge**3 * 1e6 * measure_mpx_s(lambda: factors[0] @ factors[1], 1, device, 5)


def measure_copy() -> float:
    """Bytes a second from pinned memory to the GPU."""
    pinned = torch.empty(COPIED_BYTES, dtype=torch.uint8, pin_memory=True)
    return 1e6 * measure_mpx_s(lambda: pinned.to("cuda"), COPIED_BYTES, "cuda", 5)


def measure(
    name: str, device: str, size: int, count: int, pair: tuple[str, str], folder: str
) -> dict[str, object]:
    """Return one row of the table."""
    torch.manual_seed(0)
    model = build_model(name, BANDS).eval()
    prepared = prepare(model, choose_device(device))
    pixels = count * size**2
    resident = [
        torch.randn(count, BANDS, size, size, device=device, dtype=prepared.dtype) for _ in range(2)
    ]
    with torch.inference_mode():
        alone = measure_mpx_s(lambda: prepared.model(*resident), pixels, device, 3)
    raw = [torch.randint(1000, 2000, x.shape).float() for x in resident]
    valid = torch.ones(count, size, size, dtype=torch.bool)
    predict = Predictor(model, (SCALING, SCALING), device=device)
    whole = measure_mpx_s(lambda: predict(*raw, valid), pixels, device, 3)
    arithmetic = measure_arithmetic(device, DTYPES[prepared.precision])
    compute_roof = arithmetic / count_flop_per_px(model) / 1e6
    copy_roof = measure_copy() / BYTES_PER_PX / 1e6 if device == "cuda" else None
    nearest = min(alone, copy_roof or alone)
    return {
        "network": name,
        "device": device,
        "precision": prepared.precision,
        "network alone, Mpx/s": f"{alone:.1f}",
        "of the compute roof": f"{alone / compute_roof:.0%}",
        "predictor, Mpx/s": f"{whole:.1f}",
        "of the nearer of network and copy": f"{whole / nearest:.0%}",
        "of the copy roof": f"{whole / copy_roof:.0%}" if copy_roof else "-",
        "detect, Mpx/s": f"{detect_mpx_s(model, device, pair, folder):.1f}",
    }


def detect_mpx_s(model: ChangeNet, device: str, pair: tuple[str, str], folder: str) -> float:
    """Million pixels a second of ``detect``, score and mask written."""
    bands = tuple(Band(f"band{n}") for n in range(BANDS))
    card = Card("benchmark", bands, bands, FixedNormalization(SCALING, SCALING))
    checkpoint = Path(folder) / "net.safetensors"
    save_checkpoint(checkpoint, model, card)
    options = {"checkpoint": str(checkpoint), "device": device}
    start = time.perf_counter()
    result = gc.detect(*pair, method="network", options=options, products=["score", "mask"])
    height, width = result.geobox.shape
    return float(height * width / 1e6 / (time.perf_counter() - start))


def main() -> None:
    """Parse the command line and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--networks", nargs="+", default=["tinysiam"], choices=list_models("pixels")
    )
    parser.add_argument("--size", type=int, default=512, help="edge of a tile")
    parser.add_argument("--count", type=int, default=8, help="tiles of a batch")
    parser.add_argument("--scene", type=int, default=4096, help="edge of the scene of detect")
    arguments = parser.parse_args()
    there = torch.cuda.is_available()
    print(f"{describe_machine()}, torch {torch.__version__}")
    print(torch.cuda.get_device_name() if there else "no GPU is here: rows of the processor alone")
    with TemporaryDirectory() as folder:
        pair = make_pair(folder, arguments.scene, 20, "zstd")
        rows = [
            tell(measure(name, device, arguments.size, arguments.count, pair, folder))
            for name in arguments.networks
            for device in ("cpu", *(["cuda"] if there else []))
        ]
    print("\n" + format_table(rows))


if __name__ == "__main__":
    main()

"""What each network costs: ``python tests/benchmarks/networks.py``.

Parameters, arithmetic, reach, and throughput of the network alone on resident, normalised tiles:
as the plain network in float32, as it is prepared for this machine, and the whole predictor from
raw float32 pixels to scores. One core is timed by its processor time, which other processes on the
machine hardly disturb; all cores, one tile each, by the clock.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

from geochange.nn.inference.precision import choose_precision, prepare
from geochange.nn.inference.predictor import Predictor
from geochange.nn.networks.cost import count_flop_per_px, count_parameters
from geochange.nn.networks.registry import build_model, list_models
from geochange.nn.normalization import Scaling

CPU = torch.device("cpu")


def one_core_mpx_s(run: Callable[[], object], pixels: int, repeats: int) -> float:
    """Million pixels a second of processor time, best of ``repeats``."""
    best = float("inf")
    with torch.inference_mode():
        for _ in range(repeats + 1):
            start = time.thread_time()
            run()
            best = min(best, time.thread_time() - start)
    return pixels / 1e6 / best


def all_cores_mpx_s(run: Callable[[], object], pixels: int, repeats: int, cores: int) -> float:
    """Million pixels a second by the clock, as many tiles side by side as there are cores."""

    def work(_: int) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode():
            run()

    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(work, range(cores)))
        start = time.perf_counter()
        list(pool.map(work, range(cores * repeats)))
        return cores * repeats * pixels / 1e6 / (time.perf_counter() - start)


def measure(name: str, bands: int, size: int, repeats: int, cores: int) -> str:
    """Return one row of the table."""
    model = build_model(name, bands).eval()
    wide = 256 if name in ("snunet", "unet") else size  # float32 of these takes seconds a tile
    tile = [torch.randn(1, bands, wide, wide) for _ in range(2)]
    plain = one_core_mpx_s(lambda: model(*tile), wide**2, 1)
    prepared = prepare(model, CPU)
    dates = [torch.randn(1, bands, size, size) for _ in range(2)]
    cast = [date.to(prepared.dtype, memory_format=torch.channels_last) for date in dates]
    alone = one_core_mpx_s(lambda: prepared.model(*cast), size**2, repeats)
    both = all_cores_mpx_s(lambda: prepared.model(*cast), size**2, repeats, cores)
    scaling = Scaling((0.0,) * bands, (1.0,) * bands)
    predict = Predictor(model, (scaling, scaling), device="cpu")
    valid = torch.ones(1, size, size, dtype=torch.bool)
    whole = one_core_mpx_s(lambda: predict(*dates, valid), size**2, repeats)
    return (
        f"| {name} | {count_parameters(model) / 1e6:.2f} | {count_flop_per_px(model) / 1e3:.1f} | "
        f"{model.radius or 'all'} | {plain:.2f} | {alone:.1f} | {both:.1f} | {whole:.1f} |"
    )


def main() -> None:
    """Parse the command line and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(list_models("pixels")))
    parser.add_argument("--bands", type=int, default=3)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    can = getattr(torch.cpu, "get_capabilities", dict)()
    print(
        f"{can.get('cpu_name', 'processor')}, {arguments.cores} cores, torch {torch.__version__}, "
        f"{choose_precision(CPU)}, {arguments.bands} bands, tiles of {arguments.size} px\n"
    )
    print(
        "| network | M parameters | kFLOP/px | radius px | fp32 plain, 1 core | prepared, 1 core | "
        "prepared, all cores | with normalisation, 1 core |\n|---|---|---|---|---|---|---|---|"
    )
    for name in arguments.networks:
        row = measure(name, arguments.bands, arguments.size, arguments.repeats, arguments.cores)
        print(row, flush=True)


if __name__ == "__main__":
    main()

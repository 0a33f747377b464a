"""Which features find pairs that lie turned and scaled, in other bands and other contrast.

    python tests/benchmarks/turned.py DATA [--networks building] [--output results.md]

DATA is a folder of public scenes, see ``scenes.py``. The before date is held against the other
date, turned and scaled by known amounts: in the same band, in the near infrared, with inverted
contrast, and as a radar would see it (bright edges under speckle). A pair counts as found when
places lie within 4 px of the truth. Registration takes ``SIFT, then of gradients``
(:func:`geochange.registration.features.match_features`), then ``network building``
(:func:`geochange.registration.dense.match_densely`).
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from displaced import turn
from scenes import list_sets
from scipy import ndimage
from skimage.feature import ORB, SIFT, match_descriptors
from skimage.measure import ransac
from skimage.transform import AffineTransform
from tables import describe_machine, format_table, tell

import geochange
from geochange.errors import GeochangeWarning
from geochange.io.grids.displacement import Displacement
from geochange.nn.inference.describer import load_describer
from geochange.registration.dense import match_densely
from geochange.registration.features import match_features
from geochange.tiles import Window

Array = np.ndarray
EDGE_PX, MARGIN_PX = 384, 80
RIGHT_PX = 4.0
TURNS = {"5 degrees, 4 %": (5.0, 1.04), "25 degrees, 15 %": (25.0, 1.15)}
SCENES = ("oscd/beirut", "oscd/cupertino", "aerial/szada3", "landsat_nanjing/landsat_nanjing")


def stretch(image: Array) -> Array:
    """Return an image in 0 to 1, between its outer percents."""
    low, high = np.percentile(image, (1, 99))
    return np.clip((image - low) / max(high - low, 1e-9), 0, 1).astype(np.float32)


def fit_affine(here: Array, there: Array, tolerance: float) -> tuple[AffineTransform, int] | None:
    """Return the affine that most matches agree on, and their number."""
    if len(here) < 12:
        return None
    model, inliers = ransac(
        (here, there), AffineTransform, min_samples=3, residual_threshold=tolerance,
        max_trials=500, rng=0,
    )  # fmt: skip
    return (model, int(inliers.sum())) if model and inliers.sum() >= 12 else None


def match_ours(
    find: Callable[..., Displacement | None], before: Array, after: Array, points: Array
) -> Array | None:
    full = np.ones(before.shape, bool)
    found = find(before, after, (full, full))
    return None if found is None else found.locate(points)


def match_sparse(
    kind: Callable[[], SIFT | ORB], before: Array, after: Array, points: Array
) -> Array | None:
    """Match the features of scikit-image."""
    found = []
    for image in (before, after):
        detector = kind()
        try:
            detector.detect_and_extract(stretch(image).astype(float))
        except RuntimeError:
            return None
        found.append((detector.keypoints[:, ::-1] + 0.5, detector.descriptors))
    pairs = match_descriptors(found[0][1], found[1][1], max_ratio=0.8, cross_check=True)
    fitted = fit_affine(found[0][0][pairs[:, 0]], found[1][0][pairs[:, 1]], 2.0)
    return None if fitted is None else fitted[0](points)


def draw_pairs(data: Path) -> Iterator[tuple[str, Array, Array, Callable[[Array], Array]]]:
    """Yield kind, both images and where points of the first lie on the second."""
    scenes = {f"{s.name}/{scene.name}": scene for s in list_sets(data) for scene in s.scenes}
    rng = np.random.default_rng(0)
    for name in SCENES:
        pair = geochange.open_pair(scenes[name].before, scenes[name].after)
        edge = min(EDGE_PX, *(n - 2 * MARGIN_PX for n in pair.shape))
        row, col = ((n - edge) // 2 for n in pair.shape)
        window = Window(row, col, edge, edge)
        before = pair.before.read(window)[0]
        after = pair.after.read(window.pad(MARGIN_PX))[0]
        red, infrared = choose_bands(pair.traits.roles)
        edges = ndimage.gaussian_gradient_magnitude(stretch(after[red]), 1.0) + 0.02
        kinds = {
            "same band": after[red],
            "near infrared": after[infrared],
            "inverted": -after[red],
            "radar-like": edges * rng.gamma(4, 0.25, edges.shape),
        }
        for kind, image in kinds.items():
            for how, (degrees, scale) in TURNS.items():
                move = partial(_locate, turn(degrees, scale), (edge, edge))
                back = partial(_locate, turn(-degrees, 1 / scale), (edge, edge))
                rows, cols = np.indices((edge, edge)) + 0.5
                x, y = back(np.column_stack([cols.ravel(), rows.ravel()])).T + MARGIN_PX - 0.5
                seen = ndimage.map_coordinates(image, [y, x], order=1, mode="reflect")
                seen = seen.reshape(edge, edge).astype(np.float32)
                yield f"{kind}, {how}", before[red], seen, move


def _locate(kind: Callable[..., Array], shape: tuple[int, int], points: Array) -> Array:
    return points + kind(points, shape)


def choose_bands(roles: tuple[str | None, ...]) -> tuple[int, int]:
    """Return the red and the near infrared band; the first and second where nobody names them."""
    return tuple(
        roles.index(role) if role in roles else other
        for role, other in (("red", 0), ("nir", min(1, len(roles) - 1)))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Features on pairs that lie turned.")
    parser.add_argument("data", type=Path, help="folder of scenes")
    parser.add_argument("--networks", default="building", help="of `geochange models`")
    parser.add_argument("--output", type=Path, help="a .md file")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", GeochangeWarning)
    torch.set_num_threads(1)
    matchers: dict[str, Callable[[Array, Array, Array], Array | None]] = {
        "SIFT, then of gradients": partial(match_ours, match_features),
        "SIFT": partial(match_sparse, partial(SIFT, upsampling=1)),
        "ORB": partial(match_sparse, partial(ORB, n_keypoints=2000, fast_threshold=0.02)),
    }
    for name in arguments.networks.split(","):
        find = partial(match_densely, describe=load_describer(name))
        matchers[f"network {name}"] = partial(match_ours, find)
    points = np.stack(np.meshgrid((60.0, 150, 220, 320), (60.0, 150, 220, 320)), -1).reshape(-1, 2)
    counts: dict[str, dict[str, list[float]]] = {}
    for kind, before, after, move in draw_pairs(arguments.data):
        for name, match in matchers.items():
            found = match(before, after, points)
            off = np.inf if found is None else np.median(np.hypot(*(found - move(points)).T))
            tell({"pair": kind, "by": name, "off px": f"{off:.1f}"})
            counts.setdefault(kind, {}).setdefault(name, []).append(float(off))
    rows = [
        {"pair": kind}
        | {name: f"{sum(o < RIGHT_PX for o in offs)} of {len(offs)}" for name, offs in by.items()}
        for kind, by in counts.items()
    ]
    text = f"{describe_machine()}\n\n{format_table(rows)}"
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

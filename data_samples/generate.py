"""Write the sample scenes: ``python data_samples/generate.py [--out DIR] [--scene NAME]``."""

from __future__ import annotations

import argparse
from pathlib import Path

import hard
import sentinel2
import series
import vhr

SCENES = {"vhr": vhr.make, "sentinel2": sentinel2.make, "hard": hard.make, "series": series.make}


def main() -> None:
    """Read the command line and write the scenes asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="target folder")
    parser.add_argument("--scene", choices=[*SCENES, "all"], default="all")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    for name in SCENES if options.scene == "all" else [options.scene]:
        SCENES[name](options.out / name, options.seed)
        print(options.out / name)


if __name__ == "__main__":
    main()

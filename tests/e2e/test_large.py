"""Rasters much larger than a tile: memory stays flat and nothing is lost at any seam."""

from __future__ import annotations

import json
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio

BLOCK = 500
RUN = """
import json, sys
import geochange as gc
result = gc.detect(*sys.argv[1:4], method="cva", threshold=0.5, threads=2)
print(json.dumps([result.run["peak_memory_bytes"], result.count]))
"""


def _repeat(source, times, path):
    """Write a VRT that shows a raster ``times`` x ``times`` side by side."""
    size = BLOCK * times
    root = ET.Element("VRTDataset", rasterXSize=str(size), rasterYSize=str(size))
    with rasterio.open(source) as dataset:
        ET.SubElement(root, "SRS").text = dataset.crs.to_wkt()
        ET.SubElement(root, "GeoTransform").text = ", ".join(map(str, dataset.transform.to_gdal()))
        count = dataset.count
    for number in range(1, count + 1):
        band = ET.SubElement(root, "VRTRasterBand", dataType="UInt16", band=str(number))
        for row in range(times):
            for col in range(times):
                part = ET.SubElement(band, "SimpleSource")
                ET.SubElement(part, "SourceFilename", relativeToVRT="1").text = source.name
                ET.SubElement(part, "SourceBand").text = str(number)
                edge = {"xSize": str(BLOCK), "ySize": str(BLOCK)}
                ET.SubElement(part, "SrcRect", {"xOff": "0", "yOff": "0", **edge})
                place = {"xOff": str(col * BLOCK), "yOff": str(row * BLOCK)}
                ET.SubElement(part, "DstRect", {**place, **edge})
    ET.ElementTree(root).write(path)
    return path


@pytest.mark.slow
def test_memory_does_not_grow_with_the_raster(tmp_path, write_raster):
    rng = np.random.default_rng(0)
    before = rng.normal(2000, 20, (3, BLOCK, BLOCK))
    after = before + rng.normal(0, 20, before.shape)
    after[:, 100:130, 200:260] += 900
    pairs = [
        write_raster(f"{n}.tif", a.astype(np.uint16)) for n, a in (("b", before), ("a", after))
    ]
    peaks = {}
    for times in (4, 16):
        dates = [_repeat(p, times, tmp_path / f"{p.stem}{times}.vrt") for p in pairs]
        words = [sys.executable, "-c", RUN, *map(str, dates), str(tmp_path / f"out{times}")]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        peaks[times], count = json.loads(done.stdout.splitlines()[-1])
        assert count == times**2
    grown = (peaks[16] - peaks[4]) / 2**20
    assert grown < 200, f"{grown:.0f} MiB more for {BLOCK * 16} px than for {BLOCK * 4} px"

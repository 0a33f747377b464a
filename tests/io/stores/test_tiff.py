from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rio_cogeo import cog_validate

from geochange.io.stores import tiff
from geochange.io.stores.tiff import BLOCK_PX, Field, Image, encode_block, pack_head, read_fields


def describe(bits, **extra):
    """Directory of grey pixels."""
    numbers = {tiff.BITS: bits, 262: 1, 277: 1, 284: 1, 339: 1}
    fields = {tag: Field(tiff.SHORT, struct.pack("<H", n)) for tag, n in numbers.items()}
    return fields | {int(tag[1:]): field for tag, field in extra.items()}


def write(path, levels):
    """Write arrays, the full resolution first, as one file."""
    images, data = [], []
    for index, pixels in enumerate(levels):
        rows, cols = (-(-n // BLOCK_PX) for n in pixels.shape)
        padded = np.zeros((rows * BLOCK_PX, cols * BLOCK_PX), pixels.dtype)
        padded[: pixels.shape[0], : pixels.shape[1]] = pixels
        blocks = [
            encode_block(padded[r * BLOCK_PX :, c * BLOCK_PX :][:BLOCK_PX, :BLOCK_PX])
            for r, c in itertools.product(range(rows), range(cols))
        ]
        sizes = np.array([len(block) - 8 for block in blocks], np.uint32).reshape(rows, cols)
        extra = {"_254": Field(tiff.LONG, b"\1\0\0\0")} if index else {}
        fields = describe(8 * pixels.itemsize, **extra)
        images.append(Image(fields, pixels.shape, sizes))
        data.append(b"".join(blocks))
    path.write_bytes(pack_head(images) + b"".join(reversed(data)))


def make(shape, dtype, seed=0):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype, endpoint=True)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(1, 1), (512, 512), (513, 511), (30, 1700)])
def test_gdal_reads_what_is_written(tmp_path, monkeypatch, shape, dtype, big):
    if big:
        monkeypatch.setattr(tiff, "CLASSIC_BYTES", 0)
    path = tmp_path / "a.tif"
    levels = [make(shape, dtype), make(tuple(-(-n // 2) for n in shape), dtype, 1)]
    write(path, levels)
    assert path.read_bytes()[2] == (43 if big else 42)
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), levels[0])
        assert file.compression.name == "zstd"
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    if max(shape) > 1:
        with rasterio.open(path, overview_level=0) as file:
            np.testing.assert_array_equal(file.read(1), levels[1])
        assert cog_validate(path, strict=True) == (True, [], [])


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), span=st.sampled_from([1, 3, 300, 2**16]))
def test_pixels_survive_wherever_differences_wrap(tmp_path_factory, seed, span):
    pixels = np.random.default_rng(seed).integers(0, span, (600, 520)).astype(np.uint16)
    path = tmp_path_factory.mktemp("wrap") / "a.tif"
    write(path, [pixels])
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), pixels)


def test_every_block_lies_between_its_size_and_its_last_bytes(tmp_path):
    path = tmp_path / "a.tif"
    write(path, [make((1100, 600), "uint16"), make((550, 300), "uint16")])
    data = path.read_bytes()
    fields = read_fields(data)
    offsets = np.frombuffer(fields[tiff.TILE_OFFSETS].data, "<u4").astype(int)
    sizes = np.frombuffer(fields[tiff.TILE_BYTES].data, "<u4").astype(int)
    assert offsets.size == 6
    assert (np.diff(offsets) == sizes[:-1] + 8).all()
    for start, size in zip(offsets, sizes, strict=True):
        assert int.from_bytes(data[start - 4 : start], "little") == size
        assert data[start + size : start + size + 4] == data[start + size - 4 : start + size]
    assert offsets[-1] + sizes[-1] + 4 == len(data)


def test_blocks_of_either_byte_order_are_the_same():
    pixels = make((512, 512), "uint16")
    assert encode_block(pixels) == encode_block(pixels.astype(">u2"))
    assert encode_block(pixels.T) == encode_block(np.ascontiguousarray(pixels.T))


def test_fields_of_gdal_come_back(tmp_path):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "height": 7, "width": 9, "count": 1, "dtype": "uint16"}
    with rasterio.open(path, "w", nodata=65535, **profile) as file:
        file.update_tags(a="b" * 100)
    fields = read_fields(path.read_bytes())
    assert fields[42113] == Field(tiff.ASCII, b"65535\0")
    assert b"b" * 100 in fields[42112].data
    assert int.from_bytes(fields[tiff.WIDTH].data, "little") == 9
    assert int.from_bytes(fields[tiff.HEIGHT].data, "little") == 7


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"II*\0",
        b"MM\0*\0\0\0\x08" + bytes(20),
        b"II+\0\x08\0\0\0" + bytes(20),
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\x01\0",
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 42112, 2, 9, 9999),
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 42112, 99, 1, 0),
    ],
)
def test_what_is_no_tiff_is_refused(data):
    with pytest.raises(ValueError, match="TIFF"):
        read_fields(data)

"""Tiled TIFF files: blocks are encoded one by one, anywhere, and one head describes them all.

The layout is that of GDAL's Cloud Optimized GeoTIFFs, and a text in front says so: all directories,
the tables of blocks, the blocks of the smallest overview, ... those of the full resolution. Each
block lies in row-major order between its size and a copy of its last four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geochange.io.stores.compression import zstd

BLOCK_PX = 512
LEVEL = 1
"""Of zstd; higher ones take up to ten times longer and save less than 1 % on scores."""
FRAME_BYTES = 8
"""Around a block: its size in front, its last four bytes again behind."""
CLASSIC_BYTES = 2**32 - 1
"""Larger files need 64-bit offsets: BigTIFF."""
ASCII, SHORT, LONG, DOUBLE, LONG8 = 2, 3, 4, 12, 16
KIND_BYTES = {1: 1, ASCII: 1, SHORT: 2, LONG: 4, DOUBLE: 8, LONG8: 8}
SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PREDICTOR = 254, 256, 257, 258, 259, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
ZSTD = 50000
CLAIMS = (
    b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
GHOST = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n%b" % (len(CLAIMS), CLAIMS)


class Field(NamedTuple):
    """One field of a TIFF directory: the type of its values and their bytes, little-endian."""

    kind: int
    data: bytes


Fields = Mapping[int, Field]
"""A TIFF directory: field by tag."""


@dataclass(frozen=True, slots=True)
class Image:
    """One resolution of a raster in a file.

    Attributes
    ----------
    fields : mapping of int to Field
        Its directory, apart from what follows from the other attributes.
    shape : tuple of int
        ``(height, width)`` in pixels.
    sizes : uint32 (rows, columns)
        Bytes of each block, without its frame.
    """

    fields: Fields
    shape: tuple[int, int]
    sizes: NDArray[np.uint32]

    @property
    def data_bytes(self) -> int:
        """Bytes of all blocks with their frames."""
        return int(self.sizes.sum(dtype=np.int64)) + FRAME_BYTES * self.sizes.size


class Flavour(NamedTuple):
    """How a kind of TIFF begins, and its formats of counts, entries and offsets."""

    magic: bytes
    length: str
    entry: str
    offset: str
    kind: int


CLASSIC = Flavour(b"II*\0", "<H", "<HHI", "<I", LONG)
BIG = Flavour(b"II+\0\x08\0\0\0", "<Q", "<HHQ", "<Q", LONG8)


def encode_block(pixels: NDArray[Any]) -> bytes:
    """Encode a block of unsigned integers, (512, 512), and frame it.

    Types wider than a byte store the difference to the pixel on the left (TIFF's predictor 2).

    Examples
    --------
    >>> block = encode_block(np.zeros((512, 512), np.uint16))
    >>> int.from_bytes(block[:4], "little") + FRAME_BYTES == len(block)
    True
    """
    stored = pixels.astype(pixels.dtype.newbyteorder("<"), order="C")
    if stored.itemsize > 1:
        np.subtract(pixels[:, 1:], pixels[:, :-1], out=stored[:, 1:])
    data = zstd.compress(stored.data, LEVEL)
    return len(data).to_bytes(4, "little") + data + data[-4:]


def read_fields(data: bytes) -> dict[int, Field]:
    """Read the first directory of a little-endian TIFF that is no BigTIFF.

    Raises
    ------
    ValueError
        It is something else, or cut short.
    """
    try:
        magic, start = struct.unpack_from("<4sI", data)
        (count,) = struct.unpack_from(CLASSIC.length, data, start)
        fields = dict(_read_field(data, start + 2 + 12 * index) for index in range(count))
    except (struct.error, KeyError) as error:
        msg = f"not the directory of a TIFF ({error})"
        raise ValueError(msg) from error
    if magic != CLASSIC.magic:
        msg = f"not a little-endian TIFF: it starts with {magic!r}"
        raise ValueError(msg)
    return fields


def _read_field(data: bytes, at: int) -> tuple[int, Field]:
    tag, kind, count = struct.unpack_from(CLASSIC.entry, data, at)
    size = count * KIND_BYTES[kind]
    start = at + 8 if size <= 4 else struct.unpack_from(CLASSIC.offset, data, at + 8)[0]
    if start + size > len(data):
        msg = f"field {tag} of the TIFF is cut short"
        raise ValueError(msg)
    return tag, Field(kind, data[start : start + size])


def pack_head(images: Sequence[Image]) -> bytes:
    """Return all of a file that comes before its blocks; a BigTIFF where it has to be one.

    Parameters
    ----------
    images : sequence of Image
        The full resolution, then its overviews from large to small.
    """
    head = _pack_head(images, CLASSIC)
    total = len(head) + sum(image.data_bytes for image in images)
    return head if total <= CLASSIC_BYTES else _pack_head(images, BIG)


def _pack_head(images: Sequence[Image], flavour: Flavour) -> bytes:
    first = len(flavour.magic) + struct.calcsize(flavour.offset) + len(GHOST)
    first += -first % 16
    drafts = [_pack_directory(_complete(image, 0, flavour), 0, 0, 0, flavour) for image in images]
    near = np.cumsum([first, *(len(directory) for directory, _ in drafts)]).tolist()
    far = np.cumsum([near[-1], *(len(table) for _, table in drafts)]).tolist()
    after = [sum(image.data_bytes for image in images[n + 1 :]) for n in range(len(images))]
    following = [*near[1:-1], 0]
    full = [
        _complete(image, far[-1] + skip, flavour) for image, skip in zip(images, after, strict=True)
    ]
    packed = [
        _pack_directory(full[n], near[n], following[n], far[n], flavour) for n in range(len(full))
    ]
    start = flavour.magic + struct.pack(flavour.offset, first) + GHOST
    directories, tables = zip(*packed, strict=True)
    return b"".join([start.ljust(first, b"\0"), *directories, *tables])


def _complete(image: Image, data_at: int, flavour: Flavour) -> Fields:
    """Add size and blocks of an image to its directory; its blocks start at ``data_at``."""
    sizes = image.sizes.ravel().astype("<u8")
    offsets = data_at + 4 + np.cumsum(sizes + FRAME_BYTES) - (sizes + FRAME_BYTES)
    wide = int.from_bytes(image.fields[BITS].data, "little") > 8
    numbers = {
        HEIGHT: image.shape[0],
        WIDTH: image.shape[1],
        COMPRESSION: ZSTD,
        PREDICTOR: 2 if wide else 1,
        TILE_WIDTH: BLOCK_PX,
        TILE_HEIGHT: BLOCK_PX,
    }
    return {
        **image.fields,
        **{tag: Field(LONG, struct.pack("<I", number)) for tag, number in numbers.items()},
        TILE_OFFSETS: Field(
            flavour.kind, offsets.astype(f"<u{KIND_BYTES[flavour.kind]}").tobytes()
        ),
        TILE_BYTES: Field(LONG, sizes.astype("<u4").tobytes()),
    }


def _pack_directory(
    fields: Fields, at: int, following: int, far: int, flavour: Flavour
) -> tuple[bytes, bytes]:
    """Pack a directory that lies at ``at`` and its tables of blocks, which lie at ``far``."""
    width = struct.calcsize(flavour.offset)
    entry = struct.calcsize(flavour.entry) + width
    behind = at + struct.calcsize(flavour.length) + len(fields) * entry + width
    entries, values, tables = bytearray(), bytearray(), bytearray()
    for tag, (kind, data) in sorted(fields.items()):
        entries += struct.pack(flavour.entry, tag, kind, len(data) // KIND_BYTES[kind])
        if len(data) <= width:
            entries += data.ljust(width, b"\0")
            continue
        area, start = (tables, far) if tag in (TILE_OFFSETS, TILE_BYTES) else (values, behind)
        entries += struct.pack(flavour.offset, start + len(area))
        area += data.ljust(len(data) + len(data) % 2, b"\0")
    count, end = struct.pack(flavour.length, len(fields)), struct.pack(flavour.offset, following)
    return count + entries + end + values, bytes(tables)

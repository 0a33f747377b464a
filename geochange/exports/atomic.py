"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from pyogrio.errors import DataSourceError
from rasterio._err import CPLE_BaseError  # what rasterio.shutil raises; it has no public name
from rasterio.errors import RasterioError

from geochange.errors import OutputError, ResourceError

LEAST_FREE_BYTES = 1 << 20
"""A failed write on a disk with less than this left is put down to the disk."""


@contextmanager
def replace_atomically(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends well.

    When the block raises, nothing is left behind and an older ``path`` stays as it was.

    Raises
    ------
    OutputError
        The file cannot be written.
    ResourceError
        The disk is full.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "note.txt"
    >>> with replace_atomically(path) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('whole', 1)
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except (OSError, RasterioError, CPLE_BaseError, DataSourceError) as error:
        raise _explain(path, error) from error
    finally:
        for leftover in path.parent.glob(f"{escape(temporary.stem)}.*"):
            leftover.unlink(missing_ok=True)


def _explain(path: Path, error: Exception) -> OutputError | ResourceError:
    folder = path.parent
    if folder.is_dir() and shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
        msg = f"the disk of {folder} is full while writing {path.name}; free some space and rerun"
        return ResourceError(msg)
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return OutputError(f"cannot write {path} ({reason}); is its folder there and writable?")

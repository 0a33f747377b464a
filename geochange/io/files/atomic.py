"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from pyogrio.errors import DataSourceError
from rasterio._err import CPLE_BaseError  # what rasterio.shutil raises; it has no public name
from rasterio.errors import RasterioError

from geochange.errors import GeochangeError, OutputError, OutputExistsError, ResourceError

LEAST_FREE_BYTES = 4 * 2**20
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
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        with explain_failure(path):
            yield temporary
            temporary.replace(path)
    finally:
        for leftover in path.parent.glob(f"{escape(temporary.stem)}.*"):
            leftover.unlink(missing_ok=True)


@contextmanager
def explain_failure(path: str | Path) -> Iterator[None]:
    """Turn what goes wrong while ``path`` is written into one line.

    Raises
    ------
    OutputError
        The file cannot be written.
    ResourceError
        The disk is full.
    """
    try:
        yield
    except GeochangeError:
        raise
    except (OSError, RasterioError, CPLE_BaseError, DataSourceError) as error:
        raise _explain(Path(path), error) from error


def check_target(path: str | Path, *, overwrite: bool) -> None:
    """Refuse a file that is there already, or whose folder is not there, before any work.

    Raises
    ------
    OutputExistsError, OutputError
    """
    path = Path(path)
    if path.exists() and not overwrite:
        msg = f"{path} exists; choose another output or overwrite it (--overwrite)"
        raise OutputExistsError(msg)
    if path.is_dir():
        msg = f"{path} is a folder; give the name of a file"
        raise OutputError(msg)
    if not path.parent.is_dir():
        msg = f"cannot write {path}: there is no folder {path.parent}; make it, or choose another"
        raise OutputError(msg)


def is_full(folder: Path, least_free_bytes: int = LEAST_FREE_BYTES) -> bool:
    """Tell whether a failed write in a folder is put down to its disk.

    A file system of no size at all, such as ``/proc``, is not full: it takes no files.
    """
    usage = shutil.disk_usage(folder)
    return usage.total > 0 and usage.free < least_free_bytes


def _explain(path: Path, error: Exception) -> OutputError | ResourceError:
    folder = path.parent
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if full or (folder.is_dir() and is_full(folder)):
        msg = f"the disk of {folder} is full while writing {path.name}; free some space"
        return ResourceError(msg)
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return OutputError(f"cannot write {path} ({reason}); is its folder there and writable?")

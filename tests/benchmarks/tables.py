"""Tables in Markdown with the machine written beside them."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import geochange

CPUINFO = Path("/proc/cpuinfo")


def format_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows of equal keys as a Markdown table."""
    if not rows:
        return "(nothing measured)"
    cells = [rows[0].keys(), *(row.values() for row in rows)]
    lines = ["| " + " | ".join(map(str, line)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def tell(row: Mapping[str, object]) -> Mapping[str, object]:
    """Show a row on stderr as it comes, and return it."""
    print(" ".join(f"{key}={value}" for key, value in row.items()), file=sys.stderr)
    return row


def describe_machine() -> str:
    """Return version, date and machine in one line."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{name_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB"
    python = f"Python {platform.python_version()}"
    return f"geochange {geochange.__version__}, {today}, {machine}, {python}"


def name_processor() -> str:
    """Return the processor's name where Linux gives it, else its architecture."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

"""Time and memory of a command with all the processes that it starts (Linux and macOS)."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SAMPLES_PER_S = 25
STEPS = Path(__file__).with_name("steps.py")


@dataclass(frozen=True)
class Measured:
    """What a command took.

    Attributes
    ----------
    output : str
        What it wrote to stdout.
    wall_s, cpu_s : float
        From its start to its end; user and system time of all its processes.
    peak_bytes : int
        Greatest memory of all processes together: the sum of their proportional shares (PSS, which
        counts a page that several share once; RSS where the system does not tell), sampled. Never
        less than ``largest_bytes``.
    largest_bytes : int
        Greatest resident memory of the largest process: ``ru_maxrss``, or sampled when that is no
        more than what the command inherits from this process.
    """

    output: str
    wall_s: float
    cpu_s: float
    peak_bytes: int
    largest_bytes: int


def measure(words: list[str], variables: Mapping[str, str] | None = None) -> Measured:
    """Run a command and measure it; one that fails ends the benchmark with what it said."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as complaints:
        start = time.perf_counter()
        child = subprocess.Popen(
            words, stdout=output, stderr=complaints, env={**os.environ, **(variables or {})}
        )
        with Sampler(child.pid) as sampler:
            _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            complaints.seek(0)
            sys.exit(f"{' '.join(words)} failed ({child.returncode}): {complaints.read()}")
        output.seek(0)
        inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        unit = 1 if sys.platform == "darwin" else 1024
        largest = usage.ru_maxrss * unit if usage.ru_maxrss > inherited else sampler.largest
        cpu = usage.ru_utime + usage.ru_stime
        return Measured(output.read(), wall, cpu, max(sampler.peak, largest), largest)


def run_step(name: str, **arguments: object) -> tuple[Any, Measured]:
    """Run a step of ``steps.py`` in a process of its own; return its answer and what it took."""
    measured = measure([sys.executable, str(STEPS), name, json.dumps(arguments)])
    return json.loads(measured.output.splitlines()[-1]), measured


class Sampler:
    """A thread that watches the memory of a process and its descendants.

    Attributes
    ----------
    peak, largest : int
        Greatest bytes so far of all together, and of one of them.
    """

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.peak = self.largest = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self) -> Sampler:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def watch(self) -> None:
        while not self.done.wait(1 / SAMPLES_PER_S):
            found = list(measure_tree(self.process))
            self.peak = max(self.peak, sum(share for share, _ in found))
            self.largest = max(self.largest, *(resident for _, resident in found), 0)


def measure_tree(process: psutil.Process) -> Iterator[tuple[int, int]]:
    """Yield proportional share and resident bytes of a process and its descendants now."""
    try:
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for one in tree:
        try:
            memory = one.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        yield getattr(memory, "pss", memory.rss), memory.rss

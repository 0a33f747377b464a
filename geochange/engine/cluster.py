"""Worker processes on this machine, or on any cluster that dask.distributed runs."""

from __future__ import annotations

import logging
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from concurrent.futures import Future as Promise
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import dask
from distributed import Client, Future, LocalCluster
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError

from geochange.errors import ClusterError, GeochangeWarning
from geochange.tiles import Tile
from geochange.version import __version__

T = TypeVar("T")
JOIN_SECONDS = 60
"""How long to wait for the first worker of a cluster."""
CONNECT_SECONDS = 10
COUNT_EVERY_SECONDS = 1.0
"""Workers come and go: how old a count of them may be."""
MALLOC = "distributed.nanny.pre-spawn-environ.MALLOC"
WORKER_MALLOC = {f"{MALLOC}_MMAP_THRESHOLD_": 2**25, f"{MALLOC}_TRIM_THRESHOLD_": 2**26}
"""Bounds at which glibc arrives by itself in a process that works with tiles. Dask's own fix them
so low that every array is fetched from the system page by page: tiles then take half as long again.
"""
GPU = "GPU"
"""Name of the resource that workers with a GPU declare: ``dask worker --resources GPU=1``."""


@dataclass
class Cluster:
    """The workers of a dask.distributed scheduler.

    Attributes
    ----------
    client : Client
    """

    client: Client
    counted: tuple[float, int] = field(default=(-1.0, 1), init=False)

    def slots(self) -> int:
        """Return the threads of all workers, as known within the last second."""
        when, count = self.counted
        if time.monotonic() - when > COUNT_EVERY_SECONDS:
            try:
                count = sum(self.client.nthreads().values())
            except (CommClosedError, OSError, TimeoutError):
                count = self.counted[1]  # a lost scheduler shows in the results
            self.counted = time.monotonic(), count
        return count

    def share(self, task: Callable[[Tile], Any]) -> Future[Any]:
        """Hand a task to the cluster as a result that workers pass on, once each.

        It is a result, not scattered data: when the worker that holds it dies, the scheduler makes
        it again.
        """
        return self.client.submit(hold, task, pure=False)

    def choose(self, gpu: bool) -> Executor:
        """Return an executor; with ``gpu`` its calls go where a GPU was declared and is free."""
        if not gpu:
            return ClusterExecutor(self.client)
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        if not any(worker["resources"].get(GPU) for worker in workers):
            msg = (
                f"no worker declares the resource {GPU}; start those with a GPU as "
                f"'dask worker --resources {GPU}=1'"
            )
            raise ClusterError(msg)
        return ClusterExecutor(self.client, {GPU: 1})


@dataclass(frozen=True)
class ClusterExecutor(Executor):
    """Sends calls to workers; its futures outlive the workers that hold their results.

    dask's own ``Client.get_executor`` takes a result that a dying worker took along for an error.

    Attributes
    ----------
    client : Client
    resources : dict, optional
        What a call takes of those that workers declare.
    """

    client: Client
    resources: dict[str, float] | None = None

    def submit(self, function: Callable[..., T], /, *arguments: Any, **named: Any) -> Promise[T]:
        """Send a call; see :class:`concurrent.futures.Executor`."""
        remote = self.client.submit(
            function, *arguments, **named, pure=False, resources=self.resources
        )
        promise: Promise[T] = Promise()
        promise.add_done_callback(lambda done: remote.cancel() if done.cancelled() else None)
        remote.add_done_callback(partial(keep_promise, promise))
        return promise


def keep_promise(promise: Promise[T], remote: Future[T]) -> None:
    """Hand a result or an error on to the one who waits for it."""
    if not promise.set_running_or_notify_cancel():
        return
    try:
        result = remote.result()
    except (FutureCancelledError, CommClosedError):
        msg = "the scheduler of the cluster is gone; start it again"
        promise.set_exception(ClusterError(msg))
    except Exception as error:  # noqa: BLE001 - a task may fail with anything
        promise.set_exception(error)
    else:
        promise.set_result(result)


def hold(task: Callable[[Tile], Any]) -> Callable[[Tile], Any]:
    """Return a task; run on a worker, it makes the task a result that stays there."""
    return task


@contextmanager
def start_workers(workers: int, threads: int, memory_bytes: int | None = None) -> Iterator[Cluster]:
    """Start worker processes on this machine, reachable from it alone and encrypted.

    A worker that dies is started again; only the tiles that it was running are run again.

    Parameters
    ----------
    workers, threads : int
        Processes, and threads of each.

    Raises
    ------
    ClusterError
        They do not start: in a script, because they import it and it calls this again.
    """
    try:
        with _no_interrupts(), dask.config.set(WORKER_MALLOC):
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=threads,
                processes=True,
                dashboard_address=None,
                memory_limit=0,  # tiles are sized to fit; dask would restart workers that are at it
                security=True,
                silence_logs=logging.CRITICAL,
            )
    except RuntimeError as error:
        msg = (
            f"{workers} worker processes did not start ({error}); they import the running script: "
            "put what it does under if __name__ == '__main__'"
        )
        raise ClusterError(msg) from error
    with cluster, Client(cluster, set_as_default=False) as client:
        addresses = list(client.nthreads())
        warming = [client.submit(warm_up, workers=[worker], pure=False) for worker in addresses]
        yield Cluster(client)
        del warming  # a future that is held is work that is wanted


@contextmanager
def connect(scheduler: str) -> Iterator[Cluster]:
    """Connect to a running cluster; leaving the block leaves the cluster as it was.

    Parameters
    ----------
    scheduler : str
        Address or scheduler file. For ``tls://`` dask's own configuration names the certificates.

    Raises
    ------
    ClusterError
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # errors are told by our own words
    target = {"address": scheduler} if "://" in scheduler else {"scheduler_file": scheduler}
    try:
        _wait_for_file(scheduler)
        client = Client(**target, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error).splitlines()[0]
        msg = f"no dask scheduler at {scheduler} ({reason}); start one with 'dask scheduler'"
        raise ClusterError(msg) from error
    with client:
        _check_workers(client, scheduler)
        yield Cluster(client)


def _wait_for_file(scheduler: str) -> None:
    """Give a scheduler that was just started the time to write its file."""
    deadline = time.monotonic() + CONNECT_SECONDS
    while "://" not in scheduler and not Path(scheduler).is_file():
        if time.monotonic() > deadline:
            msg = "there is no such scheduler file, nor is it an address like tcp://HOST:8786"
            raise OSError(msg)
        time.sleep(0.1)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Let processes that are started here ignore Ctrl-C: this one stops them in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _check_workers(client: Client, scheduler: str) -> None:
    """Wait for the first worker and see that all run this version of geochange."""
    if not client.nthreads():
        note = f"{scheduler} has no workers yet; waiting {JOIN_SECONDS} s for the first"
        warnings.warn(note, GeochangeWarning, stacklevel=2)
    try:
        client.wait_for_workers(1, timeout=JOIN_SECONDS)
    except TimeoutError as error:
        msg = f"no worker joined {scheduler} in {JOIN_SECONDS} s; start some with 'dask worker'"
        raise ClusterError(msg) from error
    try:
        versions = client.run(tell_version)
    except ModuleNotFoundError as error:
        msg = f"a worker of {scheduler} lacks {error.name}; install geochange {__version__} there"
        raise ClusterError(msg) from error
    others = {name: found for name, found in versions.items() if found != __version__}
    if others:
        name, found = next(iter(others.items()))
        msg = f"worker {name} has geochange {found}, this is {__version__}; install the same"
        raise ClusterError(msg)


def warm_up() -> None:
    """Import what tasks need while the first tiles are prepared; run on a worker."""
    import geochange.engine.scoring
    import geochange.maps.features  # noqa: F401


def tell_version() -> str:
    """Return the version of geochange; run on a worker."""
    return __version__

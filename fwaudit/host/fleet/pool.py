"""Work spread over the processes of an executor (concurrent.futures), each item answered exactly once.

Items go out in chunks, a bounded number at a time, so that memory does not grow with their number. A chunk that takes
its process down with it is done again, item by item in a process of its own: what takes that one down as well is told
so, and everything beside it gets its answer.
"""

from __future__ import annotations

import gc
import resource
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_CHUNK = 16
_AHEAD = 3
"""So many chunks wait for each process beside the one that it works on."""
_PATIENCE = 60.0
"""Seconds beyond the time of a whole chunk, in which nothing at all has come back."""
_GRACE = 10
"""Seconds of a processor that a worker gets beyond its time, before the kernel ends it."""


@dataclass(frozen=True)
class Pool:
    """``make`` starts an executor of ``size`` workers, ``alone`` one of a single worker. ``elsewhere``: they have a
    current folder of their own, so that relative paths mean nothing to them."""

    make: Callable[[], Executor]
    alone: Callable[[], Executor]
    size: int
    chunk: int = _CHUNK
    elsewhere: bool = False


class Late(Exception):
    """A worker's time for one item is over."""


def local(jobs: int, memory: int, prepare: Callable[[], object]) -> Pool:
    """Processes of this machine, with at most ``memory`` bytes each beyond what is loaded.

    ``prepare`` loads what they need, once, before they part from this process."""
    prepare()
    gc.collect()
    gc.freeze()  # what is loaded is no garbage: a worker that looks through it would copy all of its pages

    def processes(count: int) -> Executor:
        return ProcessPoolExecutor(count, get_context("fork"), _begin, (memory,))

    return Pool(lambda: processes(jobs), lambda: processes(1), jobs)


def _begin(memory: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with Path("/proc/self/statm").open() as stream:  # what is mapped already, by libraries most of it, does not count
        wanted = int(stream.read().split()[0]) * resource.getpagesize() + memory
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    gc.disable()


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises Late inside when the time is over; a process that does not heed it is ended by the kernel. Where signals
    do not reach (a thread of a Dask worker), there is no limit here, and `answers` gives up on it."""
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _late)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_PROF, seconds + _GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGALRM, before)


def _late(_number: int, _frame: object) -> None:
    raise Late


class _Work(Generic[T, R]):
    """What is under way. ``again``: items of chunks that were lost, to be done one by one."""

    def __init__(self, pool: Pool, task: Callable[[Sequence[T]], Sequence[R]], lost: Callable[[T, str], R],
                 seconds: float) -> None:
        self.pool, self.task, self.lost, self.seconds = pool, task, lost, seconds
        self.running: dict[Future[Sequence[R]], Sequence[T]] = {}
        self.again: list[T] = []
        self.executor: Executor | None = None

    def run(self, items: Iterator[T]) -> Iterator[R]:
        window = self.pool.size * (1 + _AHEAD)
        try:
            while True:
                while len(self.running) < window and not self.again and (
                        chunk := list(islice(items, self.pool.chunk))):
                    self._start(chunk)
                if not self.running:
                    if not self.again:
                        return
                    yield from self._singly()
                    continue
                yield from self._some()
        except BaseException:  # Ctrl-C, or nobody wants the rest: what is under way is not waited for
            self._stop(kill=True)
            raise
        finally:
            self._stop()

    def _start(self, chunk: Sequence[T]) -> None:
        if self.executor is None:
            self.executor = self.pool.make()
        try:
            self.running[self.executor.submit(self.task, chunk)] = chunk
        except Exception:  # the pool broke before it said so
            self.again += chunk

    def _some(self) -> Iterator[R]:
        done, _ = wait(self.running, self.seconds * self.pool.chunk + _PATIENCE, FIRST_COMPLETED)
        if not done:
            for chunk in self.running.values():
                yield from (self.lost(item, "no answer in time") for item in chunk)
            self.running.clear()
            self._stop(kill=True)
        for future in done:
            chunk = self.running.pop(future)
            found = _result(future)
            if found is None or len(found) != len(chunk):
                self.again += chunk
            else:
                yield from found

    def _singly(self) -> Iterator[R]:
        """Each item that was lost with others, in a process of its own; a new one where it took that down."""
        self._stop()
        items, self.again = self.again, []
        executor: Executor | None = None
        for item in items:
            executor = executor or self.pool.alone()
            found = None
            try:
                future = executor.submit(self.task, [item])
                wait([future], self.seconds + _PATIENCE)
                found = _result(future) if future.done() else None
            except Exception:
                found = None
            if found is not None and len(found) == 1:
                yield found[0]
                continue
            _end(executor, kill=True)
            executor = None
            yield self.lost(item, "its process was ended: it takes too much time or memory, or crashes")
        if executor is not None:
            _end(executor)

    def _stop(self, kill: bool = False) -> None:
        if self.executor is not None:
            _end(self.executor, kill)
            self.executor = None


def _result(future: Future[Sequence[R]]) -> Sequence[R] | None:
    try:
        return future.result(0)
    except Exception:  # a broken pool, a killed worker, a lost scheduler, a result that does not unpickle
        return None


def _end(executor: Executor, kill: bool = False) -> None:
    processes: dict[int, Any] = dict(getattr(executor, "_processes", None) or {}) if kill else {}
    executor.shutdown(wait=not kill)
    for process in processes.values():
        process.kill()


def answers(items: Iterable[T], pool: Pool, task: Callable[[Sequence[T]], Sequence[R]], lost: Callable[[T, str], R],
            seconds: float) -> Iterator[R]:
    """One answer for each item, in the order in which they come. ``task`` takes a chunk and gives an answer for each of
    its items. ``lost(item, why)`` is the answer for an item of which there will be none. ``seconds``: for one item."""
    return _Work(pool, task, lost, seconds).run(iter(items))

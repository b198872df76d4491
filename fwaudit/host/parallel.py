"""Do several things side by side and wait for them only so long.

Daemon threads and not a pool: a pool waits for its threads when the interpreter ends, so that one engine that never
answers would keep the program from ending.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")
K = TypeVar("K")


def side_by_side(
    tasks: Mapping[K, Callable[[], T]], seconds: float, threads: int | None = None
) -> Iterator[tuple[K, T | BaseException]]:
    """Yield (key, result or the exception raised) as the tasks end; those that are late are not yielded."""
    waiting: queue.SimpleQueue[K] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[K, T | BaseException]] = queue.SimpleQueue()
    late = threading.Event()
    for key in tasks:
        waiting.put(key)

    def work() -> None:
        while not late.is_set():
            try:
                key = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((key, tasks[key]()))
            except BaseException as error:  # handed to the asker, who knows what it means
                done.put((key, error))

    for _ in range(min(len(tasks), threads or len(tasks))):
        threading.Thread(target=work, daemon=True).start()
    deadline = time.monotonic() + seconds
    try:
        for _ in range(len(tasks)):
            try:
                yield done.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
    finally:
        late.set()


def together(tasks: Mapping[K, Callable[[], T]], seconds: float, threads: int | None = None) -> dict[K, T]:
    """The results of the tasks, side by side; of those that are late, none. Raises what a task has raised."""
    found = {}
    for key, result in side_by_side(tasks, seconds, threads):
        if isinstance(result, BaseException):
            raise result
        found[key] = result
    return found


def spread(items: Sequence[T], count: int) -> list[Sequence[T]]:
    """Deal the items out to at most ``count`` hands."""
    return [hand for start in range(count) if (hand := items[start::count])]

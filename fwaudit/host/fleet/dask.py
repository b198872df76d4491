"""The workers of a Dask cluster that is there already, behind the same Executor interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fwaudit.errors import UsageError
from fwaudit.host.fleet.find import HINT
from fwaudit.host.fleet.pool import Pool

_SCHEME = "dask://"
_PATIENCE = 10
_CHUNK = 8
"""Smaller than that of local processes: what a worker that is lost had in hand is done again."""


@contextmanager
def cluster(address: str) -> Iterator[Pool]:
    """The pool of ``dask://HOST:PORT``, a scheduler. Raises UsageError where nobody answers there, or without workers.

    Dask itself gives the work of a worker that is lost to another one; a task that several workers died of is done once
    more, item by item, and then said to be lost. Client.get_executor:
    https://distributed.dask.org/en/stable/api.html#distributed.Client.get_executor
    """
    try:
        import distributed
    except ImportError:
        raise UsageError(f"{address}: needs Dask", HINT) from None
    where = f"tcp://{address.removeprefix(_SCHEME)}"
    try:
        client: Any = distributed.Client(where, timeout=_PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: {error}", "Start one: dask scheduler") from error
    with client:
        cores = sum(client.ncores().values())
        if not cores:
            raise UsageError(f"the Dask scheduler at {address} has no workers", f"Start one: dask worker {where}")
        executor = lambda: client.get_executor(pure=False)  # noqa: E731
        yield Pool(executor, executor, cores, _CHUNK, elsewhere=True)

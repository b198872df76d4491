"""What a worker of ``fwaudit fleet report`` does: snapshots in, compact rows out. It never raises for a snapshot."""

from __future__ import annotations

import datetime
import gc
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from threading import local

from fwaudit.audit import audit
from fwaudit.errors import FwauditError
from fwaudit.exposure.compliance import check
from fwaudit.exposure.fleet import row_of
from fwaudit.host.fleet.find import without_secrets
from fwaudit.host.fleet.pool import Late, limited
from fwaudit.host.fleet.read import read
from fwaudit.model.compliance import Policy
from fwaudit.model.fleet import HostRow
from fwaudit.path.chain_store import ChainStore
from fwaudit.records import dataclass

_MESSAGE = 500
_GARBAGE = 50_000
"""Objects after which a worker of our own, whose collector is off, looks for garbage: between two snapshots, never in
one (a search inside costs up to four times the work, docs/performance.md), and among new objects alone, since what is
left of earlier hosts is what the engine remembers: to look through that again took 8 ms of 27 a host."""


class _Kept(local):
    """What a worker keeps of the hosts that it has seen, for the next one (`ChainStore`). A worker is a process, with
    Dask a thread of one: two that work on one store would spoil it."""

    def __init__(self) -> None:
        self.store = ChainStore()

    def renew(self) -> None:
        """Forget all."""
        self.store.close()
        self.store = ChainStore()


_KEPT = _Kept()


@dataclass(frozen=True, slots=True)
class Task:
    """Crosses to the workers with every chunk. ``format``: of its own for each host, or empty. ``seconds``: for one
    snapshot."""

    policy: Policy
    today: datetime.date
    seconds: float
    format: str = ""

    def __call__(self, sources: Sequence[str]) -> list[HostRow]:
        rows = []
        for source in sources:
            rows.append(self._one(source))
            if _KEPT.store.is_full:
                _KEPT.renew()
            if not gc.isenabled() and gc.get_count()[0] > _GARBAGE:
                gc.collect(0)
        return rows

    def _one(self, source: str) -> HostRow:
        try:
            with limited(self.seconds):
                return self._row(source)
        except FwauditError as error:
            return lost(source, str(error))
        except Late:
            why = f"not done after {self.seconds:g} s"
        except MemoryError:
            why = "needs more memory than --memory allows"
        except Exception as error:
            why = f"internal error: {type(error).__name__}: {error}"
        _KEPT.renew()  # it came in the middle of anything
        return lost(source, why)

    def _row(self, source: str) -> HostRow:
        checked = check(audit(read(source), _KEPT.store), self.policy, self.today)
        row = row_of(checked, without_secrets(source))
        if not self.format:
            return row
        return replace(row, rendered=import_module(f"fwaudit.render.{self.format}").render_checked(checked))


def lost(source: str, why: str) -> HostRow:
    """The row of a snapshot that says nothing, and why."""
    return HostRow(without_secrets(source), error=why[:_MESSAGE])


def prepare() -> None:
    """Load what the first snapshot would, so that workers that part from this process have it."""
    from fwaudit.host import snapshot_file
    from fwaudit.model.snapshot import Snapshot

    audit(Snapshot({"iptables/nft.v4": b"*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"}))
    assert snapshot_file.META

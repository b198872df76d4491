"""Ask the whole machine at once: every collector side by side, each failure a source with a reason."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timezone

from fwaudit import __version__
from fwaudit.errors import UsageError
from fwaudit.host.collectors import boot, docker, ipset, iptables, network, ruleset, sockets, sysctl, ufw
from fwaudit.host.parallel import side_by_side
from fwaudit.host.run import GRACE, Collected, Machine
from fwaudit.model.snapshot import Snapshot, Source

Collector = Callable[[Machine], Iterable[Collected]]

# By name: what to call, and the sources that are missing when it gives no answer (a folder stands for its files).
COLLECTORS: Mapping[str, tuple[Collector, tuple[str, ...]]] = {
    "ufw": (ufw.collect, ("ufw",)),  # the first, since it takes longest
    "rules": (ruleset.collect, ("iptables/nft.v4", "iptables/nft.v6", "nft")),
    "legacy": (iptables.collect_legacy, ("iptables",)),
    "ipset": (ipset.collect, ("ipset",)),
    "docker": (docker.collect, ("docker",)),
    "network": (network.collect, ("net",)),
    "sockets": (sockets.collect, ("sockets",)),
    "sysctl": (sysctl.collect, ("sysctl",)),
    "boot": (boot.collect, ("boot",)),
}
# Folders that two collectors share: no one of them alone can be asked for and the picture be whole.
_TOGETHER = {"iptables": ("rules", "legacy"), "nftables": ("rules",)}


def collect(
    *, only: Collection[str] | None = None, progress: Callable[[str], None] | None = None, timeout: float = 30.0,
    machine: Machine | None = None,
) -> Snapshot:
    """The facts of this host, within ``timeout`` seconds. Never raises for what the machine does not answer.

    ``only``: names of COLLECTORS, or ``iptables``/``nftables``; ``progress`` is called with a collector's name as it
    ends; ``machine`` is for one call and is stopped at its end. Without root, what needs it is missing with
    "permission denied; run as root". Raises UsageError for a name that is none.
    """
    machine = machine or Machine(timeout)
    names = _names(only)
    taken_at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    files: dict[str, bytes] = {}
    sources: dict[str, Source] = {}
    found: dict[str, list[Collected]] = {name: [] for name in names}
    tasks = {name: (lambda name=name: found[name].extend(COLLECTORS[name][0](machine))) for name in names}
    late = dict.fromkeys(names)
    try:
        for name, error in side_by_side(tasks, machine.left() + GRACE):
            late.pop(name, None)
            if isinstance(error, BaseException):
                _missing(sources, name, f"internal error: {type(error).__name__}: {error}"[:300])
            _add(files, sources, found[name])
            if progress is not None:
                progress(name)
    finally:
        machine.stop()
    for name in late:
        _missing(sources, name, f"no answer within {machine.timeout:g} s")
        _add(files, sources, tuple(found[name]))  # what it had said by then
    return Snapshot(files, dict(sorted(sources.items())), socket.gethostname(), taken_at, __version__)


def is_root() -> bool:
    """Whether everything can be read; without it the snapshot has gaps."""
    return os.geteuid() == 0


def _names(only: Collection[str] | None) -> list[str]:
    if only is None:
        return list(COLLECTORS)
    wanted = {name for each in only for name in _TOGETHER.get(each, (each,))}
    unknown = wanted - set(COLLECTORS)
    if unknown:
        known = ", ".join(sorted({*COLLECTORS, *_TOGETHER}))
        raise UsageError(f"no such collector: {', '.join(sorted(unknown))}", f"there are: {known}")
    return [name for name in COLLECTORS if name in wanted]


def _add(files: dict[str, bytes], sources: dict[str, Source], found: Iterable[Collected]) -> None:
    for each in found:
        sources[each.name] = each.source
        if each.data is not None:
            files[each.name] = each.data


def _missing(sources: dict[str, Source], name: str, reason: str) -> None:
    for source in COLLECTORS[name][1]:
        sources[source] = Source(missing=reason)

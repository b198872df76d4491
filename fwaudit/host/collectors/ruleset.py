"""The rules of nf_tables as one moment's truth: iptables-nft's and native tables, read under one generation number.

The kernel counts the changes of the ruleset (GETGEN). Where the number moves while the listings are read, they are
read again; where it never stands still, the listings are kept and each one's ``doubt`` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fwaudit.host.collectors import iptables, nftables
from fwaudit.host.collectors.nftables import Judged
from fwaudit.host.kernel import is_present
from fwaudit.host.netlink import NetlinkError, Nftables, why
from fwaudit.host.parallel import side_by_side
from fwaudit.host.run import GRACE, Collected, Machine, missing

TRIES = 4
TORN = "the ruleset changed while it was read"
_FILES = (iptables.NFT_FILES[4], iptables.NFT_FILES[6], nftables.FILE)


def collect(machine: Machine) -> Iterable[Collected]:
    """``iptables/nft.v4``, ``iptables/nft.v6``, ``nft/ruleset.json`` and ``nft/tables.json``."""
    if not is_present(machine, "nf_tables"):
        note = "not asked: nf_tables is not in the kernel, so it holds no rules"
        yield from (iptables.nothing(iptables.NFT_FILES[version], note) for version in (4, 6))
        yield replace_note(nftables.collect_native(machine, ()), note)
        yield nftables.shown(())
        return
    try:
        with Nftables() as connection:
            yield from _settled(machine, connection)
    except (NetlinkError, OSError) as error:
        yield from (missing(why(error)).named(name) for name in _FILES)


def replace_note(collected: Collected, note: str) -> Collected:
    """The same file, with a note where a tool's talk would stand."""
    return replace(collected, source=replace(collected.source, stderr=note))


def _settled(machine: Machine, connection: Nftables) -> Iterable[Collected]:
    found: list[Collected] = []
    for _ in range(TRIES):
        before = connection.generation()
        try:
            tables = nftables.judge(connection)
        except NetlinkError as error:
            if error.number:
                raise
            continue  # the dump itself says that it was interrupted
        found = _read(machine, tables)
        if connection.generation() == before:
            return found
        if machine.left() <= 0:
            break
    if not found:
        raise NetlinkError(0)
    return [replace(each, source=replace(each.source, doubt=TORN)) for each in found]


def _read(machine: Machine, tables: Sequence[Judged]) -> list[Collected]:
    tasks: dict[int, Callable[[], Collected]] = {
        version: lambda version=version: _iptables(machine, version, tables)  # type: ignore[misc]
        for version in (4, 6)
    }
    answers = dict(side_by_side(tasks, machine.left() + GRACE))
    found = []
    for version in (4, 6):
        answer = answers.get(version)
        if not isinstance(answer, Collected):
            answer = missing(f"internal error: {answer!r}").named(iptables.NFT_FILES[version])
        found.append(answer)
    unread = {iptables.FAMILY[v] for v, each in zip((4, 6), found, strict=True) if each.data is None}
    # A table that iptables should have listed and could not is listed natively: better half read than not at all.
    native = [each for each in tables if each.writer != "iptables" or each.table.family in unread]
    return [*found, nftables.collect_native(machine, native), nftables.shown(tables)]


def _iptables(machine: Machine, version: int, tables: Sequence[Judged]) -> Collected:
    """What iptables-nft-save says of the tables that iptables wrote, and of no others.

    It is not run where there is nothing of its own: it would print empty tables that do not exist, and translating
    rules that nft wrote can load modules for matches (nfnl_compat_get in net/netfilter/nft_compat.c).
    """
    name = iptables.NFT_FILES[version]
    ours = [each for each in tables if each.table.family == iptables.FAMILY[version]
            and each.table.name in nftables.BUILT_IN]
    written = [each.table.name for each in ours if each.writer != "nft"]
    if not written:
        return iptables.nothing(name, "not asked: iptables has no table in nf_tables")
    collected = iptables.save_nft(machine, version, () if len(written) == len(ours) else written)
    mixed = ", ".join(each.table.name for each in ours if each.writer == "mixed")
    if collected.data is None or not mixed:
        return collected
    doubt = f"iptables did not write all that is in table {mixed}, and prints the rest wrongly or not at all"
    return replace(collected, source=replace(collected.source, doubt=doubt))

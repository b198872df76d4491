"""iptables in both of its backends: what ``iptables-nft-save`` and ``iptables-legacy-save`` print.

Legacy tables are read only where they exist already (``/proc/net/ip_tables_names``): asking iptables-legacy for a
table makes it (ran: ``iptables-legacy -L`` in a fresh namespace). Never through python-iptables, which does the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from fwaudit.host.kernel import is_present
from fwaudit.host.run import Answer, Collected, Machine, missing
from fwaudit.model.snapshot import Source

TOOL = {4: "iptables", 6: "ip6tables"}
FAMILY = {4: "ip", 6: "ip6"}
NFT_FILES = {4: "iptables/nft.v4", 6: "iptables/nft.v6"}
_NAMES = {4: "/proc/net/ip_tables_names", 6: "/proc/net/ip6_tables_names"}


def is_nft(version: str) -> bool:
    """True where ``iptables -V`` names the nf_tables backend. Before 1.8 there was only legacy, and no word for it."""
    return "(nf_tables)" in version


def is_legacy_program(path: str) -> bool:
    """True where an iptables command leads to the program of the legacy backend (of both, up to 1.6, with no word for
    it): it talks to the kernel over raw sockets, and for ``-V`` not at all."""
    name = Path(path).resolve().name
    return "legacy" in name or name in ("xtables-multi", "iptables-multi", "ip6tables-multi")


def may_be_asked(machine: Machine, tool: str) -> bool:
    """True where asking an iptables command for its version loads nothing: iptables-nft opens a netfilter socket even
    for that (ran, under strace), and the kernel loads nfnetlink for the first one (``request_module`` in
    ``netlink_create``, net/netlink/af_netlink.c)."""
    program = machine.which(tool)
    return program is None or is_legacy_program(program) or is_present(machine, "nf_tables")


def save_nft(machine: Machine, version: int, tables: Sequence[str] = ()) -> Collected:
    """The rules that iptables-nft keeps for one IP version (4 or 6).

    ``tables``: print only these, one after the other; empty: whatever there is.
    """
    name, tool = NFT_FILES[version], TOOL[version]
    saver, said = f"{tool}-nft-save", ""
    if machine.which(saver) is None:
        saver, said = f"{tool}-save", machine.version(tool, "-V")
        if not is_nft(said):
            return missing(f"{tool}-nft-save is not installed").named(name, said)
    said = said or machine.version(f"{tool}-nft", "-V") or machine.version(saver, "-V")
    answers = [machine.run([saver, "-c", *options])
               for options in ([["-t", table] for table in tables] or [[]])]
    return _joined(answers).named(name, said)


def _joined(answers: Sequence[Answer]) -> Answer:
    for answer in answers:
        if answer.data is None:
            return answer
    return Answer(b"".join(answer.data or b"" for answer in answers), answers[-1].source)


def nothing(name: str, why: str) -> Collected:
    """A file that is known to be empty without running anything. ``why`` goes where a tool's talk would stand."""
    return Collected(name, b"", Source(stderr=why))


def collect_legacy(machine: Machine) -> Iterable[Collected]:
    """The legacy tables of both IP versions, with the kernel's list of them.

    Each table is replaced and read as a whole by the kernel, so that one of them is never torn.
    """
    for version in (4, 6):
        yield from _legacy(machine, version)


def _legacy(machine: Machine, version: int) -> Iterator[Collected]:
    names = machine.read(_NAMES[version])
    if names.data is None and names.source.missing.startswith("no such file"):
        # The file comes with the module; without it there are no legacy tables.
        yield nothing(f"iptables/names.v{version}", "the kernel has no legacy tables loaded")
        return
    yield names.named(f"iptables/names.v{version}")
    if names.data is None:
        yield missing(names.source.missing).named(f"iptables/legacy.v{version}")
    elif names.data.strip():
        yield _save_legacy(machine, version)


def _save_legacy(machine: Machine, version: int) -> Collected:
    name, tool = f"iptables/legacy.v{version}", TOOL[version]
    for saver, asked in ((f"{tool}-legacy-save", f"{tool}-legacy"), (f"{tool}-save", tool)):
        if machine.which(saver) is not None and may_be_asked(machine, asked):
            said = machine.version(asked, "-V")
            if is_nft(said):
                continue
            answer = machine.run([saver, "-c"])
            return Collected(name, answer.data, replace(answer.source, version=said))
    return missing(f"{tool}-legacy-save is not installed, and there are legacy tables").named(name)

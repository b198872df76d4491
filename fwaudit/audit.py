"""The one-page story: a snapshot in, a report out. Pure; the library's entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fwaudit.exposure import exposures, inside_of, networks_of
from fwaudit.findings import find_all
from fwaudit.findings.base import Audited
from fwaudit.intent import ufw as intent
from fwaudit.model.host import Host
from fwaudit.model.report import Report
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.host import parse_host
from fwaudit.path.engine import Engine
from fwaudit.records import replace

if TYPE_CHECKING:
    from fwaudit.model.compliance import Checked
    from fwaudit.path.chain_store import ChainStore


def audit(snapshot: Snapshot, store: ChainStore | None = None) -> Report:
    """From where everything on the host can be reached, and what of it policy did not mean. Never raises for bad
    sources: these are named in ``Report.unread``. ``store``: of what many hosts have in common (`Engine`)."""
    host = parse_host(snapshot)
    engine = Engine(host, store)
    found = exposures(host, engine)
    return Report(
        host=host.name, taken_at=host.taken_at, exposures=found, firewall=_firewall(host), engine=_engine(host),
        networks=networks_of(host), unread=host.unread, notes=tuple(_notes(host)),
        findings=find_all(Audited(host, engine, found, networks_of(host), inside_of(host))), inside=inside_of(host),
        policy="ufw" if any(intent.in_force(host, family) for family in (4, 6)) else "INPUT",
        redacted=snapshot.redacted,
    )


def with_benchmark(checked: Checked, snapshot: Snapshot) -> Checked:
    """The same with the CIS Docker Benchmark's recommendations, as far as the snapshot decides them."""
    from fwaudit.exposure.cis_docker import NAME, controls

    return replace(checked, benchmark=NAME, controls=controls(parse_host(snapshot), checked))


def _firewall(host: Host) -> str:
    """One line on what stands for the admin's policy."""
    ufw = host.ufw
    if ufw.unread:
        return f"ufw could not be read ({ufw.unread}); the INPUT chains as they are stand for the policy"
    if not ufw.installed:
        return "ufw is not installed; the INPUT chains as they are stand for the policy"
    hooked = [family for family in (4, 6) if intent.in_force(host, family)]
    if hooked == [4, 6]:
        return f"ufw is active, {intent.default_policy(ufw).text}"
    if hooked:
        other = "IPv6" if hooked == [4] else "IPv4"
        return f"ufw is active, {intent.default_policy(ufw).text}, but not for {other}"
    if ufw.enabled:
        return "ufw is enabled, but INPUT does not jump to its chains: its rules are not in force"
    return "ufw is inactive; the INPUT chains as they are stand for the policy"


def _engine(host: Host) -> str:
    engine = host.engine
    if engine.unread:
        return f"{engine.name} could not be asked: {engine.unread}"
    if not engine.version:
        return "no container engine"
    running = sum(container.running for container in engine.containers)
    backend = f", {engine.firewall} backend" if engine.firewall else ""
    return f"{engine.name} {engine.version}{backend}, {running} running container{'' if running == 1 else 's'}"


def _notes(host: Host) -> list[str]:
    notes = []
    for name, interface in sorted(host.interfaces.items()):
        notes += [f"{program} on {name} is not modelled" for program in interface.programs]
        if interface.kind == "wireguard":
            notes.append(f"{name}: WireGuard takes only the sources that a peer's AllowedIPs name, which are not read")
    notes += host.ruleset.notes
    return notes

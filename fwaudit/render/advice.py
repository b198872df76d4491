"""What a bad row means and what to type next, in plain words. Only what works today, and as it is typed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from shlex import quote

from fwaudit.model.report import Exposure, Report
from fwaudit.netfilter.engine_rules import is_engine_chain
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.render.rows import Row

Paragraph = tuple[str, list[str]]
_NO_ROOT = "permission denied"
"""How the edge says that the engine's socket is root's (fwaudit/host/run.py)."""


def advice(report: Report, group: Sequence[Row], snapshot: str = "") -> Iterator[Paragraph]:
    """(sentence, commands) in the order in which an admin wants them, for rows that need the same words.

    ``snapshot``: the recorded host, for commands.
    """
    row = group[0]
    exposure = row.exposures[0]
    if row.verdict == "undecided":
        yield from _undecided(exposure)
    elif exposure.service.kind == "container-port":
        yield from _direct(report, group, snapshot)
    elif exposure.service.kind == "published":
        yield from _published(report, row, snapshot)
    elif exposure.service.kind == "forwarded":
        yield from _forwarded(exposure)
    elif exposure.evidence is not None and exposure.evidence.query.sport is not None:
        yield ("A process of this host listens there, and a rule of INPUT lets in whatever comes from that source "
               "port. Answers need no such rule where those to known connections are let in: -m conntrack --ctstate "
               "RELATED,ESTABLISHED -j ACCEPT. To close it, take the rule that accepts above away, there and where it "
               "is stored.", [])
    else:
        yield ("A process of this host listens there, and a rule lets the packet in before INPUT's own are asked.", [])
    for note in exposure.notes:
        yield f"Note: {note}.", []
    if exposure.evidence is not None:
        yield "Ask again, with every rule:", [trace_command(exposure, snapshot)]


def trace_command(exposure: Exposure, snapshot: str = "") -> str:
    """The ``fwaudit trace`` that shows an exposure's packet; empty where there is none to show."""
    if exposure.evidence is None:
        return ""
    query = exposure.evidence.query
    target = _bracketed(query.family, query.dst)
    recorded = f"--snapshot {quote(snapshot)} " if snapshot else ""
    source = format_address(query.family, query.sources.lowest())
    sport = "" if query.sport is None else f"--sport {query.sport} "
    return (f"fwaudit trace {recorded}--in {quote(query.iif)} --from {source} {sport}"
            f"--to {target}:{query.dport}/{_proto(query.proto)}")


def _published(report: Report, row: Row, snapshot: str) -> Iterator[Paragraph]:
    service = row.exposures[0].service
    yield from _engine_silent(report, row.exposures[0])
    if row.verdict == "neighbours":
        yield ("Published for an address that is not meant for this link: a machine on it can still send to that "
               "address, and Docker's DNAT takes the packet from any interface.", [])
        if service.bound.startswith("127."):
            yield "Docker Engine 28 and later drop such packets.", []
    else:
        yield ("Why ufw is not asked: Docker's DNAT (nat PREROUTING) sends the packet to the container before it is "
               "routed, so it is forwarded; ufw's allow and deny rules stand in INPUT, and in FORWARD Docker's own "
               "accept comes first.", [])
    if row.verdict != "neighbours" and _same_shift(row):
        ports = _spec(row)
        yield "To close it, publish it for this host alone:", [
            f"docker run -p 127.0.0.1:{ports} …", f'compose: ports: ["127.0.0.1:{ports}"]']
        yield from _owner(report, row.exposures[0])
        if _before_28(report) and 4 in row.families:
            yield ("Before Docker Engine 28, a machine on the same link still reaches what is published so; the fix "
                   "below closes that as well."), []
    else:
        yield from _owner(report, row.exposures[0])
    yield _fix(report, snapshot, "To close it, make every published port obey" if row.verdict == "neighbours" else
               "Or make every published port obey")


def _fix(report: Report, snapshot: str, lead: str) -> Paragraph:
    """The command that closes whatever policy denies."""
    recorded = f" --snapshot {quote(snapshot)}" if snapshot else ""
    policy = "ufw" if report.policy == "ufw" else "the INPUT chain"
    return (f"{lead} {policy}. This shows the rules, with a proof that nothing else moves:",
            [f"fwaudit fix --dry-run{recorded}"])


def _owner(report: Report, exposure: Exposure) -> Iterator[Paragraph]:
    """Where the port is published: the line in the compose file, or its project."""
    service = exposure.service
    owner = next((each.owner for each in report.findings if each.exposure is exposure and each.line), "")
    if owner:
        yield f"It is published in {owner}.", []
    elif service.project:
        yield f"It belongs to the compose project {service.project}, service {service.compose_service}.", []


def _engine_silent(report: Report, exposure: Exposure) -> Iterator[Paragraph]:
    """Where only the engine's rules tell of a container: what is not known for that, and how to learn it."""
    why = next((why for source, why in report.unread if source == "docker"), None)
    if why is None or exposure.service.container:
        return
    if why.startswith(_NO_ROOT):
        yield "Docker's own rules tell of it; which container it is, dockerd tells root alone. As root:", [
            "fwaudit report"]
        return
    yield (f"dockerd could not be asked ({why}), but the rules that it wrote are in force, and its containers may "
           "run: this is open now. Which container it is, a dockerd that runs can tell: systemctl start docker, then "
           "fwaudit report. If Docker is not wanted any more, stop what runs in its containers; its rules stay until "
           "the next reboot.", [])


def _forwarded(exposure: Exposure) -> Iterator[Paragraph]:
    steps = [step for step in (exposure.evidence.trace.path if exposure.evidence else ())
             if step.does.startswith(("dnat", "redirect", "netmap"))]
    if any(is_engine_chain(step.backend, step.table, step.chain) for step in steps):
        yield ("One of Docker's own rules sends it on before it is routed, but no container publishes that port: a "
               "swarm service's, or a rule that was left behind. Docker writes its rules anew when it starts:"), [
            "systemctl restart docker"]
        return
    yield ("A rule that neither Docker nor ufw wrote sends it on before it is routed, so that it is forwarded and "
           "INPUT, where ufw's allow and deny rules stand, is not asked.", [])
    for step in steps:
        if step.text.startswith("-A "):
            tool = "iptables" if step.family == "ip" else "ip6tables"
            tool += "-legacy" if step.backend == "legacy" else ""
            yield "To close it, take that rule away, there and where it is stored:", [
                f"{tool} -t {step.table} -D {step.text.removeprefix('-A ')}"]


def _direct(report: Report, group: Sequence[Row], snapshot: str) -> Iterator[Paragraph]:
    exposure = group[0].exposures[0]
    yield from _engine_silent(report, exposure)
    if any("no rule of this host is asked" in note for note in exposure.notes):
        yield ("The container stands on the network itself, so this host's rules are never asked. Close the port "
               "inside the container, or move it to a bridge network and publish what is needed.", [])
        return
    if group[0].verdict == "neighbours":
        drops = " Docker Engine 28 and later drop such packets." if _before_28(report) else ""
        yield (f"A machine on the link that routes {exposure.service.bound} to this host reaches the container itself, "
               f"past what is published on the host.{drops}", [])
    else:
        yield (f"{exposure.service.bound} is routed, so that it is reached like any other machine behind this host; "
               "ufw's allow and deny rules stand in INPUT and are not asked.", [])
    yield _fix(report, snapshot, "To close it, make whatever reaches containers obey")


def _before_28(report: Report) -> bool:
    found = re.match(r"docker (\d+)\.", report.engine)
    return found is not None and int(found[1]) < 28


def _undecided(exposure: Exposure) -> Iterator[Paragraph]:
    trace = exposure.evidence.trace if exposure.evidence is not None else None
    if trace is not None and trace.undecided_on:
        facts = "; ".join(trace.undecided_on)
        yield f"It {'depends' if trace.smallest else 'may depend'} on: {facts}.", []


def _same_shift(row: Row) -> bool:
    """True where the range of host ports is one range of container ports."""
    return len({e.service.port - e.service.container_port for e in row.exposures}) == 1


def _spec(row: Row) -> str:
    """``5432:5432``, with ``/udp`` where it is not TCP."""
    first, last = row.exposures[0].service, row.exposures[-1].service
    suffix = "" if row.proto == 6 else f"/{_proto(row.proto)}"
    if row.ports[0] == row.ports[1]:
        return f"{first.port}:{first.container_port}{suffix}"
    return f"{row.ports[0]}-{row.ports[1]}:{first.container_port}-{last.container_port}{suffix}"


def _bracketed(family: int, address: int) -> str:
    text = format_address(family, address)
    return f"[{text}]" if family == 6 else text


def _proto(proto: int) -> str:
    return PROTOCOL_NAMES.get(proto, str(proto))

"""What a bad row means and what to type next, in plain words. Only what works today, and as it is typed."""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.model.report import Report
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.render.rows import Row

Paragraph = tuple[str, list[str]]


def advice(report: Report, row: Row) -> Iterator[Paragraph]:
    """(sentence, commands) in the order in which an admin wants them."""
    exposure = row.exposures[0]
    service = exposure.service
    if row.verdict == "undecided":
        yield from _undecided(row)
        return
    if service.kind == "published":
        yield from _published(report, row)
    elif service.kind == "container-port":
        yield from _direct(row)
    else:
        yield ("A process of this host listens there, and the rules of INPUT let the packet in before ufw's own are "
               "asked.", [])
    for note in exposure.notes:
        yield f"Note: {note}.", []


def _published(report: Report, row: Row) -> Iterator[Paragraph]:
    service = row.exposures[0].service
    if row.verdict == "neighbours":
        yield ("Published for an address that is not meant for this link: a machine on it can still send to that "
               "address, and Docker's DNAT takes the packet from any interface.", [])
        yield "Engine 28 and later drop such packets for 127.0.0.1; upgrade, or drop them yourself:", [
            "iptables -t raw -I PREROUTING -d 127.0.0.0/8 ! -i lo -j DROP"]
        return
    yield ("Why ufw is not asked: Docker's DNAT (nat PREROUTING) sends the packet to the container before it is "
           "routed, so it is forwarded; ufw's allow and deny rules stand in INPUT, and in FORWARD Docker's own "
           "accept comes first.", [])
    ports = _spec(row)
    yield "To close it, publish it for this host alone:", [
        f"docker run -p 127.0.0.1:{ports} …", f'compose: ports: ["127.0.0.1:{ports}"]']
    if service.project:
        yield f"It belongs to the compose project {service.project}, service {service.compose_service}.", []
    if "nftables backend" not in report.engine:
        yield "Or restrict it where Docker leaves room for it (gone after a reboot unless you store it):", list(
            _docker_user(row))


def _docker_user(row: Row) -> Iterator[str]:
    proto = PROTOCOL_NAMES.get(row.proto, str(row.proto))
    low, high = row.ports
    ports = str(low) if low == high else f"{low}:{high}"
    devices = sorted({way.iif for e in row.exposures for way in e.ways if way.bypass})
    for family in row.families:
        tool = "iptables" if family == 4 else "ip6tables"
        yield f"{tool} -I DOCKER-USER 1 -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
        for place, device in enumerate(devices, 2):
            yield (f"{tool} -I DOCKER-USER {place} -i {device} -p {proto} -m conntrack --ctorigdstport {ports} "
                   "--ctdir ORIGINAL -j DROP")


def _spec(row: Row) -> str:
    """``5432:5432``, with ``/udp`` where it is not TCP."""
    first, last = row.exposures[0].service, row.exposures[-1].service
    suffix = "" if row.proto == 6 else f"/{PROTOCOL_NAMES.get(row.proto, row.proto)}"
    if row.ports[0] == row.ports[1]:
        return f"{first.port}:{first.container_port}{suffix}"
    return f"{row.ports[0]}-{row.ports[1]}:{first.container_port}-{last.container_port}{suffix}"


def _direct(row: Row) -> Iterator[Paragraph]:
    exposure = row.exposures[0]
    address = format_address(exposure.family, exposure.evidence.query.dst) if exposure.evidence else "its address"
    if row.verdict == "neighbours":
        yield (f"A machine on the link that routes {address} to this host reaches the container itself, past every "
               "published address. Engine 28 and later drop such packets; before, only a rule of your own does:", [
                   f"{'iptables' if exposure.family == 4 else 'ip6tables'} -I DOCKER-USER -d {address} "
                   f"-i {exposure.evidence.query.iif if exposure.evidence else 'eth0'} -m conntrack --ctstate NEW "
                   "--ctorigdst " + address + " -j DROP"])
        return
    yield f"The container has {address} on the network itself: what it listens on is open to whoever reaches that.", []


def _undecided(row: Row) -> Iterator[Paragraph]:
    exposure = row.exposures[0]
    if exposure.evidence is not None and exposure.evidence.trace.undecided_on:
        yield "It depends on: " + "; ".join(exposure.evidence.trace.undecided_on) + ".", []

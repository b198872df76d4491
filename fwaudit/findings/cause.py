"""Why an exposure is as it is: exactly one finding explains each bad one, the most special that fits.

So nothing is told twice: a container on a macvlan network is not also "reached by direct routing".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fwaudit.exposure.outside import LOOPBACK
from fwaudit.findings.base import Audited
from fwaudit.findings.exposed import endpoint_of
from fwaudit.model.host import Host
from fwaudit.model.report import Exposure
from fwaudit.packet.address import parse_address

PROXIES = ("docker-proxy", "conmon", "rootlessport")


_Key = tuple[str, int, int, str]


def explained_by(audited: Audited, id: str) -> Iterator[Exposure]:
    """The bad exposures that the finding ``id`` is there to explain."""
    return (each for each, cause in zip(audited.exposures, audited.causes, strict=True) if cause == id)


def causes_of(host: Host, exposures: Sequence[Exposure]) -> tuple[str, ...]:
    """For each exposure the id of the finding that explains it; empty for one that is not bad."""
    in_ipv4: dict[_Key, list[str]] = {}
    for each in exposures:
        if each.family == 4:
            in_ipv4.setdefault(_key(each), []).append(each.verdict)
    closed = {key for key, verdicts in in_ipv4.items() if verdicts == ["blocked"]}
    bare = without_ip6tables(host)
    return tuple(_cause(host, each, each.family == 6 and _key(each) in closed, bare)
                 if each.verdict in ("bypass", "neighbours", "undecided") else "" for each in exposures)


def _key(exposure: Exposure) -> _Key:
    service = exposure.service
    return service.kind, service.proto, service.port, service.container


def _cause(host: Host, exposure: Exposure, closed_in_ipv4: bool, bare: bool) -> str:
    """``closed_in_ipv4``: the very same port is closed to everybody outside there. ``bare``: no IPv6 rules."""
    if exposure.verdict == "undecided":
        return "undecided"
    if all(way.sports for way in exposure.ways if way.bypass):
        return "source-port-hole"
    if exposure.service.kind == "container-port":
        return _at_its_own_address(host, exposure, closed_in_ipv4, bare)
    if exposure.service.kind == "forwarded":
        return "forward-bypasses-policy"
    if exposure.service.kind == "host-socket" and exposure.service.process not in PROXIES:
        return "forward-bypasses-policy"
    if is_loopback(exposure):
        return "loopback-publish-reachable"
    if by_other_interfaces(host, exposure) and not by_its_own(host, exposure):
        return "reachable-by-other-interface"
    return "ipv6-differs" if closed_in_ipv4 else "docker-bypasses-ufw"


def _at_its_own_address(host: Host, exposure: Exposure, closed_in_ipv4: bool, bare: bool) -> str:
    found = endpoint_of(host, exposure)
    network = found[1] if found else None
    if network is not None and network.driver in ("macvlan", "ipvlan"):
        return "macvlan-no-host-rules"
    mode = "" if network is None else network.gateway_mode4 if exposure.family == 4 else network.gateway_mode6
    if mode == "routed":
        return "routed-network"
    if mode == "nat-unprotected":
        return "nat-unprotected-network"
    if exposure.family == 6 and network is not None and bare:
        return "ip6tables-off"
    return "ipv6-differs" if closed_in_ipv4 else "direct-routing"


def is_loopback(exposure: Exposure) -> bool:
    """Published or listening for this host alone."""
    bound = exposure.service.bound
    return bound != "*" and parse_address(bound)[1] in LOOPBACK[exposure.family]


def by_other_interfaces(host: Host, exposure: Exposure) -> list[str]:
    """The interfaces by which a port that is bound to one address is reached although they do not have the address."""
    if exposure.service.bound == "*" or is_loopback(exposure):
        return []
    others = [way for way in exposure.ways if not _owns(host, way.iif, exposure.family, way.dst)]
    if exposure.verdict == "as-intended":  # a public address is every interface's business
        return sorted({way.iif for way in others if way.certainly and way.neighbours_only})
    return sorted({way.iif for way in others if way.bypass})


def by_its_own(host: Host, exposure: Exposure) -> bool:
    """Whether it is reached against policy by the interface that has the address, too."""
    return any(way.bypass and _owns(host, way.iif, exposure.family, way.dst) for way in exposure.ways)


def _owns(host: Host, iif: str, family: int, address: int) -> bool:
    interface = host.interfaces.get(iif)
    return interface is not None and any((each.family, each.value) == (family, address) for each in interface.addresses)


def without_ip6tables(host: Host) -> bool:
    """The engine filters IPv4 with iptables and writes no IPv6 rules."""
    return host.engine.firewall != "nftables" and has_chains(host, "ip") and not has_chains(host, "ip6")


def has_chains(host: Host, family: str) -> bool:
    """Whether Docker's own chain stands in the filter or nat table of a family (``ip``, ``ip6``)."""
    return any(table.family == family and table.name in ("filter", "nat") and "DOCKER" in table.chains
               for table in host.ruleset.tables)

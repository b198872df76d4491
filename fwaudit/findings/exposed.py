"""What findings about an exposure have in common: how they name it, from where, who owns the fix, and what to run."""

from __future__ import annotations

from shlex import quote

from fwaudit.exposure.judge import Place, place_of
from fwaudit.exposure.words import where_from
from fwaudit.findings.base import Audited, Kind
from fwaudit.model.host import Container, DockerNetwork, Endpoint, Host
from fwaudit.model.report import Exposure, Finding, Severity
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES

REACHED = ("bypass", "neighbours", "as-intended")
"""Verdicts of what somebody outside certainly gets through to."""


def about(kind: Kind, audited: Audited, exposure: Exposure, what: str, *, why: tuple[str, ...] = (),
          next: tuple[str, ...] = (), severity: Severity | None = None, explains: bool = False) -> Finding:
    """A finding that rests on an exposure. ``severity``: the exposure's, where none is given."""
    owner, file, line = owner_of(audited.host, exposure)
    return kind.finding(
        identity(audited.host, exposure), exposure.severity if severity is None else severity, what,
        certain=exposure.certain, where_from=where_from(exposure, audited.networks, audited.inside), why=why,
        next=(*next, *filter(None, (trace_of(exposure),))), owner=owner, exposure=exposure, explains=explains,
        file=file, line=line)


def port_name(exposure: Exposure) -> str:
    """``5432/tcp (IPv4)``, or ``127.0.0.1:5432/tcp (IPv4)`` where it is bound to one of the host's addresses."""
    service = exposure.service
    protocol = PROTOCOL_NAMES.get(service.proto, str(service.proto))
    bound = "" if service.bound == "*" or service.kind == "container-port" else f"{_bracketed(service.bound)}:"
    return f"{bound}{service.port}/{protocol} (IPv{exposure.family})"


def subject(exposure: Exposure) -> str:
    """``5432/tcp (IPv4) of shop-db-1``, for a sentence."""
    return f"{port_name(exposure)} of {exposure.service.who}"


def policy_says(exposure: Exposure) -> str:
    """``ufw says: deny 5432 (rule 2)``."""
    policy = exposure.policy
    return f"{policy.by} says: {policy.text}" + (f" (rule {policy.rule})" if policy.rule else "")


def identity(host: Host, exposure: Exposure) -> str:
    """``5432/tcp (IPv4) of shop-db-1``: the same from run to run, so without a container's address."""
    if exposure.service.kind != "container-port":
        return subject(exposure)
    found = endpoint_of(host, exposure)
    return f"container port {subject(exposure)}" + (f" on {found[1].name}" if found else "")


def owner_of(host: Host, exposure: Exposure) -> tuple[str, str, int]:
    """Who owns the fix, in words, with file and line where they are known: the compose file and service that a
    container's labels name, or its project; else nobody."""
    container, service = container_of(host, exposure), exposure.service
    if container is None or not container.project:
        return "", "", 0
    port = service.container_port or service.port
    for place in container.compose_ports:
        if (place.proto, place.port) == (service.proto, port):
            return f"{place.file}:{place.line}, service {container.service}", place.file, place.line
    return project_of(container), container.config_files.rsplit(",", 1)[-1], 0


def project_of(container: Container) -> str:
    """The compose file, or the project, and the service; empty where the container belongs to none."""
    if not container.project:
        return ""
    where = container.config_files.rsplit(",", 1)[-1] or f"project {container.project}"
    return f"{where}, service {container.service}" if container.service else where


def trace_of(exposure: Exposure) -> str:
    """The command that shows the packet that speaks for an exposure, rule by rule; empty where there is none."""
    if exposure.evidence is None:
        return ""
    query = exposure.evidence.query
    target = _bracketed(format_address(query.family, query.dst))
    source = format_address(query.family, query.sources.lowest())
    protocol = PROTOCOL_NAMES.get(query.proto, str(query.proto))
    sport = "" if query.sport is None else f" --sport {query.sport}"
    return f"fwaudit trace --in {quote(query.iif)} --from {source}{sport} --to {target}:{query.dport}/{protocol}"


def narrower(exposure: Exposure) -> str:
    """What lets in fewer where policy allows everybody. For a published port ufw's rules change nothing."""
    service = exposure.service
    if service.kind == "published" and not any(way.to and way.to.via for way in exposure.ways):
        suffix = "" if service.proto == 6 else f"/{PROTOCOL_NAMES.get(service.proto, str(service.proto))}"
        return f"publish it on this host alone: -p 127.0.0.1:{service.port}:{service.container_port}{suffix}"
    proto = PROTOCOL_NAMES.get(service.proto, str(service.proto))
    return f"allow only who needs it: ufw allow from NETWORK to any port {service.port} proto {proto}"


def container_of(host: Host, exposure: Exposure) -> Container | None:
    """The container that an exposure leads to."""
    name = exposure.service.container
    return next((each for each in host.engine.containers if name and each.name == name), None)


def endpoint_of(host: Host, exposure: Exposure) -> tuple[Endpoint, DockerNetwork] | None:
    """Of a container port: the container's place in the network that its address belongs to."""
    container, text = container_of(host, exposure), exposure.service.bound
    networks = {network.name: network for network in host.engine.networks}
    for endpoint in container.endpoints if container and exposure.service.kind == "container-port" else ():
        address = endpoint.address if exposure.family == 4 else endpoint.address6
        if address is not None and format_address(exposure.family, address) == text and endpoint.network in networks:
            return endpoint, networks[endpoint.network]
    return None


def of_container(audited: Audited, container: Container) -> list[Exposure]:
    """What of a container is reached from outside, the worst first, and what more than neighbours reach before what
    only they do; also what may be."""
    found = [each for each in audited.exposures
             if each.service.container == container.name and each.verdict in (*REACHED, "undecided")]
    return sorted(found, key=lambda each: (-each.severity, each.verdict == "neighbours"))


def foothold(audited: Audited, container: Container) -> tuple[Exposure, Severity] | None:
    """Where a container that is as good as the host is reached, and how bad that is; None where it is not reached.

    Who breaks into it has the host: so it does not matter whether policy allows the way there, but from where it leads.
    """
    found = [(exposure, max(exposure.severity, _FOOTHOLD[_farthest(exposure)]))
             for exposure in of_container(audited, container) if exposure.verdict in REACHED]
    return max(found, key=lambda each: (each[1], each[0].verdict != "neighbours"), default=None)


_FOOTHOLD: dict[Place, Severity] = {
    "internet": Severity.HIGH, "private": Severity.MEDIUM, "neighbour": Severity.MEDIUM}


def _farthest(exposure: Exposure) -> Place:
    """From where, at the farthest, it is certainly reached."""
    places = {place_of(exposure.family, way, way.certainly) for way in exposure.ways if way.certainly}
    return next((place for place in _FOOTHOLD if place in places), "neighbour")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address

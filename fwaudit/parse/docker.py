"""The container engine: Docker's (or Podman's compatible) API answers → Engine, Containers, DockerNetworks.

Shapes: Docker Engine API 1.41 to 1.52 as 20.10 to 29 answer (captures), and Podman 4's ``compat`` handlers. Names,
labels and images are what strangers chose: kept as they are, cut at a length, never interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from fwaudit.model.host import (
    ComposePort,
    Container,
    DockerNetwork,
    Endpoint,
    Engine,
    Interface,
    PublishedPort,
    WeakCredential,
    WeakVerdict,
)
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import MAX_PORT, PROTOCOLS
from fwaudit.packet.intervals import IntervalSet
from fwaudit.parse.sockets import parse_listeners, protocol
from fwaudit.parse.values import NAME_LIMIT, TEXT_LIMIT, Record
from fwaudit.records import replace

GWBRIDGE = "docker_gwbridge"

_BRIDGE = "com.docker.network.bridge."
_COMPOSE = "com.docker.compose."
_WEAK: dict[str, WeakVerdict] = {verdict: verdict for verdict in get_args(WeakVerdict)}


def parse_engine(version: Record, info: Record) -> Engine:
    """Who the engine is and how it filters, from ``/version`` and ``/info``; without containers and networks.

    ``FirewallBackend.Driver`` (28.2 and later) may be ``iptables+firewalld``: the part before ``+`` counts.
    """
    components = {each.text("Name") for each in version.records("Components")}
    return Engine(
        name="podman" if any("podman" in name.lower() for name in components) else "docker",
        version=version.text("Version", NAME_LIMIT) or info.text("ServerVersion", NAME_LIMIT),
        api=version.text("ApiVersion", NAME_LIMIT),
        firewall=info.record("FirewallBackend").text("Driver").split("+", 1)[0],
        rootless=any("rootless" in option for option in info.texts("SecurityOptions")),
        swarm=info.record("Swarm").text("LocalNodeState") in ("active", "locked", "pending"),
        warnings=info.texts("Warnings"),
    )


def proxy_is_v6only(engine: Engine) -> bool:
    """Whether this engine's docker-proxy binds ``[::]`` for IPv6 alone: since 20.10.2 it asks for ``tcp6``; before, its
    one socket for ``-host-ip 0.0.0.0`` took both families (libnetwork#2604, libnetwork#2607)."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", engine.version)
    return engine.name == "docker" and found is not None and tuple(map(int, found.groups())) >= (20, 10, 2)


def parse_containers(records: Sequence[Record], listeners: Record) -> tuple[Container, ...]:
    """Every container of ``docker/containers.json``, with what listens inside it where that was looked at.

    A container that shares another's network (``container:ID``) has that one's endpoints and listeners; where the other
    is on the host's network, so is it.
    """
    containers = [_container(record, listeners) for record in records]
    by_name = {key: each for each in containers for key in (each.name, each.id, each.id[:12])}
    return tuple(_shared(each, by_name) for each in containers)


def parse_networks(records: Sequence[Record], containers: Iterable[Container],
                   interfaces: Mapping[str, Interface]) -> tuple[DockerNetwork, ...]:
    """Every network of ``docker/networks.json``.

    20.10 does not tell the default bridge's gateway: then it is that of the containers on it. A bridge whose name the
    answer does not tell (Podman) is found by its gateway address among the host's interfaces.
    """
    gateways: dict[str, set[tuple[int, int]]] = {}
    for container in containers:
        for point in container.endpoints:
            known = gateways.setdefault(point.network, set())
            known.update((family, gateway) for family, gateway in ((4, point.gateway), (6, point.gateway6))
                         if gateway is not None)
    return tuple(_network(record, gateways, interfaces) for record in records)


# ---- containers -----------------------------------------------------------------------------------------------------


def _container(record: Record, listeners: Record) -> Container:
    config, settings, limits = record.record("Config"), record.record("NetworkSettings"), record.record("HostConfig")
    name = _name(record)
    running, pid = _state(record)
    labels = config.record("Labels")
    return Container(
        id=record.text("Id", NAME_LIMIT), name=name, image=config.text("Image") or record.text("Image"),
        running=running, pid=pid, network_mode=limits.text("NetworkMode", NAME_LIMIT),
        endpoints=_endpoints(settings), published=_published(settings if running else limits, running),
        exposed=_exposed(config.record("ExposedPorts")),
        listeners=parse_listeners(listeners.records(name)) if listeners.fields.get(name) is not None else None,
        privileged=limits.flag("Privileged"), capabilities=limits.texts("CapAdd"),
        project=labels.text(_COMPOSE + "project"), service=labels.text(_COMPOSE + "service"),
        config_files=labels.text(_COMPOSE + "project.config_files"),
        mounts=tuple((mount.text("Source"), mount.text("Destination")) for mount in record.records("Mounts")),
        restart=limits.record("RestartPolicy").text("Name"),
        labels={key[:NAME_LIMIT]: labels.text(key) for key in labels.fields},
        weak_credentials=_weak(record.records("EnvironmentVerdicts")),
    )


def _weak(records: Iterable[Record]) -> tuple[WeakCredential, ...]:
    """What the edge said of the environment. A verdict that a newer version has is left out."""
    return tuple(sorted(WeakCredential(record.text("variable", NAME_LIMIT), _WEAK[word]) for record in records
                        if (word := record.text("verdict")) in _WEAK))


def with_compose_ports(containers: Iterable[Container], found: Record) -> tuple[Container, ...]:
    """The containers with what ``docker/compose.json`` knows of their ports."""
    return tuple(replace(each, compose_ports=tuple(
        ComposePort(protocol(record, "proto"), record.number("port", top=MAX_PORT), record.text("file"),
                    record.number("line")) for record in found.records(each.name))) for each in containers)


def _name(record: Record) -> str:
    """The name without Docker's leading slash; Podman has ``Names`` in some answers."""
    names = record.texts("Names")
    return (record.text("Name") or (names[0] if names else ""))[:NAME_LIMIT].removeprefix("/")


def _state(record: Record) -> tuple[bool, int]:
    """(running, pid). A paused container runs: its ports are bound. Lists have the state as a word."""
    if isinstance(record.fields.get("State"), str):
        return record.text("State").lower() in ("running", "paused", "restarting"), record.number("Pid")
    state = record.record("State")
    return state.flag("Running"), state.number("Pid")


def _endpoints(settings: Record) -> tuple[Endpoint, ...]:
    networks = settings.record("Networks")
    out = [_endpoint(name[:NAME_LIMIT], networks.record(name)) for name in networks.fields]
    if not out and settings.text("IPAddress"):
        out.append(_endpoint("bridge", settings))
    return tuple(out)


def _endpoint(network: str, record: Record) -> Endpoint:
    address, address6 = record.address("IPAddress"), record.address("GlobalIPv6Address")
    gateway, gateway6 = record.address("Gateway"), record.address("IPv6Gateway")
    return Endpoint(
        network, address[1] if address else None, record.number("IPPrefixLen", top=32),
        gateway[1] if gateway else None, address6[1] if address6 else None,
        record.number("GlobalIPv6PrefixLen", top=128), gateway6[1] if gateway6 else None, record.text("MacAddress"),
    )


def _published(holder: Record, running: bool) -> tuple[PublishedPort, ...]:
    """``{"80/tcp": null | [{"HostIp": "0.0.0.0", "HostPort": "8080"}, …]}``: what is bound while the container runs
    (NetworkSettings.Ports), else what was asked for (HostConfig.PortBindings)."""
    table = holder.record("Ports" if running else "PortBindings")
    out: dict[PublishedPort, None] = {}
    for key in table.fields:
        bindings = table.records(key)
        if not bindings:
            continue
        proto, port, high = _port_key(table, key)
        if high != port:
            raise table.wrong(key, "bindings of a single port")
        for binding in bindings:
            family, address = binding.address("HostIp") or (0, 0)
            out[PublishedPort(proto, family, address, _host_port(binding), port)] = None
    return tuple(out)


def _host_port(binding: Record) -> int:
    """0 for none (routed networks), for any free one, and for a range that the engine has yet to choose from."""
    return 0 if "-" in binding.text("HostPort") else binding.number("HostPort", top=MAX_PORT)


def _exposed(table: Record) -> tuple[tuple[int, int], ...]:
    ranges: dict[int, list[tuple[int, int]]] = {}
    for key in table.fields:
        proto, low, high = _port_key(table, key)
        ranges.setdefault(proto, []).append((low, high))
    return tuple((proto, port) for proto in sorted(ranges)
                 for low, high in IntervalSet.from_ranges(ranges[proto]).ranges(MAX_PORT)
                 for port in range(low, high + 1))


def _port_key(table: Record, key: str) -> tuple[int, int, int]:
    """(protocol, low, high) of ``80/tcp``, ``80`` (tcp) or ``8000-8010/udp``, which image builders write."""
    ports, _, name = key.partition("/")
    low, _, high = ports.partition("-")
    proto = PROTOCOLS.get(name.lower() or "tcp")
    numbers = [int(text) for text in (low, high or low) if text.isascii() and text.isdigit() and len(text) < 6]
    if proto is None or len(numbers) != 2 or not numbers[0] <= numbers[1] <= MAX_PORT:
        raise table.wrong(key, "about a port and its protocol")
    return proto, numbers[0], numbers[1]


def _shared(container: Container, by_name: Mapping[str, Container]) -> Container:
    """Follow ``container:ID`` to the container whose network this one uses; a circle ends it."""
    seen: set[str] = set()
    owner = container
    while owner.network_mode.startswith("container:"):
        key = owner.network_mode.removeprefix("container:")
        target = by_name.get(key) or by_name.get(key[:12])
        if target is None or key in seen:
            return container
        seen.add(key)
        owner = target
    if owner is container:
        return container
    return replace(
        container, endpoints=owner.endpoints,
        listeners=container.listeners if container.listeners is not None else owner.listeners,
        network_mode="host" if owner.network_mode == "host" else container.network_mode,
    )


# ---- networks -------------------------------------------------------------------------------------------------------


def _network(record: Record, endpoint_gateways: Mapping[str, set[tuple[int, int]]],
             interfaces: Mapping[str, Interface]) -> DockerNetwork:
    name, driver = record.text("Name", NAME_LIMIT), record.text("Driver", NAME_LIMIT)
    options = record.record("Options")
    pools = record.record("IPAM").records("Config")
    gateways = {found for pool in pools if (found := pool.address("Gateway")) is not None}
    gateways = gateways or endpoint_gateways.get(name, set())
    return DockerNetwork(
        id=record.text("Id", NAME_LIMIT), name=name, driver=driver,
        interface=_interface(record, driver, gateways, interfaces),
        subnets=tuple(subnet for pool in pools if (subnet := _subnet(pool)) is not None),
        gateways=tuple(sorted(gateways)),
        internal=record.flag("Internal"), ipv6=record.flag("EnableIPv6"),
        gateway_mode4=options.text(_BRIDGE + "gateway_mode_ipv4"),
        gateway_mode6=options.text(_BRIDGE + "gateway_mode_ipv6"),
        icc=options.text(_BRIDGE + "enable_icc").lower() not in ("false", "f", "0"),
        scope=record.text("Scope") or "local",
        options={key[:NAME_LIMIT]: options.text(key, TEXT_LIMIT) for key in options.fields},
    )


def _subnet(pool: Record) -> tuple[int, int, int] | None:
    text = pool.text("Subnet")
    if not text:
        return None
    address, _, length = text.partition("/")
    try:
        family, value = parse_address(address)
        width = 32 if family == 4 else 128
        prefix = int(length) if length else width
    except ValueError:
        raise pool.wrong("Subnet", "a network") from None
    if not 0 <= prefix <= width:
        raise pool.wrong("Subnet", "a network")
    return family, value >> (width - prefix) << (width - prefix), prefix


def _interface(record: Record, driver: str, gateways: set[tuple[int, int]], interfaces: Mapping[str, Interface]) -> str:
    """The bridge on the host (bridgeName in moby's bridge driver); the parent of a macvlan or ipvlan, or the dummy that
    such a network without a parent gets; for an overlay the bridge by which its containers meet the host."""
    options, short = record.record("Options"), record.text("Id")[:12]
    if driver in ("macvlan", "ipvlan"):
        return options.text("parent", NAME_LIMIT) or f"d{driver[0]}-{short}"
    if driver == "overlay":
        return GWBRIDGE
    if driver != "bridge":
        return ""
    default = options.text(_BRIDGE + "default_bridge") == "true"
    name = options.text(_BRIDGE + "name", NAME_LIMIT) or ("docker0" if default else f"br-{short}")
    if name in interfaces:
        return name
    owning = [each.name for each in interfaces.values() if each.kind == "bridge"
              and any((address.family, address.value) in gateways for address in each.addresses)]
    return owning[0] if owning else name

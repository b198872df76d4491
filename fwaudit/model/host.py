"""One host, typed: what the raw sources of a snapshot say, read once.

Addresses are integers with their family beside them (4 or 6); a network is ``(low, prefix_length)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from fwaudit.model.ruleset import Ruleset
from fwaudit.records import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An address of an interface, with its network."""

    family: int
    value: int
    prefix: int
    scope: str = "global"
    peer: int | None = None
    broadcast: int | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface. ``kind`` is ``ip -d link``'s info_kind (bridge, veth, macvlan, vrf, wireguard, …) or empty.

    ``programs``: tc or XDP programs that may change or drop packets before or behind netfilter.
    """

    name: str
    index: int
    kind: str = ""
    master: str = ""
    up: bool = True
    addresses: tuple[Address, ...] = ()
    group: int = 0
    mac: str = ""
    hairpin: bool = False
    isolated: bool = False
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One route. ``kind``: unicast, local, broadcast, multicast, anycast, blackhole, unreachable, prohibit, throw, nat.

    ``devices`` has one name, or several for a multipath route; empty where there is none (blackhole).
    """

    family: int
    table: str
    low: int
    prefix: int
    kind: str = "unicast"
    devices: tuple[str, ...] = ()
    gateway: int | None = None
    source: int | None = None
    metric: int = 0
    down: bool = False
    from_low: int = 0
    from_prefix: int = 0


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One ``ip rule``. ``action``: lookup, blackhole, unreachable, prohibit, goto, nop, l3mdev.

    ``unknown`` names selectors that are not modelled: whether the rule applies is then undecided.
    """

    family: int
    priority: int
    action: str = "lookup"
    table: str = ""
    src: tuple[int, int] | None = None
    dst: tuple[int, int] | None = None
    iif: str = ""
    oif: str = ""
    mark: int | None = None
    mark_mask: int = 0xFFFFFFFF
    inverted: bool = False
    suppress_prefix: int | None = None
    goto: int | None = None
    proto: int | None = None
    sport: tuple[int, int] | None = None
    dport: tuple[int, int] | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket that takes new packets: a listening TCP, or an unconnected UDP one. ``address`` 0 is the wildcard.

    ``accepts_v4``: a wildcard IPv6 socket that takes IPv4 as well, None where ``/proc/net`` does not tell.
    ``device``: bound to one interface. ``owner`` is the process's name, ``argv`` only for docker-proxy.
    """

    proto: int
    family: int
    address: int
    port: int
    owner: str = ""
    pid: int | None = None
    exe: str = ""
    argv: tuple[str, ...] = ()
    accepts_v4: bool | None = None
    device: str = ""


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that something inside a container listens on. ``address`` 0 is the wildcard."""

    proto: int
    family: int
    address: int
    port: int
    accepts_v4: bool | None = None


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """Docker's ``-p``: what the engine was told. ``host_address`` 0 is the wildcard of ``family``.

    ``family`` 0: no address was given and the engine publishes for both. ``host_port`` 0: none (routed networks).
    """

    proto: int
    family: int
    host_address: int
    host_port: int
    container_port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's place in one network."""

    network: str
    address: int | None = None
    prefix: int = 0
    gateway: int | None = None
    address6: int | None = None
    prefix6: int = 0
    gateway6: int | None = None
    mac: str = ""


WeakVerdict = Literal["default", "same-as-user", "empty", "no-authentication", "common", "short"]


@dataclass(frozen=True, slots=True, order=True)
class WeakCredential:
    """What was said at the edge about one variable of a container's environment. Nothing of its value is known here.

    ``verdict``: ``default`` (the image's own or its documentation's), ``same-as-user``, ``empty``,
    ``no-authentication`` (it switches the asking off), ``common`` (a word that everybody tries) or ``short``.
    """

    variable: str
    verdict: WeakVerdict


@dataclass(frozen=True, slots=True)
class ComposePort:
    """Where a compose file publishes a container's port: the line, counted from 1."""

    proto: int
    port: int
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine tells. ``listeners`` None: not known what listens inside, so its ports count as
    answering. ``compose_ports``: by container port; empty where no compose file could be read."""

    id: str
    name: str
    image: str
    running: bool
    pid: int = 0
    network_mode: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    published: tuple[PublishedPort, ...] = ()
    exposed: tuple[tuple[int, int], ...] = ()
    listeners: tuple[Listener, ...] | None = None
    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    project: str = ""
    service: str = ""
    config_files: str = ""
    mounts: tuple[tuple[str, str], ...] = ()
    restart: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    weak_credentials: tuple[WeakCredential, ...] = ()
    compose_ports: tuple[ComposePort, ...] = ()

    @property
    def shares_host_network(self) -> bool:
        """True for ``--network host``: its sockets are the host's."""
        return self.network_mode == "host"


@dataclass(frozen=True, slots=True)
class DockerNetwork:
    """A network of the engine. ``interface`` is the bridge on the host, or the parent of a macvlan/ipvlan."""

    id: str
    name: str
    driver: str
    interface: str = ""
    subnets: tuple[tuple[int, int, int], ...] = ()  # (family, low, prefix)
    gateways: tuple[tuple[int, int], ...] = ()      # (family, address)
    internal: bool = False
    ipv6: bool = False
    gateway_mode4: str = ""
    gateway_mode6: str = ""
    icc: bool = True
    scope: str = "local"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Engine:
    """The container engine. ``name``: docker or podman. ``unread``: why it could not be asked, empty where it could.

    ``firewall``: iptables, nftables, or empty where the engine does not tell (before Docker 29).
    """

    name: str = "docker"
    version: str = ""
    api: str = ""
    containers: tuple[Container, ...] = ()
    networks: tuple[DockerNetwork, ...] = ()
    firewall: str = ""
    rootless: bool = False
    swarm: bool = False
    unread: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UfwRule:
    """One rule as ufw keeps it (a ``### tuple ###`` line).

    ``number`` is the one that ``ufw status numbered`` shows: IPv4 rules first, then IPv6. ``text`` is spelled the way
    that ufw's command line takes it (``deny in on eth0 proto tcp from any to any port 5432``).
    ``lines`` are the iptables rules that ufw wrote for it, as in the file. Ports are ufw's own text (``80,443`` or
    ``8000:8010``, empty: any). ``src``/``dst``: (low, prefix), None: any.
    """

    family: int
    number: int
    action: Literal["allow", "deny", "reject", "limit"]
    direction: Literal["in", "out", "route"]
    proto: str = "any"
    dst: tuple[int, int] | None = None
    dport: str = ""
    src: tuple[int, int] | None = None
    sport: str = ""
    interface_in: str = ""
    interface_out: str = ""
    app: str = ""
    log: str = ""
    comment: str = ""
    text: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UfwPolicy:
    """What ufw was told. ``installed`` False: no ufw here. ``enabled``: ENABLED in ufw.conf; ``active``: what
    ``ufw status`` said, None where it was not asked or could not tell. ``default_…`` are drop, reject or accept.

    ``loaded``: (family, line) for every iptables line that the rules files load, in order: those of ``rules``, and
    those that somebody wrote there by hand, which ``ufw status`` does not show."""

    installed: bool = False
    enabled: bool | None = None
    active: bool | None = None
    ipv6: bool = True
    default_input: str = ""
    default_output: str = ""
    default_forward: str = ""
    manage_builtins: bool = False
    rules: tuple[UfwRule, ...] = ()
    status: str = ""
    version: str = ""
    unread: str = ""
    loaded: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BootFile:
    """A file that writes to DOCKER-USER at boot: the commands in it that name the chain, as they stand."""

    path: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Host:
    """Everything that decides about packets on one host.

    ``sysctl``: dotted key → value. ``sockets`` None: not known what listens. ``unread``: (source, why) for every
    source that is missing or does not read; what depends on it is undecided. ``boot``: what writes to DOCKER-USER at
    boot; ``boot_read`` False: only ufw's own files were looked at for it.
    """

    name: str
    taken_at: str
    interfaces: Mapping[str, Interface]
    routes: Mapping[int, tuple[Route, ...] | None]
    policy_rules: Mapping[int, tuple[PolicyRule, ...] | None]
    sysctl: Mapping[str, str]
    sockets: tuple[Socket, ...] | None
    engine: Engine
    ufw: UfwPolicy
    ruleset: Ruleset
    unread: tuple[tuple[str, str], ...] = ()
    boot: tuple[BootFile, ...] = ()
    boot_read: bool = False

    def setting(self, key: str) -> int | None:
        """A sysctl as a number, None where it was not read."""
        value = self.sysctl.get(key, "").split()
        return int(value[0]) if value and value[0].lstrip("-").isdigit() else None

"""A host and what the admin wishes → the plan that makes published ports obey the firewall policy."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fwaudit.exposure.outside import LOOPBACK, outside_interfaces
from fwaudit.fix import docker_user, lines, nftables
from fwaudit.fix.iptables import CannotSay
from fwaudit.fix.lines import Endpoint, Line, Scope
from fwaudit.fix.policy import Clause, Reading, read_policy
from fwaudit.intent import ufw
from fwaudit.model.host import Container, Host, PublishedPort
from fwaudit.model.plan import Plan, Transaction
from fwaudit.model.ruleset import Backend, Chain, Drop, Jump, Reject, Rule, Table
from fwaudit.netfilter.engine_rules import is_engine_bridge
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.records import dataclass

_USER_FORWARD = {4: "ufw-user-forward", 6: "ufw6-user-forward"}
_ENGINE_CHAINS = ("DOCKER-USER", "DOCKER", "DOCKER-FORWARD", "NETAVARK_FORWARD")
_OPEN = Clause("allow", said="nothing stands in INPUT")
_SAFE_WORDS = re.compile(r"[^A-Za-z0-9 ,._:/()'=-]")


@dataclass(frozen=True, slots=True)
class Allowed:
    """``--allow 5432/tcp=203.0.113.0/24``: the port for these sources, and for no others."""

    proto: int
    port: int
    family: int
    sources: IntervalSet


@dataclass(frozen=True, slots=True)
class Wish:
    """What the plan is about: everything, where ``ports`` (proto, port) and ``containers`` are empty.

    ``interfaces``: restrict only what comes in by these; ``external`` among them stands for those that a default route
    leaves by. Empty: all.
    """

    ports: tuple[tuple[int, int], ...] = ()
    containers: tuple[str, ...] = ()
    allows: tuple[Allowed, ...] = ()
    interfaces: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        """True where no port and no container is named."""
        return not (self.ports or self.containers)


def plan(host: Host, wish: Wish) -> Plan:
    """The plan; one that is refused where a rule of the policy cannot be said in another place."""
    return _Planner(host, wish).plan()


class _Planner:
    def __init__(self, host: Host, wish: Wish) -> None:
        self.host = host
        self.wish = wish
        self.refused: list[str] = []
        self.notes: list[str] = []
        self.bridges = container_bridges(host)
        self.others = tuple(sorted(
            name for name, interface in host.interfaces.items()
            if name != "lo" and name not in self.bridges and not (interface.kind == "veth" and interface.master)))

    def plan(self) -> Plan:
        self.refused += list(self._cannot_be())
        if self.refused:
            return Plan(refused=tuple(self.refused))
        scopes = {family: tuple(self._scopes(family)) for family in (4, 6)}
        if not self.wish.everything and not any(scopes.values()):
            return Plan(refused=(*self._nothing_published(),))
        spared = self._spared()
        by_family: dict[int, list[Line]] = {}
        for family in self._families(scopes):
            policy, route = self.policy(family), self.route(family)
            allows = list(self._allows(family))
            if self.wish.everything:
                made = lines.whole(policy, route, self.bridges, self.others, allows, spared)
            else:
                made = lines.smaller(policy, route, self.bridges, scopes[family], allows, spared)
            by_family[family] = list(made)
        try:
            transactions = tuple(self._transactions(by_family))
        except CannotSay as error:
            self.refused.append(str(error))
            transactions = ()
        if self.refused:
            return Plan(refused=tuple(dict.fromkeys(self.refused)), notes=tuple(self.notes))
        if engine_backend(self.host) == "native" and any(ufw.in_force(self.host, family) for family in (4, 6)):
            self.notes.append("This engine writes nftables rules, and ufw's FORWARD chain is asked after them: what "
                              "ufw does not allow to be forwarded is closed already. To open a port of a container: "
                              "ufw route allow proto tcp to ADDRESS port PORT")
        return Plan(transactions, (), tuple(dict.fromkeys(self.notes)), tuple(self._allowed_words()))

    # ---- what there is ----------------------------------------------------------------------------------------------

    def _cannot_be(self) -> Iterator[str]:
        host = self.host
        for name, why in host.ruleset.unread:
            yield f"{name} could not be read ({why}): a plan for rules that nobody has seen would be a guess"
        if host.engine.unread and not self.bridges:
            yield f"{host.engine.name} could not be asked ({host.engine.unread}), and no bridge of it was found"
        elif not self.bridges:
            yield "there is no container network on this host: nothing is published"
        if host.engine.unread and self.bridges:
            for name, each in host.interfaces.items():
                if each.kind == "bridge" and name not in self.bridges:
                    yield (f"{host.engine.name} could not be asked ({host.engine.unread}), and whether bridge "
                           f"{_SAFE_WORDS.sub('', name)} is one of its networks cannot be told")
        if host.engine.rootless:
            yield ("the engine is rootless: its ports are sockets of a process on this host, which INPUT and ufw rule "
                   "already")
        for name in self.wish.interfaces:
            if name != "external" and name not in host.interfaces:
                yield f"there is no interface {name!r}"

    def _families(self, scopes: dict[int, tuple[Scope, ...]]) -> Iterator[int]:
        for family in (4, 6):
            if (self.wish.everything and (family == 4 or self._has_ipv6())) or scopes[family]:
                yield family

    def _has_ipv6(self) -> bool:
        return any(address.family == 6 and name != "lo" for name, each in self.host.interfaces.items()
                   for address in each.addresses)

    def _spared(self) -> tuple[str, ...]:
        """The interfaces that are to be let alone."""
        wanted = set(self.wish.interfaces)
        if not wanted:
            return ()
        if "external" in wanted:
            wanted |= external_interfaces(self.host)
            if wanted == {"external"}:
                self.refused.append("no interface has a default route: which ones are external cannot be told")
        return tuple(each.name for each in outside_interfaces(self.host) if each.name not in wanted)

    def _scopes(self, family: int) -> Iterator[Scope]:
        for container in self.host.engine.containers:
            if container.running:
                for port in container.published:
                    if port.family in (0, family) and port.host_port and self._wanted(container, port):
                        yield Scope(port.proto, port.host_port, port.host_address if port.family == family else 0,
                                    tuple(self._behind(container, port, family)))

    def _wanted(self, container: Container, port: PublishedPort) -> bool:
        return container.name in self.wish.containers or (port.proto, port.host_port) in self.wish.ports

    def _behind(self, container: Container, port: PublishedPort, family: int) -> Iterator[Endpoint]:
        networks = {network.name: network for network in self.host.engine.networks}
        for endpoint in container.endpoints:
            address = endpoint.address if family == 4 else endpoint.address6
            network = networks.get(endpoint.network)
            if address is not None and network is not None and network.interface in self.bridges:
                yield Endpoint(network.interface, address, port.proto, port.container_port)

    def _allows(self, family: int) -> Iterator[Clause]:
        """What ``--allow`` says; of a port for which it names sources of the other family only: nobody."""
        ours = [each for each in self.wish.allows if each.family == family]
        named = {(each.proto, each.port) for each in ours}
        theirs = dict.fromkeys((each.proto, each.port) for each in self.wish.allows if each.family != family)
        for proto, port, sources in (*((each.proto, each.port, each.sources) for each in ours),
                                     *((*each, EMPTY) for each in theirs if each not in named)):
            yield Clause("allow", proto=IntervalSet.of(proto), dport=IntervalSet.of(port), src=sources)

    def _nothing_published(self) -> Iterator[str]:
        names = {container.name for container in self.host.engine.containers}
        for name in self.wish.containers:
            yield (f"{name} publishes no port" if name in names else f"there is no container {name!r}")
        for proto, port in self.wish.ports:
            yield f"no running container publishes {port}/{PROTOCOL_NAMES.get(proto, proto)}"

    def _allowed_words(self) -> Iterator[str]:
        for each in self.wish.allows:
            yield f"{each.port}/{PROTOCOL_NAMES.get(each.proto, each.proto)} (IPv{each.family})"

    # ---- what policy says -------------------------------------------------------------------------------------------

    def policy(self, family: int) -> Reading:
        """The policy of INPUT, where it concerns ports that may be published."""
        table, chain = policy_chain(self.host, family)
        if table is None or chain is None:
            return Reading((), _OPEN)
        reading = read_policy(table.chains, chain, family, (*self.bridges, "lo"), self._name(family))
        self.refused += [f"this rule cannot be said for published ports: {each}" for each in reading.refused]
        return reading

    def route(self, family: int) -> Reading:
        """What ufw's route rules let through to containers."""
        for table in self.host.ruleset.tables:
            chain = table.chains.get(_USER_FORWARD[family])
            if chain is None or table.family != ("ip" if family == 4 else "ip6"):
                continue
            reading = read_policy(table.chains, chain, family, (*self.bridges, "lo"), self._name(family),
                                  Clause("deny"))
            denied: list[Clause] = []
            for clause in reading.clauses:
                if clause.verdict != "allow":
                    denied.append(clause)
                elif any(_meet(clause, each) for each in denied):
                    self.refused.append(f"{clause.said}: an earlier route rule denies a part of it")
            return reading
        return Reading((), Clause("deny"))

    def _name(self, family: int) -> NameOf:
        return NameOf(self.host, family)

    # ---- how it is said ---------------------------------------------------------------------------------------------

    def _transactions(self, by_family: dict[int, list[Line]]) -> Iterator[Transaction]:
        backend = engine_backend(self.host)
        loopback = self._loopback_hole()
        if backend == "native":
            yield nft_transaction(by_family, loopback, any(
                table.backend == "native" and (table.family, table.name) == ("inet", nftables.TABLE)
                for table in self.host.ruleset.tables))
            return
        for family, made in by_family.items():
            yield from docker_user.transactions(self.host.ruleset, backend, family, made, loopback)

    def _loopback_hole(self) -> bool:
        """Whether neighbours may reach what is published on 127.0.0.1: Docker 28 and later refuse that themselves."""
        if not self.wish.everything and not any(
                port.host_address in LOOPBACK[4] and port.family == 4 and self._wanted(container, port)
                for container in self.host.engine.containers for port in container.published):
            return False
        version = self.host.engine.version.partition(".")[0]
        return self.host.engine.name == "podman" or not version.isdigit() or int(version) < 28


@dataclass(frozen=True, slots=True)
class NameOf:
    """What a rule of a chain is called in a comment of ours."""

    host: Host
    family: int

    def __call__(self, chain: str, rule: Rule) -> str:
        """``ufw rule 3`` for one of ufw's own, else the chain's name."""
        if chain.startswith(("ufw-user-", "ufw6-user-")):
            count = 0
            for each in self.host.ufw.rules:
                own = [line for line in each.lines if line.split()[1:2] == [chain]]
                if each.family == self.family and count < rule.number <= count + len(own):
                    return f"ufw rule {each.number}"
                count += len(own) if each.family == self.family else 0
        return _SAFE_WORDS.sub("", chain)[:60] or "policy"


def nft_transaction(by_family: dict[int, list[Line]], loopback: bool, replaces: bool) -> Transaction:
    """The one transaction of an engine that writes nftables rules. Raises CannotSay."""
    return Transaction("published ports obey the policy of INPUT", ("nft", "-f", "-"),
                       nftables.script(by_family, loopback), nftables.undo(), "native", 0, nftables.TABLE,
                       nftables.FORWARD, "", replaces, nftables.document(by_family, loopback))


def container_bridges(host: Host) -> tuple[str, ...]:
    """The bridges of container networks; by their names where the engine could not be asked."""
    known = {network.interface for network in host.engine.networks if network.driver == "bridge" and network.interface}
    named = {name for name, interface in host.interfaces.items()
             if interface.kind == "bridge" and is_engine_bridge(name)}
    return tuple(sorted(known | named))


def external_interfaces(host: Host) -> set[str]:
    """The interfaces that a default route leaves by, in either family."""
    return {device for family in (4, 6) for route in host.routes.get(family) or ()
            if route.prefix == 0 and route.kind == "unicast" for device in route.devices}


def engine_backend(host: Host) -> Backend:
    """Where the engine's own rules are: ours go to the same place, or they would not meet its packets first."""
    native = {(table.family, table.name) for table in host.ruleset.tables if table.backend == "native"}
    if host.engine.firewall == "nftables" or native & {("ip", "docker-bridges"), ("inet", "netavark")}:
        return "native"
    for table in host.ruleset.tables:
        if table.backend != "native" and any(name in table.chains for name in _ENGINE_CHAINS):
            return table.backend
    return "nft"


def policy_chain(host: Host, family: int) -> tuple[Table | None, Chain | None]:
    """The base chain on input that holds the host's policy: ufw's, else the first that can refuse anything."""
    found: list[tuple[bool, int, Table, Chain]] = []
    for table in host.ruleset.tables:
        if table.dormant or table.family not in ("inet", "ip" if family == 4 else "ip6"):
            continue
        for chain in table.chains.values():
            if chain.hook == "input" and chain.kind == "filter":
                mine = any(isinstance(rule.target, Jump) and rule.target.chain.startswith(("ufw-before", "ufw6-before"))
                           for rule in chain.rules)
                if mine or chain.policy == "drop" or _refuses(table, chain, set()):
                    found.append((not mine, chain.priority, table, chain))
    if not found:
        return None, None
    _, _, table, chain = min(found, key=lambda each: each[:2])
    return table, chain


def _refuses(table: Table, chain: Chain, seen: set[str]) -> bool:
    """Whether some rule of a chain, or of one that it jumps to, can refuse a packet."""
    seen.add(chain.name)
    for rule in chain.rules:
        if isinstance(rule.target, (Drop, Reject)):
            return True
        name: str = getattr(rule.target, "chain", "")
        if name in table.chains and name not in seen and _refuses(table, table.chains[name], seen):
            return True
    return False


def _meet(one: Clause, two: Clause) -> bool:
    """Whether two clauses may hold for the same packet."""
    for field in ("src", "dst", "proto", "sport", "dport"):
        mine: IntervalSet | None = getattr(one, field)
        theirs: IntervalSet | None = getattr(two, field)
        if mine is not None and theirs is not None and not mine & theirs:
            return False
    return True


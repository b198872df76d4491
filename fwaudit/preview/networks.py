"""The networks of a project on this host: those that are there, and those that the engine would make, with the subnet
that it would take.

Source: moby, libnetwork/ipamutils and ipam (the local default pools, and that the first free one is taken that no route
of the host overlaps); docker/info.json's DefaultAddressPools where the admin set others.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fwaudit.errors import PreviewError
from fwaudit.model.compose import ComposeNetwork, Doubt, Mark, Pool
from fwaudit.model.host import DockerNetwork, Host
from fwaudit.model.preview import Bridge
from fwaudit.packet.address import format_address, parse_address
from fwaudit.preview.ways import Ways

_DEFAULT_POOLS = (("172.17.0.0", 16, 16), ("172.18.0.0", 16, 16), ("172.19.0.0", 16, 16), ("172.20.0.0", 14, 16),
                  ("172.24.0.0", 14, 16), ("172.28.0.0", 14, 16), ("192.168.0.0", 16, 20))
_PREFIX = "com.docker.network.bridge."
_KNOWN_OPTIONS = frozenset({
    "name", "enable_icc", "enable_ip_masquerade", "host_binding_ipv4", "gateway_mode_ipv4", "gateway_mode_ipv6",
    "trusted_host_interfaces", "inhibit_ipv4"})
_HARMLESS = frozenset({"com.docker.network.driver.mtu", "com.docker.network.container_iface_prefix",
                       "com.docker.network.host_ipv4", "com.docker.network.host_ipv6"})
_ADDRESSES = {"com.docker.network.host_ipv4": 4, "com.docker.network.host_ipv6": 6, f"{_PREFIX}host_binding_ipv4": 4}
_MODES = {"": (0, 0), "nat": (0, 0), "routed": (27, 0), "isolated": (27, 1), "nat-unprotected": (28, 0)}
_NO_GATEWAY = (29, 0, 0)
"""From here on, a macvlan or ipvlan has a gateway only where one is given (ran)."""
_WIDTH = {4: 32, 6: 128}


class Networks:
    """Finds or makes the networks. ``doubts``: those that cannot be had, or are not understood. ``drawn``: the IPv4
    subnets that the engine chooses."""

    def __init__(self, host: Host, ways: Ways, info: Mapping[str, Any], project: str) -> None:
        self.host, self.ways, self.info, self.project = host, ways, info, project
        self.by_name = {network.name: network for network in host.engine.networks}
        self.doubts: list[Doubt] = []
        self.notes: list[str] = []
        self.drawn: list[Pool] = []
        self.taken = [subnet for network in host.engine.networks for subnet in network.subnets]
        self.taken += [(route.family, route.low, route.prefix) for family in (4, 6)
                       for route in host.routes.get(family) or () if route.prefix and route.table in ("", "main")
                       and route.kind == "unicast"]

    def of(self, wanted: ComposeNetwork) -> Bridge | None:
        """The network on this host; None, with a doubt, where it cannot be told."""
        try:
            there = self.by_name.get(wanted.name)
            if there is not None:
                return self._found(wanted, there)
            if wanted.external:
                raise PreviewError("it is external and not on this host, so nothing that needs it would start")
            return self._made(wanted)
        except PreviewError as error:
            self.doubts.append(Doubt(wanted.mark, f"network {wanted.name[:60]}: {error}"))
            return None

    def default(self, mark: Mark) -> Bridge | None:
        """The engine's own default network (network_mode: bridge)."""
        there = self.by_name.get("bridge")
        if there is None:
            self.doubts.append(Doubt(mark, "the engine's default network is not among those that it lists"))
            return None
        return existing(there, self.host, self.ways)

    def _found(self, wanted: ComposeNetwork, there: DockerNetwork) -> Bridge:
        if there.driver not in ("bridge", "macvlan", "ipvlan"):
            raise PreviewError(f"what driver {there.driver[:60]!r} exposes is not known here")
        found = existing(there, self.host, self.ways)
        if not wanted.external and _differ(wanted, found):
            raise PreviewError("it is here with other settings than the file's; compose would make it anew: "
                               "docker network rm it first, then ask again")
        return found

    # ---- new ones ---------------------------------------------------------------------------------------------------

    def _made(self, wanted: ComposeNetwork) -> Bridge:
        driver = wanted.driver or "bridge"
        id = hashlib.sha256(f"network\0{wanted.name}".encode("utf-8", "surrogatepass")).hexdigest()
        if driver in ("macvlan", "ipvlan"):
            return self._on_the_link(wanted, driver, id)
        if driver != "bridge":
            raise PreviewError(f"what driver {driver[:60]!r} exposes is not known here")
        wanted = replace(wanted, options={**self.ways.daemon.network_options, **wanted.options})
        if not self.ways.daemon.known and self.ways.version >= (24, 0, 0):
            self.notes.append("the snapshot has no settings of dockerd: default-network-opts are taken not to be set")
        self._refuse_options(wanted)
        name = wanted.options.get(f"{_PREFIX}name") or f"br-{id[:12]}"
        if not _is_interface(name):
            raise PreviewError(f"no name of an interface: {name[:60]!r}")
        if name in self.host.interfaces:
            raise PreviewError(f"interface {name} is there already")
        pools = tuple(self._pools(wanted))
        self.taken += [(pool.family, pool.low, pool.prefix) for pool in pools]
        mode4, mode6 = (wanted.options.get(f"{_PREFIX}gateway_mode_ipv{family}", "") for family in (4, 6))
        return Bridge(id, wanted.name, "bridge", name, True, pools, wanted.internal, bool(wanted.ipv6), mode4, mode6,
                      dict(wanted.options))

    def _refuse_options(self, wanted: ComposeNetwork) -> None:
        """What is not understood, and what this engine would refuse."""
        for option in wanted.options:
            if option not in _HARMLESS and not (option.startswith(_PREFIX)
                                                and option.removeprefix(_PREFIX) in _KNOWN_OPTIONS):
                raise PreviewError(f"option {option[:80]!r} is not understood")
        for option, family in _ADDRESSES.items():
            text = wanted.options.get(option, "")
            if text and not _is_address(text, family):
                raise PreviewError(f"option {option} is no IPv{family} address: {text[:60]!r}")
        for name in filter(None, wanted.options.get(f"{_PREFIX}trusted_host_interfaces", "").split(":")):
            if not _is_interface(name):
                raise PreviewError(f"no name of an interface: {name[:60]!r}")
        for family in (4, 6):
            mode = wanted.options.get(f"{_PREFIX}gateway_mode_ipv{family}", "")
            if mode not in _MODES or self.ways.version[:2] < _MODES[mode]:
                raise PreviewError(f"this engine has no gateway_mode {mode[:60]!r}")
        forwarding = {family: self.host.setting(key) for family, key in (
            (4, "net.ipv4.ip_forward"), (6, "net.ipv6.conf.all.forwarding"))}
        if self.ways.backend == "native" and (forwarding[4] == 0 or (wanted.ipv6 and not forwarding[6])):
            raise PreviewError("with its nftables backend the engine refuses a network while forwarding is off")

    def _on_the_link(self, wanted: ComposeNetwork, driver: str, id: str) -> Bridge:
        """A macvlan or ipvlan: its containers have their own place on the link of the parent interface."""
        parent = wanted.options.get("parent", "")
        if not wanted.pools or parent.split(".", 1)[0] not in self.host.interfaces:
            raise PreviewError(f"a {driver} without a subnet and a parent that is here is not understood")
        pools = wanted.pools if self.ways.version >= _NO_GATEWAY else tuple(map(_with_gateway, wanted.pools))
        return Bridge(id, wanted.name, driver, parent, True, pools, wanted.internal, bool(wanted.ipv6), "", "",
                      dict(wanted.options))

    def _pools(self, wanted: ComposeNetwork) -> Iterator[Pool]:
        """The subnets of a new network, each with its gateway. Raises PreviewError."""
        given = {pool.family: pool for pool in wanted.pools}
        for family, on in ((4, wanted.ipv4), (6, bool(wanted.ipv6))):
            if not on:
                continue
            pool = given.get(family)
            if pool is None:
                pool = self._free4() if family == 4 else self._free6(wanted)
            elif any(_overlap((family, pool.low, pool.prefix), other) for network in self.host.engine.networks
                     for other in network.subnets):
                raise PreviewError(f"its subnet {format_address(family, pool.low)}/{pool.prefix} overlaps with that of "
                                   "another network, which the engine refuses")
            yield _with_gateway(pool)

    def _free4(self) -> Pool:
        for low, prefix, size in self._address_pools():
            for step in range(1 << min(max(size - prefix, 0), 12)):
                found = (4, low + (step << (32 - size)), size)
                if not any(_overlap(found, other) for other in self.taken):
                    self.drawn.append(Pool(*found))
                    return self.drawn[-1]
        raise PreviewError("the engine has no free subnet for it")

    def _address_pools(self) -> Iterator[tuple[int, int, int]]:
        own = self.info.get("DefaultAddressPools")
        found = []
        for each in own if isinstance(own, list) else ():
            try:
                base, _, prefix = str(each["Base"]).partition("/")
                family, low = parse_address(base)
                size = int(each["Size"])
                if family == 4 and 0 < int(prefix) <= size <= 32:
                    found.append((low, int(prefix), size))
            except (KeyError, TypeError, ValueError):
                raise PreviewError("the engine's address pools do not read") from None
        yield from found or ((parse_address(base)[1], prefix, size) for base, prefix, size in _DEFAULT_POOLS)

    def _free6(self, wanted: ComposeNetwork) -> Pool:
        if self.ways.version < (27, 0, 0):
            raise PreviewError("this engine makes no IPv6 network without a subnet of its own")
        digest = hashlib.sha256(wanted.name.encode("utf-8", "surrogatepass")).digest()
        low = int.from_bytes(b"\xfd" + digest[:7], "big") << 64
        self.notes.append(f"{format_address(6, low)}/64 stands for the IPv6 subnet that the engine would draw for "
                          f"network {wanted.name[:60]}")
        return Pool(6, low, 64)


def _differ(wanted: ComposeNetwork, there: Bridge) -> bool:
    """Whether the file asks for other settings than a network has; what it does not say is not asked for."""
    pools = {(pool.family, pool.low, pool.prefix) for pool in wanted.pools}
    return bool(
        (wanted.driver and wanted.driver != there.driver) or wanted.internal != there.internal
        or (wanted.ipv6 is not None and wanted.ipv6 != there.ipv6)
        or any(there.options.get(key) != value for key, value in wanted.options.items())
        or not pools <= {(pool.family, pool.low, pool.prefix) for pool in there.pools})


def existing(network: DockerNetwork, host: Host, ways: Ways) -> Bridge:
    """A network of the engine as it is. 20.10 does not tell the default bridge's gateway: it is its own address."""
    has_gateway = network.driver == "bridge" or ways.version < _NO_GATEWAY
    interface = host.interfaces.get(network.interface) if network.driver == "bridge" else None
    gateways = {address.family: address.value for address in interface.addresses if address.scope == "global"} \
        if interface is not None else {}
    gateways |= dict(network.gateways)
    pools = tuple(Pool(family, low, prefix, gateways.get(family)) for family, low, prefix in network.subnets)
    return Bridge(network.id, network.name, network.driver, network.interface, False,
                  tuple(map(_with_gateway, pools)) if has_gateway else pools, network.internal,
                  network.ipv6, network.gateway_mode4, network.gateway_mode6, dict(network.options))


def _is_interface(name: str) -> bool:
    """Whether it may be written into a rule as the name of an interface."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", name) is not None


def _is_address(text: str, family: int) -> bool:
    try:
        return parse_address(text)[0] == family and "%" not in text
    except ValueError:
        return False


def _with_gateway(pool: Pool) -> Pool:
    return pool if pool.gateway is not None else Pool(pool.family, pool.low, pool.prefix, pool.low + 1)


def _overlap(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    if one[0] != other[0]:
        return False
    shift = _WIDTH[one[0]] - min(one[2], other[2])
    return one[1] >> shift == other[1] >> shift

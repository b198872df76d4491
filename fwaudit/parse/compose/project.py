"""A merged tree of Compose files → Project.

One thing that does not read is a Doubt with its line, and everything else is read all the same: a preview that stopped
at the first would hide the rest, one that passed over it would lie.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import TypeVar

from fwaudit.errors import ParseError
from fwaudit.model.compose import Attachment, ComposeNetwork, ComposeService, Doubt, Mark, Pool, Project, Publish
from fwaudit.packet.address import parse_address
from fwaudit.parse.compose.assemble import Tree
from fwaudit.parse.compose.ports import exposed, publishes
from fwaudit.parse.compose.tree import Node

T = TypeVar("T")

_MOST_REPLICAS = 100
_MOST_PORTS = 4096
_MODES = re.compile(r"(?:host|none|bridge|default|(?:service|container):\S+|)")
_PRIVATE_NETWORK = "default"
_TRUE, _FALSE = ("true", "yes", "on", "y"), ("false", "no", "off", "n")


def read_project(tree: Tree, name: str, files: Sequence[str], profiles: Collection[str]) -> Project:
    """The project called ``name``. Never raises: what does not read is in ``doubts``."""
    reader = _Reader(name, profiles)
    services = tuple(reader.services(tree))
    networks = {key: each for key, node in tree.networks.items() if (each := reader.network(key, node)) is not None}
    used = {attachment.network: service.mark for service in services for attachment in service.attachments}
    for key, mark in used.items():
        if key == _PRIVATE_NETWORK:
            networks.setdefault(key, ComposeNetwork(key, f"{name}_{key}", mark))
        elif key not in networks:
            reader.doubt(mark, f"network {key[:60]!r} is not declared under networks:")
    return Project(name, tuple(files), services, networks, tuple(dict.fromkeys(reader.doubts)), tuple(reader.left_out))


def project_name(text: str) -> str:
    """A folder's name as Compose makes a project's name of it: lower case, and only letters, digits, ``-`` and ``_``.
    Source: compose-go, loader.NormalizeProjectName."""
    return re.sub(r"[^a-z0-9_-]", "", text.lower()).lstrip("_-")


class _Reader:
    def __init__(self, project: str, profiles: Collection[str]) -> None:
        self.project = project
        self.profiles = frozenset(profiles)
        self.doubts: list[Doubt] = []
        self.left_out: list[tuple[str, tuple[str, ...]]] = []
        self.ports = 0

    def doubt(self, mark: Mark, why: str) -> None:
        self.doubts.append(Doubt(mark, why))

    def attempt(self, read: Callable[[], T], mark: Mark, otherwise: T) -> T:
        try:
            return read()
        except ParseError as error:
            where = f"{error.source} line {error.line}: " if error.line else f"{error.source}: "
            self.doubt(Mark(error.source, error.line) if error.line else mark, str(error).removeprefix(where))
        return otherwise

    # ---- services ---------------------------------------------------------------------------------------------------

    def services(self, tree: Tree) -> Iterator[ComposeService]:
        for name, node in tree.services.items():
            profiles = tuple(each.text for each in _items(node.get("profiles")))
            if profiles and not self.profiles & {*profiles, "*"}:
                self.left_out.append((name, profiles))
                continue
            found = self.attempt(partial(self.service, name, node), node.mark, None)
            if found is not None:
                yield found

    def service(self, name: str, node: Node) -> ComposeService | None:
        for key in ("provider", "net"):
            if (found := node.get(key)) is not None:
                self.doubt(found.mark, f"service {name[:60]}: {key} is not understood")
                return None
        mode = self.text(node, "network_mode")
        if not _MODES.fullmatch(mode):
            self.doubt(_mark(node, "network_mode"), f"service {name[:60]}: no network_mode is {mode[:60]!r}")
            return None
        ports, expose = node.get("ports"), node.get("expose")
        attachments = self.attachments(name, node) if mode in ("", "default") else ()
        if (mode in ("host", "none") or ":" in mode) and ports is not None and ports.items:
            self.doubt(ports.mark, f"service {name[:60]}: ports beside network_mode {mode[:60]} publish nothing")
            ports = None
        return ComposeService(
            name, node.mark, "" if mode == "default" else mode, attachments, self.published(name, ports),
            tuple(self.attempt(lambda: exposed(expose), expose.mark, [])) if expose is not None else (),
            self.replicas(name, node), self.text(node, "container_name"), self.text(node, "image"),
            self.flag(node, "privileged"), tuple(each.text[:60] for each in _items(node.get("cap_add"))))

    def published(self, name: str, ports: Node | None) -> tuple[Publish, ...]:
        if ports is None:
            return ()
        if ports.kind != "list":
            raise ports.wrong("a list of ports")
        found: dict[tuple[object, ...], Publish] = {}
        for item in ports.items:
            unset = [each for node in (item, *(item.keys or {}).values()) for each in node.unset]
            if unset:
                self.doubt(item.mark, f"service {name[:60]}: ${{{unset[0]}}} is not set, and a port depends on it; "
                                      "set it, or name the file that does with --env-file")
                continue
            none: list[Publish] = []
            for each in self.attempt(partial(publishes, Node("list", item.mark, items=(item,))), item.mark, none):
                found[each.proto, each.container_port, each.ports, each.address] = each
                self.ports += 1
            if self.ports > _MOST_PORTS:
                raise ParseError(item.mark.file, item.mark.line, f"more than {_MOST_PORTS:,} ports")
        return tuple(found.values())

    def attachments(self, name: str, node: Node) -> tuple[Attachment, ...]:
        networks = node.get("networks")
        if networks is None or not networks.keys:
            return (Attachment(_PRIVATE_NETWORK),)
        if networks.kind != "map":
            raise networks.wrong("a mapping of networks")
        found = []
        for key, value in networks.entries():
            address4, address6, priority = (value.get(each) for each in ("ipv4_address", "ipv6_address", "gw_priority"))
            found.append(Attachment(key, _address(address4, 4), _address(address6, 6), _whole(priority, 0)))
            for each in (address4, address6, priority):
                if each is not None and each.unset:
                    self.doubt(each.mark, f"service {name[:60]}: ${{{each.unset[0]}}} is not set, and an address "
                                          "depends on it")
        return tuple(found)

    def replicas(self, name: str, node: Node) -> int:
        deploy = node.get("deploy")
        wanted = node.get("scale") or (deploy.get("replicas") if deploy is not None and deploy.kind == "map" else None)
        mode = deploy.get("mode") if deploy is not None and deploy.kind == "map" else None
        if mode is not None and mode.text not in ("replicated", "global"):
            self.doubt(mode.mark, f"service {name[:60]}: deploy mode {mode.text[:60]!r} is not understood")
        count = _whole(wanted, 1)
        if wanted is not None and count > _MOST_REPLICAS:
            self.doubt(wanted.mark, f"service {name[:60]}: more than {_MOST_REPLICAS} containers are not looked at")
            return _MOST_REPLICAS
        return count

    # ---- networks ---------------------------------------------------------------------------------------------------

    def network(self, key: str, node: Node) -> ComposeNetwork | None:
        return self.attempt(partial(self._network, key, node), node.mark, None)

    def _network(self, key: str, node: Node) -> ComposeNetwork:
        external = node.get("external")
        outside = external is not None and (external.kind == "map" or self.truth(external))
        name = self.text(node, "name") or (external.get("name") or external).text if outside and external is not None \
            and external.kind == "map" and external.get("name") else self.text(node, "name")
        options = node.get("driver_opts")
        if options is not None and options.kind != "map":
            raise options.wrong("a mapping of options")
        for option, value in options.entries() if options is not None else ():
            if value.unset:
                self.doubt(value.mark, f"network {key[:60]}: ${{{value.unset[0]}}} is not set, and {option[:60]} "
                                       "depends on it")
        ipv6 = node.get("enable_ipv6")
        return ComposeNetwork(
            key, name or (key if outside else f"{self.project}_{key}"), node.mark, outside, self.text(node, "driver"),
            self.flag(node, "internal"), self.flag(node, "enable_ipv4", True),
            None if ipv6 is None else self.truth(ipv6), tuple(_pools(node.get("ipam"))),
            {option: value.text for option, value in options.entries()} if options is not None else {})

    # ---- values -----------------------------------------------------------------------------------------------------

    def text(self, node: Node, key: str) -> str:
        found = node.get(key)
        if found is None:
            return ""
        if found.kind != "text":
            raise found.wrong("text")
        if found.unset:
            self.doubt(found.mark, f"${{{found.unset[0]}}} is not set, and {key} depends on it")
        return found.text

    def flag(self, node: Node, key: str, otherwise: bool = False) -> bool:
        found = node.get(key)
        return otherwise if found is None else self.truth(found)

    def truth(self, node: Node) -> bool:
        word = node.text.lower()
        if node.unset:
            self.doubt(node.mark, f"${{{node.unset[0]}}} is not set")
        if word not in (*_TRUE, *_FALSE):
            raise node.wrong("true or false")
        return word in _TRUE


def _items(node: Node | None) -> tuple[Node, ...]:
    if node is None:
        return ()
    return node.items if node.kind == "list" else (node,)


def _mark(node: Node, key: str) -> Mark:
    found = node.get(key)
    return found.mark if found is not None else node.mark


def _whole(node: Node | None, otherwise: int) -> int:
    if node is None:
        return otherwise
    if re.fullmatch(r"-?[0-9]{1,9}", node.text) is None:
        raise node.wrong("a whole number")
    return int(node.text)


def _address(node: Node | None, family: int) -> int | None:
    if node is None:
        return None
    try:
        found, value = parse_address(node.text)
    except ValueError:
        raise node.wrong("an address") from None
    if found != family:
        raise node.wrong(f"an IPv{family} address")
    return value


def _pools(ipam: Node | None) -> Iterator[Pool]:
    """The subnets of ``ipam: config:``."""
    config = ipam.get("config") if ipam is not None and ipam.kind == "map" else None
    driver = ipam.get("driver") if ipam is not None and ipam.kind == "map" else None
    if driver is not None and driver.text != "default":
        raise ParseError(driver.mark.file, driver.mark.line, f"ipam driver {driver.text[:60]!r} is not understood")
    for entry in _items(config):
        subnet, gateway = entry.get("subnet"), entry.get("gateway")
        if subnet is None:
            continue
        text, _, length = subnet.text.partition("/")
        try:
            family, value = parse_address(text)
            width = 32 if family == 4 else 128
            prefix = int(length)
            if not 0 < prefix <= width:
                raise ValueError
        except ValueError:
            raise subnet.wrong("a subnet") from None
        low = value >> (width - prefix) << (width - prefix)
        yield Pool(family, low, prefix, _address(gateway, family))

"""``ports:`` and ``expose:`` of a service → Publishes: the short syntax and the long one.

Source: the Compose Specification, "ports", and the parser that Compose uses for the short form (docker/go-connections,
nat.ParsePortSpec): the container's port is the last word, an IPv6 address is in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fwaudit.errors import ParseError
from fwaudit.model.compose import Publish
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import MAX_PORT, PROTOCOLS
from fwaudit.parse.compose.tree import Node

_SHORT = re.compile(
    r"(?:(?:\[([0-9A-Fa-f:.]+)\]|([0-9]+(?:\.[0-9]+)+)):([0-9]*(?:-[0-9]+)?):|([0-9]*(?:-[0-9]+)?):)?"
    r"([0-9]+(?:-[0-9]+)?)(?:/([A-Za-z]+))?")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_PROTOCOLS = ("tcp", "udp", "sctp")
_LONG = frozenset({"target", "published", "host_ip", "protocol", "app_protocol", "mode", "name"})
_HINT = "Compose takes 8080:80, 127.0.0.1:8080:80/udp, [::1]:8080:80 and ranges of equal length."


def publishes(ports: Node) -> list[Publish]:
    """What a ``ports:`` list publishes, each container port of its own; of two that are the same the last one.
    Raises ParseError."""
    if ports.kind != "list":
        raise ports.wrong("a list of ports")
    found = [each for item in ports.items for each in (_long(item) if item.kind == "map" else _short(item))]
    unique = {(each.proto, each.container_port, each.ports, each.address): each for each in found}
    return list(unique.values())


def exposed(expose: Node) -> list[tuple[int, int]]:
    """(protocol, port) of an ``expose:`` list. Raises ParseError."""
    if expose.kind != "list":
        raise expose.wrong("a list of ports")
    found = []
    for item in expose.items:
        port, _, proto = item.text.partition("/")
        low, high = _range(port, item)
        found += [(_protocol(proto or "tcp", item), each) for each in range(low, high + 1)]
    return found


def _short(item: Node) -> Iterator[Publish]:
    if item.kind != "text":
        raise item.wrong("a port")
    match = _SHORT.fullmatch(item.text.strip())
    if match is None:
        raise _wrong(item)
    v6, v4, with_address, alone, inner, proto = match.groups()
    outer = with_address or alone
    address = _address(v6 or v4, item) if v6 or v4 else None
    low, high = _range(inner, item)
    host = _range(outer, item, least=0) if outer else None
    yield from _expanded((low, high), host, address, _protocol(proto or "tcp", item), item)


def _expanded(inner: tuple[int, int], outer: tuple[int, int] | None, address: tuple[int, int] | None, proto: int,
              item: Node) -> Iterator[Publish]:
    """A range as its ports, one to one; a single container port with a range of the host's takes one of these."""
    low, high = inner
    if outer is not None and outer[0] == 0:
        outer = None
    if low == high or outer is None:
        for port in range(low, high + 1):
            yield Publish(proto, port, outer, address, item.mark)
        return
    if outer[1] - outer[0] != high - low:
        raise ParseError(item.mark.file, item.mark.line, f"ranges of different length: {item.text[:60]!r}", _HINT)
    for step in range(high - low + 1):
        yield Publish(proto, low + step, (outer[0] + step, outer[0] + step), address, item.mark)


def _long(item: Node) -> Iterator[Publish]:
    for key, value in item.entries():
        if key not in _LONG and not key.startswith("x-"):
            raise ParseError(value.mark.file, value.mark.line, f"a port has no {key[:60]!r}",
                             f"There are: {', '.join(sorted(_LONG))}.")
    target = item.get("target")
    if target is None:
        raise item.wrong("a port with its target")
    inner = _range(target.text, target)
    published, host_ip, proto = item.get("published"), item.get("host_ip"), item.get("protocol")
    outer = _range(published.text, published, least=0) if published is not None and published.text else None
    address = _address(host_ip.text.strip("[]"), host_ip) if host_ip is not None and host_ip.text else None
    mode = item.get("mode")
    if mode is not None and mode.text not in ("host", "ingress"):
        raise mode.wrong("host or ingress")
    number = _protocol(proto.text if proto is not None else "tcp", item)
    if outer is not None and outer[0] == 0:
        outer = None
    for port in range(inner[0], inner[1] + 1):
        yield Publish(number, port, outer, address, target.mark)


def _range(text: str, node: Node, least: int = 1) -> tuple[int, int]:
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise node.wrong("a port") if node.kind != "text" else _wrong(node)
    low, high = int(match[1]), int(match[2] or match[1])
    if not least <= low <= high <= MAX_PORT:
        raise _wrong(node)
    return low, high


def _address(text: str, node: Node) -> tuple[int, int]:
    try:
        return parse_address(text)
    except ValueError:
        raise ParseError(node.mark.file, node.mark.line, f"not an address of the host: {text[:60]!r}", _HINT) from None


def _protocol(text: str, node: Node) -> int:
    if text.lower() not in _PROTOCOLS:
        raise ParseError(node.mark.file, node.mark.line, f"not a protocol of ports: {text[:60]!r}",
                         f"There are: {', '.join(_PROTOCOLS)}.")
    return PROTOCOLS[text.lower()]


def _wrong(node: Node) -> ParseError:
    return ParseError(node.mark.file, node.mark.line, f"not a port: {node.text[:60]!r}", _HINT)

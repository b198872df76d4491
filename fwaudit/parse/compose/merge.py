"""One Compose file laid over another, by the rules of the Compose Specification, "Merge".

Only the parts are merged that decide about exposure: mappings key by key, sequences appended, all else replaced;
``!override`` replaces a mapping or sequence as a whole, ``!reset`` takes away.
"""

from __future__ import annotations

from dataclasses import replace

from fwaudit.parse.compose.tree import Node

SERVICE_KEYS = ("ports", "expose", "networks", "network_mode", "profiles", "scale", "deploy", "container_name", "image",
                "privileged", "cap_add", "provider", "extends", "net", "environment", "env_file")
"""The keys of a service that are read; of the environment nothing but a verdict is kept."""
NETWORK_KEYS = ("name", "external", "driver", "driver_opts", "internal", "enable_ipv4", "enable_ipv6", "ipam")
_DEEPEST = 8


def merged(under: Node | None, over: Node, depth: int = 0) -> Node:
    """``over`` laid over ``under``."""
    if under is None or over.tag or over.kind != under.kind or depth > _DEEPEST:
        return over if over.kind != "null" or over.tag or under is None else under
    if over.kind == "map":
        keys = dict(under.keys or {})
        for key, value in over.entries():
            keys[key] = merged(keys.get(key), value, depth + 1)
        return replace(over, keys=keys)
    if over.kind == "list":
        return replace(over, items=(*under.items, *over.items))
    return over if over.kind != "null" else under


def kept(service: Node, keys: tuple[str, ...]) -> Node:
    """A mapping with only the keys that are read; ``networks`` and ``environment`` always as mappings."""
    found = {key: value for key, value in service.entries() if key in keys}
    if "networks" in found:
        found["networks"] = as_mapping(found["networks"])
    if "environment" in found:
        found["environment"] = _variables(found["environment"])
    return replace(service, keys=found)


def as_mapping(names: Node) -> Node:
    """A list of names as the mapping that it stands for."""
    if names.kind != "list":
        return names
    return Node("map", names.mark, keys={each.text: Node("null", each.mark) for each in names.items}, tag=names.tag)


def _variables(listed: Node) -> Node:
    """``KEY=value``, one a line, as the mapping that it stands for."""
    if listed.kind != "list":
        return listed
    found = {}
    for each in listed.items:
        key, sign, value = each.text.partition("=")
        found[key] = replace(each, text=value) if sign else Node("null", each.mark)
    return Node("map", listed.mark, keys=found, tag=listed.tag)


def settled(node: Node) -> Node:
    """Without what ``!reset`` took away, once everything is merged."""
    if node.kind != "map":
        return node
    return replace(node, keys={key: settled(value) for key, value in node.entries() if value.tag != "!reset"})

"""A snapshot that can be shown to others: names and addresses replaced, alike everywhere, so that verdicts stay.

What is not known to say nothing of a host is replaced or left out; a file that does not read is left out whole.
`alike` holds the report of the result against the report of the original. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from fwaudit.disguise import documents, engine, texts
from fwaudit.disguise.addresses import WIDTH, Addresses
from fwaudit.disguise.vocabulary import INTERFACES
from fwaudit.disguise.words import Words
from fwaudit.model.snapshot import Snapshot, Source
from fwaudit.packet.address import parse_address
from fwaudit.records import NamedTuple

LEFT_OUT = "left out when names were replaced: it does not read"

_TEXTS: dict[str, Callable[[str, Words], str]] = {
    **{f"iptables/{kind}.v{family}": texts.rules for kind in ("nft", "legacy") for family in (4, 6)},
    **{f"iptables/names.v{family}": lambda text, words: words.text(text) for family in (4, 6)},
    "ipset/save": texts.rules, "sysctl": texts.kernel, "ufw/status": texts.status,
    **{f"ufw/{name}{six}.rules": texts.rules for name in ("user", "before", "after") for six in ("", "6")},
    **dict.fromkeys(("ufw/default", "ufw/ufw.conf", "ufw/sysctl.conf"), texts.settings),
    **dict.fromkeys(("sockets/tcp", "sockets/tcp6", "sockets/udp", "sockets/udp6"), texts.sockets),
}
_DOCUMENTS: dict[str, Callable[[Any, Words], Any]] = {
    **{f"net/{name}.json": documents.tree for name in ("link", "addr", "route.v4", "route.v6", "rule.v4", "rule.v6",
                                                       "tc")},
    "nft/ruleset.json": documents.tree, "nft/tables.json": documents.tree, "ufw/hooks.json": documents.tree,
    "docker/daemon.json": documents.tree,
    "docker/containers.json": engine.containers, "docker/networks.json": engine.networks,
    "docker/info.json": engine.info, "docker/version.json": engine.version,
    "docker/listeners.json": documents.by_container,
    "docker/compose.json": documents.by_container, "sockets/owners.json": documents.owners,
    "boot/docker-user.json": documents.boot,
}
_PROFILES = "ufw/applications.d/"
_QUAD = r"\d{1,3}(?:\.\d{1,3}){3}"
_MASKED = re.compile(rf"({_QUAD})/({_QUAD})")
_RANGE = re.compile(rf"({_QUAD})-({_QUAD})|([0-9a-fA-F:.]*:[0-9a-fA-F:.]*)-([0-9a-fA-F:.]*:[0-9a-fA-F:.]*)")
_JSON_RANGE = re.compile(r'"range": ?\[\s*"([0-9a-fA-F:.]+)",\s*"([0-9a-fA-F:.]+)"\s*\]')
_OWN_NETWORK = re.compile(rf'"local": ?"({_QUAD})",\s*(?:"(?:peer|metric|broadcast)": ?[^,]*,\s*)*'
                          r'"prefixlen": ?(\d{1,2})')
_VERSION = re.compile(r"(iproute2-)?v?\d[\w.+~:-]*")
_WILDCARD = re.compile(r'(?<![\w.-])([A-Za-z_][\w.-]{0,13})[+*](?=[\s"\\]|$)')


class Disguised(NamedTuple):
    """``left_out``: files that did not read."""

    snapshot: Snapshot
    words: Words
    left_out: tuple[str, ...]


def disguise(snapshot: Snapshot, key: bytes) -> Disguised:
    """The snapshot with replaced names and addresses. The same key gives the same replacements."""
    whole = {name: snapshot.text(name) for name in snapshot.files}
    addresses = Addresses(key)
    for text in whole.values():
        for family, low, high in _ranges(text):
            addresses.pin(family, low, high)
    wildcards = frozenset(stem for name, text in whole.items() if name.startswith(("iptables/", "nft/", "ufw/"))
                          for stem in _WILDCARD.findall(text)
                          if not any(known.startswith(stem) for known in INTERFACES))
    words = Words(key, addresses, wildcards)
    files: dict[str, bytes] = {}
    left_out = []
    for name in sorted(whole, key=lambda name: (name != "docker/containers.json", name)):  # who names most, first
        try:
            new = _file(name, whole[name], words)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError, OverflowError):
            left_out.append(name)
            continue
        if new is not None:
            files[new[0]] = new[1].encode("utf-8", "replace")
    sources = {_name(name, words): _source(source, words) for name, source in snapshot.sources.items()}
    sources |= {name: Source(missing=LEFT_OUT) for name in left_out}
    return Disguised(
        replace(snapshot, files=files, sources=sources, host=words.name(snapshot.host, "host"), redacted=True,
                taken_at=snapshot.taken_at if re.fullmatch(r"[0-9TZ:+.-]{0,40}", snapshot.taken_at) else "",
                fwaudit=snapshot.fwaudit if re.fullmatch(r"[\w.+-]{0,40}", snapshot.fwaudit) else ""),
        words, tuple(left_out))


def _file(name: str, text: str, words: Words) -> tuple[str, str] | None:
    if name in _TEXTS:
        return name, _TEXTS[name](text, words)
    if name in _DOCUMENTS:
        return name, json.dumps(_DOCUMENTS[name](json.loads(text), words)) + "\n"
    if name.startswith(_PROFILES):
        return _name(name, words), texts.profiles(text, words)
    return None


def _name(name: str, words: Words) -> str:
    """A source's name; that of a profile is the admin's."""
    if name.startswith(_PROFILES):
        return _PROFILES + words.name(name.removeprefix(_PROFILES), "profile")
    return name if name in _TEXTS or name in _DOCUMENTS else words.text(name)


def _source(source: Source, words: Words) -> Source:
    version = "".join(part if _VERSION.fullmatch(part) else words.text(part)
                      for part in re.split(r"([\s(),]+)", source.version[:200]))
    return Source(tuple(map(words.text, source.argv)), source.exit, words.text(source.stderr), version,
                  words.text(source.missing), words.text(source.doubt))


def _ranges(text: str) -> Iterator[tuple[int, int, int]]:
    """Every range of addresses in a text, every IPv4 network that the host stands in, and every one that is written
    with a mask: (family, low, high)."""
    for address, length in (*_MASKED.findall(text), *_OWN_NETWORK.findall(text)):
        found = _tried(address)
        prefix = int(length) if length.isdigit() else _prefix(length)
        if found is not None and prefix is not None and prefix < 32:
            low = found[1] >> 32 - prefix << 32 - prefix
            yield 4, low, low + (1 << 32 - prefix) - 1
    ends = [(a or c, b or d) for a, b, c, d in _RANGE.findall(text)] + _JSON_RANGE.findall(text)
    for first, last in ends:
        one, other = _tried(first), _tried(last)
        if one is not None and other is not None and one[0] == other[0] and one[1] <= other[1]:
            yield one[0], one[1], other[1]


def _prefix(mask: str) -> int | None:
    found = _tried(mask)
    bits = bin(found[1])[2:].zfill(WIDTH[4]) if found else "01"
    return None if "01" in bits else bits.count("1")


def _tried(text: str) -> tuple[int, int] | None:
    try:
        return parse_address(text)
    except ValueError:
        return None


__all__ = ["LEFT_OUT", "Disguised", "disguise"]

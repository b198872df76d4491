"""What nft 1.0.6 leaves out of its JSON, put in from its text as later versions print it: the flags of a table, and the
devices of a netdev chain. Without these the engine rightly has doubts about the whole table, and nothing is compared.
"""

from __future__ import annotations

import re
from typing import Any

_TABLE = re.compile(r"table (\S+) (\S+) \{")
_CHAIN = re.compile(r"\tchain (\S+) \{")
_DEVICES = re.compile(r"\t\ttype \S+ hook \S+ devices? (?:= )?(\{[^}]*\}|\S+)")


def complete(document: dict[str, Any], text: str) -> None:
    """Put flags and devices into ``document`` (``nft -j list ruleset``) from ``text`` (``nft list ruleset``)."""
    flags: dict[tuple[str, str], list[str]] = {}
    devices: dict[tuple[str, str, str], list[str]] = {}
    table, chain = ("", ""), ""
    for line in text.splitlines():
        if found := _TABLE.match(line):
            table = found[1], found[2]
        elif found := _CHAIN.match(line):
            chain = found[1]
        elif line.startswith("\tflags "):
            flags[table] = line.split(None, 1)[1].split(",")
        elif found := _DEVICES.match(line):
            devices[(*table, chain)] = re.findall(r"[^\s{},\"]+", found[1])
    for entry in document["nftables"]:
        body = entry.get("table")
        if body is not None and "flags" in body:
            body["flags"] = flags[body["family"], body["name"]]
        body = entry.get("chain")
        if body is not None and (names := devices.get((body["family"], body["table"], body["name"]))):
            body["dev"] = names[0] if len(names) == 1 else names

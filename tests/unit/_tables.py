"""Tables of rules in tests/tables: reading them, showing what a rule denotes, and asking the real iptables.

A table's lines are ``rule ; as saved ; what it denotes``, separated by `` ; ``. ``=`` as the second says that the rule
is saved as it was given, ``-`` that nothing is left of it. ``@ ip nat PREROUTING`` says where the rules below it stand;
the start is ``@ ip filter FORWARD``. Lines that begin with # are remarks. Behind ``@ …``, ``!lab`` is for rules of
add-ons that no plain kernel has, which are not replayed, and ``!legacy`` for what iptables-legacy saves otherwise.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fwaudit.model.condition import (
    AddressType,
    All,
    AnyOf,
    Condition,
    Exists,
    In,
    InGroup,
    InSet,
    Masked,
    Named,
    Not,
    ReversePath,
    Unknown,
)
from fwaudit.packet.address import format_address

TABLES = Path(__file__).parent.parent / "tables"
_ADDRESSES = {"src", "dst", "orig_src", "orig_dst", "reply_src", "reply_dst"}


class Line(NamedTuple):
    """One line of a table, with its place in the file."""

    where: str
    family: int
    table: str
    chain: str
    tools: tuple[str, ...]
    rule: str
    saved: str
    denotes: str


def read_table(path: Path) -> list[Line]:
    """The lines of one table."""
    out = []
    family, table, chain, tools = 4, "filter", "FORWARD", ("nft", "legacy")
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if not text.strip() or text.startswith("#"):
            continue
        if text.startswith("@"):
            _, kind, table, chain, *flags = text.split()
            family = 6 if kind == "ip6" else 4
            tools = () if "!lab" in flags else ("nft",) if "!legacy" in flags else ("nft", "legacy")
            continue
        rule, saved, denotes = (part.strip() for part in text.split(" ; "))
        out.append(Line(f"{path.parent.name}/{path.name}:{number}", family, table, chain, tools, rule,
                        {"=": rule, "-": ""}.get(saved, saved), denotes))
    return out


def show(value: Condition, family: int = 4) -> str:
    """A condition in one line."""
    if isinstance(value, In):
        form = (lambda n: format_address(family, n)) if value.field in _ADDRESSES else str
        bounds = value.values.bounds
        spans = []
        for i in range(0, len(bounds), 2):
            low, high = bounds[i], bounds[i + 1] - 1 if i + 1 < len(bounds) else None
            spans.append(form(low) if low == high else f"{form(low)}-{form(high) if high is not None else ''}")
        return f"{value.field}{{{','.join(spans)}}}"
    if isinstance(value, Masked):
        return f"{value.field}&{value.mask:#x}={value.value:#x}"
    if isinstance(value, Named):
        return f"{value.field}={value.name}{'*' if value.prefix else ''}"
    if isinstance(value, Exists):
        return f"{value.field}?"
    if isinstance(value, InGroup):
        mask = "" if value.mask == 0xFFFFFFFF else f"&{value.mask:#x}"
        return f"group of {value.field}{mask}{{{show(In('mark', value.values))[5:-1]}}}"
    if isinstance(value, AddressType):
        return f"{value.field} is {'/'.join(sorted(value.types))}{'@' + value.interface if value.interface else ''}"
    if isinstance(value, ReversePath):
        flags = [name for name in ("loose", "marked", "accept_local") if getattr(value, name)]
        return f"reverse-path[{','.join(flags)}]"
    if isinstance(value, InSet):
        return f"({','.join(value.fields)}) in {value.set_key[-1]}"
    if isinstance(value, Unknown):
        return f"unknown[{value.text}: {value.why}]"
    if isinstance(value, Not):
        return f"not({show(value.part, family)})"
    if isinstance(value, All):
        return "(" + " & ".join(show(part, family) for part in value.parts) + ")" if value.parts else "always"
    assert isinstance(value, AnyOf)
    return "(" + " | ".join(show(part, family) for part in value.parts) + ")" if value.parts else "never"


def show_all(conditions: tuple[Condition, ...], family: int) -> str:
    """All conditions of a rule in one line."""
    return " & ".join(show(condition, family) for condition in conditions) or "always"


def show_target(target: Any, family: int) -> str:
    """A target in one line: its name and what is not its default."""
    assert is_dataclass(target)
    parts = []
    for each in fields(target):
        value = getattr(target, each.name)
        if each.default != value:
            if each.name == "addresses" and value:
                value = "-".join(format_address(family, end) for end in value)
            elif each.name == "low":
                value = format_address(family, value)
            elif each.name in ("value", "mask", "to_mask", "from_mask"):
                value = hex(value)
            parts.append(f"{each.name}={value}")
    return f"{type(target).__name__}({', '.join(parts)})"


def replay(tool: str, lines: list[Line]) -> list[tuple[Line, str]]:
    """What the real tool saves for each line, in a network namespace of its own: (line, text behind ``-A CHAIN``).

    ``tool`` is nft or legacy. Lines for which this kernel or tool has no module are left out.
    """
    script = []
    for line in lines:
        command = f"ip{'6' if line.family == 6 else ''}tables-{tool}"
        script.append(f"{command} -t {line.table} -A {line.chain} {line.rule} 2>/tmp/said$$ || "
                      f"{{ echo '!error' $(cat /tmp/said$$); {command} -t {line.table} -F {line.chain}; }}")
        script.append(f"{command}-save -t {line.table} | grep -e '^-A {line.chain}' || echo '!nothing'")
        script.append(f"{command} -t {line.table} -F {line.chain}; echo '!next'")
    setup = "ipset create S hash:ip 2>/dev/null; ipset create P hash:ip,port 2>/dev/null; mount -t tmpfs none /tmp\n"
    done = subprocess.run(["unshare", "-mn", "bash", "-c", setup + "\n".join(script)], capture_output=True, text=True,
                          timeout=300, env={**os.environ, "LC_ALL": "C"}, check=False)
    out = []
    for line, said in zip(lines, done.stdout.split("!next\n"), strict=False):
        if "!error" in said and any(word in said for word in _NO_MODULE):
            continue
        out.append((line, said.strip().removeprefix(f"-A {line.chain}").strip()))
    assert done.stdout.count("!next\n") == len(lines), done.stderr
    if not out:
        pytest.skip(f"no line of the table works with iptables-{tool} here")
    return out


_NO_MODULE = ("missing kernel module", "Couldn't load match", "Couldn't load target", "No such file or directory",
              "No chain/target/match by that name", "not supported", "unknown option")

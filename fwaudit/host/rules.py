"""Load our rules into this host's kernel, take them back, and see what stands there. Nothing else is written."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fwaudit.errors import FixError
from fwaudit.fix import nftables
from fwaudit.fix.docker_user import CHAIN, restorer
from fwaudit.host.checkpoint import Undo
from fwaudit.host.write import feed
from fwaudit.model.plan import Transaction

_JUMP = re.compile(rf"-A \S+ (?:.* )?-[jg] {CHAIN}$")
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"')
_OWN = re.compile(rf"-A {CHAIN} ")


def load(transaction: Transaction) -> None:
    """Load one transaction. Raises FixError; then the kernel has nothing of it."""
    feed(transaction.argv, transaction.text)


def load_again(argv: Sequence[str], text: str) -> None:
    """Load a text that was loaded in an earlier boot. The chain that it jumps from may not be there yet: Docker makes
    DOCKER-USER, and puts its own jump to it in FORWARD, when it starts."""
    if argv[0] == "nft":
        feed(argv, text)
        return
    backend, family = ("legacy" if "-legacy-" in argv[0] else "nft"), (6 if argv[0].startswith("ip6") else 4)
    table = text.split("\n", 1)[0].lstrip("*")
    saved = _saved(backend, family, table)
    here = {line[1:].split(" ", 1)[0] for line in saved if line.startswith(":")}
    lines = [line for line in text.splitlines() if not line.startswith("-D ")]
    start = [f":{chain} - [0:0]" for chain in ("DOCKER-USER",)
             if chain not in here and any(line.startswith(f"-I {chain} ") for line in lines)]
    lines[2:2] = [*start, *(f"-D {line[3:]}" for line in saved if _jumps(line))]
    feed(argv, "\n".join([*lines, ""]))


def undo_of(transaction: Transaction) -> Undo:
    """What will take a transaction back: asked of the kernel now, before anything is loaded."""
    if transaction.backend == "native":
        script = feed(("nft", "-s", "list", "table", "inet", nftables.TABLE)) if transaction.replaces else ""
        return Undo("native", 0, nftables.TABLE, existed=transaction.replaces, script=script)
    lines = _saved(transaction.backend, transaction.family, transaction.table)
    counts: dict[str, int] = {}
    jumps: list[tuple[int, str]] = []
    for line in lines:
        if line.startswith("-A "):
            chain = line.split()[1]
            counts[chain] = counts.get(chain, 0) + 1
            if _jumps(line):
                jumps.append((counts[chain], line[3:]))
    return Undo(transaction.backend, transaction.family, transaction.table,
                tuple(line for line in lines if _OWN.match(line)), tuple(jumps),
                any(line.startswith(f":{CHAIN} ") for line in lines), created=not lines)


def take_back(undo: Undo) -> None:
    """Make our part of one table what it was; does nothing where it is that already. Raises FixError.

    It looks at what is there now, so it works after a crash at any point, after ``iptables -F`` and after a reboot.
    """
    if undo.backend == "native":
        feed(("nft", "-f", "-"), nftables.undo() + undo.script)
        return
    lines = _saved(undo.backend, undo.family, undo.table)
    here = any(line.startswith(f":{CHAIN} ") for line in lines)
    if not here and not undo.existed:
        return
    chains = {line[1:].split(" ", 1)[0] for line in lines if line.startswith(":")}
    text = [f"*{undo.table}", f":{CHAIN} - [0:0]"]
    text += [f"-D {line[3:]}" for line in lines if _jumps(line)]
    if undo.existed:
        text += undo.rules
        text += [_insert(place, jump) for place, jump in undo.jumps if jump.split(" ", 1)[0] in chains]
    else:
        text.append(f"-X {CHAIN}")
    feed(restorer(undo.backend, undo.family), "\n".join([*text, "COMMIT", ""]))
    if undo.created and undo.backend == "nft" and _is_bare(_saved(undo.backend, undo.family, undo.table)):
        feed(("nft", "delete", "table", "ip" if undo.family == 4 else "ip6", undo.table))


def ours(undo: Undo) -> list[str]:
    """The lines of ours that stand in one table now, jumps included; empty where there are none."""
    if undo.backend == "native":
        try:
            return feed(("nft", "-s", "list", "table", "inet", nftables.TABLE)).splitlines()
        except FixError:
            return []
    return [line for line in _saved(undo.backend, undo.family, undo.table) if _OWN.match(line) or _jumps(line)]


def _jumps(line: str) -> bool:
    """Whether a saved rule jumps to our chain: a comment that says so does not."""
    return _JUMP.match(_QUOTED.sub('""', line)) is not None


def _insert(place: int, rule: str) -> str:
    chain, rest = rule.split(" ", 1)
    return f"-I {chain} {place} {rest}"


def _saved(backend: str, family: int, table: str) -> list[str]:
    """What the saver prints of a table; empty where the kernel has no such table. Reading a legacy table that is not
    there would make it, so those are looked up first."""
    tool = "iptables" if family == 4 else "ip6tables"
    if backend == "legacy":
        from pathlib import Path

        names = Path("/proc/net/ip_tables_names" if family == 4 else "/proc/net/ip6_tables_names")
        try:
            if table not in names.read_text(encoding="ascii").split():
                return []
        except OSError:
            return []
    text = feed((f"{tool}-{backend}-save",))
    found = re.search(rf"^\*{table}$(.*?)^COMMIT$", text, re.S | re.M)
    return [line for line in found[1].splitlines() if line] if found else []


def _is_bare(lines: list[str]) -> bool:
    """Whether a table has no rule, no chain of anybody's, and no policy but ACCEPT."""
    return all(line.startswith(":") and line.split()[1] == "ACCEPT" for line in lines)

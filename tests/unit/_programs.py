"""Rulesets as programs load them, in tests/data/programs: dumps of the real tools, each a snapshot on one host.

``_host`` holds the host's links, addresses and routes; ``NAME`` what the program adds. ``NAME/load.nft`` and
``load.ip`` are what was given to ``nft -f`` and ``ip -batch``; iptables' and ipset's dumps load as they are.
"""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent.parent / "data" / "programs"
NAMES = sorted(path.name for path in DATA.iterdir() if path.name[0] != "_")


def files(name: str) -> dict[str, bytes]:
    """The snapshot of a host that runs a program."""
    found: dict[str, bytes] = {}
    for root in (DATA / "_host", DATA / name):
        found.update({path.relative_to(root).as_posix(): path.read_bytes()
                      for path in sorted(root.rglob("*")) if path.is_file()})
    return {key: value for key, value in found.items() if not key.startswith("load.")}

"""Write the parts of the documents that are drawn from the program: the screen in README.md, docs/packet-path.md,
docs/coverage.md and docs/findings.md, and the examples in docs/formats.md.

usage: python tests/docs/generate.py      (test_docs.py fails where they are not what this would write)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/docs")]

import coverage_page  # noqa: E402
import formats_page  # noqa: E402

from fwaudit.findings import pages  # noqa: E402
from fwaudit.netfilter.hooks import BUILTIN_CHAINS, CONNTRACK, NFT_SECURITY, PRIORITIES, ROUTES  # noqa: E402
from fwaudit.render import catalogue  # noqa: E402

BEGIN = "<!-- the screen: written by tests/docs/generate.py -->\n```\n"
END = "```\n<!-- end of the screen -->"
_LAST = "  Ask again, with every rule:"


def screen() -> str:
    """What ``fwaudit demo`` prints to a pipe, up to the first command that names a place on this machine."""
    done = subprocess.run([sys.executable, "-m", "fwaudit", "demo"], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    lines = done.stdout.replace(f"{ROOT}/", "").splitlines()
    return "\n".join(lines[:lines.index(_LAST)]) + "\n"


def readme(text: str) -> str:
    """README.md with the screen as it is now."""
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}{screen()}{END}{rest.split(END, 1)[1]}"


def packet_path() -> str:
    """docs/packet-path.md, from the tables of fwaudit/netfilter/hooks.py."""
    parts = [
        "# The packet's path", "",
        "Written by `tests/docs/generate.py` from `fwaudit/netfilter/hooks.py`.", "",
        "## Which hooks a packet passes", "", "| way | hooks, in order |", "| --- | --- |",
        *(f"| {way} | {' → '.join(hooks)} |" for way, hooks in ROUTES.items()), "",
        "Routing lies between prerouting and input or forward, and before output. A published port's packet is one "
        "*through* this host: Docker's DNAT in prerouting gives it a container's address before it is routed, so that "
        "it never comes to input, where ufw's allow and deny rules stand.", "",
    ]
    for hook in dict.fromkeys(hook for hooks in ROUTES.values() for hook in hooks):
        chains = sorted((priority, table, chain) for table, built_in in BUILTIN_CHAINS.items()
                        for chain, (at, priority) in built_in.items() if at == hook)
        if not chains:
            continue
        rows = [f"| {priority} | {table} {chain} |" for priority, table, chain in chains]
        if hook in ("prerouting", "output"):
            place = sum(priority < CONNTRACK for priority, _, _ in chains)
            rows.insert(place, f"| {CONNTRACK} | *(connection tracking)* |")
        parts += [f"## iptables' built-in chains on {hook}", "", "| priority | table and chain |", "| --- | --- |",
                  *rows, ""]
    parts += [
        "## nft's names for priorities", "", "| name | priority |", "| --- | --- |",
        *(f"| {name} | {priority} |" for name, priority in PRIORITIES.items()), "",
        "All base chains on a hook are asked, lowest priority first, whichever backend they belong to: *drop* is "
        "final, *accept* ends its own base chain only. iptables-nft hangs the chains of table security at "
        f"{NFT_SECURITY}, not 50. Base chains of type nat all run at the place of the kernel's "
        "NAT core; their own priority only orders them among themselves.", "",
    ]
    return "\n".join(parts)


def findings() -> str:
    """docs/findings.md, from the docstrings of fwaudit/findings."""
    return catalogue.document(pages())


def main() -> None:
    page = ROOT / "README.md"
    page.write_text(readme(page.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs/packet-path.md").write_text(packet_path(), encoding="utf-8")
    (ROOT / "docs/findings.md").write_text(findings(), encoding="utf-8")
    coverage_page.main()
    page = ROOT / "docs/formats.md"
    page.write_text(formats_page.written(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Many hosts as a screen: how many, which are the worst, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fwaudit.model.fleet import Fleet
from fwaudit.render.fleet.words import Block, blocks, headline, safe, summary
from fwaudit.render.style import Style
from fwaudit.render.text import clean, fold

_HOW = {"critical": "bad", "high": "bad", "unknown": "warn", "warning": "warn", "medium": "warn"}
_SHARES = {4: (10, 24, 6, 34), 5: (9, 24, 16, 12, 11)}
_GROUPS = (9, 30, 7, 7, 19)


def render(fleet: Fleet, style: Style, top: int) -> Iterator[str]:
    """The screen, in pieces."""
    how = {"ok": "good", "critical": "bad"}.get(fleet.level, "warn")
    for line in fold(headline(fleet), style.width):
        yield style.paint(line, how) + "\n"
    for text in summary(fleet):
        yield "".join(f"{line}\n" for line in fold(clean(text), style.width))
    for block in blocks(fleet, top):
        if block.rows:
            yield from _block(block, style)
    worst = next((host for host in fleet.hosts() if not host.error), None)
    if worst is not None and worst.level != "ok":
        command = f"fwaudit report --snapshot {quote(clean(worst.source))}"
        yield f"\nWhy, and what to do, for the worst of them:\n    {command}\n"


def _block(block: Block, style: Style) -> Iterator[str]:
    from tabulate import tabulate

    shares = _GROUPS if block.head[0] == "At worst" else _SHARES[len(block.head)]
    spare = style.width - 2 * (len(shares) - 1) - sum(shares)
    wide = 3 if len(shares) == 4 else 1
    widths = [share + spare if place == wide else share for place, share in enumerate(shares)]
    body = [["\n".join(fold(cell, width)) for cell, width in zip(safe(row), widths, strict=True)] for row in block.rows]
    lines = tabulate([block.head, ["-" * min(width, 40) for width in widths], *body], tablefmt="plain",
                     disable_numparse=True).split("\n")
    yield f"\n{style.paint(f'{block.title}:', 'bold')}\n"
    for line in lines:
        yield style.paint(line.rstrip(), _HOW.get(line.partition(" ")[0], "")) + "\n" \
            if line.partition(" ")[0] in _HOW else line.rstrip() + "\n"
    if block.more > 0:
        yield f"… and {block.more:,} more; --top shows more of them, --format json and --db all.\n"

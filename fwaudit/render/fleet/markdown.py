"""Many hosts as GitHub-flavoured Markdown, for tickets."""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.model.fleet import Fleet
from fwaudit.render.fleet.words import blocks, headline, safe, summary
from fwaudit.render.markdown import escaped


def render(fleet: Fleet, top: int) -> Iterator[str]:
    """The document, in pieces."""
    yield f"# fwaudit: many hosts\n\n**{escaped(headline(fleet))}**\n\n"
    yield "".join(f"- {escaped(line)}\n" for line in summary(fleet))
    for block in blocks(fleet, top):
        if not block.rows:
            continue
        yield f"\n## {block.title}\n\n| {' | '.join(block.head)} |\n|{' --- |' * len(block.head)}\n"
        for row in block.rows:
            yield f"| {' | '.join(map(escaped, safe(row)))} |\n"
        if block.more > 0:
            yield f"\nand {block.more:,} more\n"

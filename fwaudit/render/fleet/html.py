"""Many hosts as one self-contained page: no script, nothing from the network. Names are text there."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from fwaudit.model.fleet import Fleet
from fwaudit.render.fleet.words import blocks, headline, safe, summary
from fwaudit.render.text import clean

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;
color:#222;background:#fff}
table{border-collapse:collapse;width:100%;margin-bottom:1em}td,th{text-align:left;vertical-align:top;padding:.3em .6em;
border-bottom:1px solid #ccc;overflow-wrap:anywhere}.critical,.high{color:#a00;font-weight:bold}
.unknown,.warning,.medium{color:#850}.scroll{overflow-x:auto}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}.critical,.high{color:#f77}
.unknown,.warning,.medium{color:#fb6}}"""
_LEVELS = frozenset({"critical", "high", "unknown", "warning", "medium"})


def render(fleet: Fleet, top: int) -> Iterator[str]:
    """The page, in pieces."""
    yield ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
           '<meta name="viewport" content="width=device-width, initial-scale=1">'
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
           f"<title>fwaudit: many hosts</title><style>{_STYLE}</style></head>\n<body>\n"
           f'<h1 class="{fleet.level}">{_text(headline(fleet))}</h1>\n')
    yield "".join(f"<p>{_text(line)}</p>\n" for line in summary(fleet))
    for block in blocks(fleet, top):
        if not block.rows:
            continue
        yield (f'<h2>{_text(block.title)}</h2>\n<div class="scroll"><table>\n<thead><tr>'
               f"{''.join(f'<th scope=col>{_text(cell)}</th>' for cell in block.head)}</tr></thead>\n<tbody>\n")
        for row in block.rows:
            how = f' class="{row[0]}"' if row[0] in _LEVELS else ""
            first, *rest = safe(row)
            yield f"<tr><td{how}>{_text(first)}</td>{''.join(f'<td>{_text(cell)}</td>' for cell in rest)}</tr>\n"
        yield "</tbody></table></div>\n"
        if block.more > 0:
            yield f"<p>and {block.more:,} more</p>\n"
    yield "</body></html>\n"


def _text(text: str) -> str:
    return escape(clean(text))

"""The catalogue of findings: as a list, as a page on a screen, and as a document."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from fwaudit.model.report import FindingPage
from fwaudit.render.style import Style
from fwaudit.render.text import fold

_WORST = 8
_NEXT = "A page on each: fwaudit findings ID"


def catalogue(pages: Sequence[FindingPage], style: Style) -> str:
    """A line for each kind, with a newline at its end."""
    first = max(len(page.id) for page in pages)
    room = style.width - first - _WORST - 4
    lines = [f"{'Finding':<{first}}  {'At worst':<{_WORST}}  What it says",
             f"{'-' * first}  {'-' * _WORST}  {'-' * room}"]
    for page in pages:
        title, *more = fold(page.title, room)
        lines.append(f"{page.id:<{first}}  {page.worst.name.lower():<{_WORST}}  {title}")
        lines += [" " * (first + _WORST + 4) + each for each in more]
    return "\n".join([*lines, "", _NEXT]) + "\n"


def screen(page: FindingPage, style: Style) -> str:
    """One page, with a newline at its end."""
    head = "\n".join(style.paint(line, "bold") for line in fold(f"{page.id}: {page.title}", style.width))
    head += f"\n{_filled(_cites(page), style.width)}"
    parts = [head, *(_filled(each, style.width) for each in page.paragraphs[1:])]
    return "\n\n".join(parts) + "\n"


def _cites(page: FindingPage) -> str:
    """``At worst critical. CIS Docker 5.14, ATT&CK T1190.``"""
    cites = f" {', '.join(page.references)}." if page.references else ""
    return f"At worst {page.worst.name.lower()}.{cites}"


def _filled(text: str, width: int) -> str:
    """A paragraph; what stands after the change on a line of its own."""
    return "\n".join(textwrap.fill(part, width, break_long_words=False, break_on_hyphens=False)
                     for part in _plain(text).replace(" After: ", "\nAfter: ").split("\n"))


def document(pages: Sequence[FindingPage]) -> str:
    """docs/findings.md, in Markdown."""
    return "\n".join(_document(pages))


def _document(pages: Sequence[FindingPage]) -> Iterator[str]:
    yield from ("# Findings", "", *_wrapped(
        "Written by `tests/docs/generate.py` from the modules of `fwaudit/findings/`. `fwaudit findings` prints the "
        "list, and with an id its page."), "", *_wrapped(
        "A severity says how bad it would be: what the service is, from where it is reached, and whether its password "
        "is weak. How sure it is stands apart (`certain` in the JSON report). A port that is reached against policy is "
        "explained by one finding, the most special that fits; others only add to it."), "",
        "| finding | at worst | what it says |", "| --- | --- | --- |")
    yield from (f"| [{page.id}](#{page.id}) | {page.worst.name.lower()} | {page.title} |" for page in pages)
    for page in pages:
        yield from ("", f"## {page.id}", "", f"*{page.title}.* {_cites(page)}")
        for text in page.paragraphs[1:]:
            head, mark, rest = _plain(text).partition(":")
            yield from ("", *_wrapped(f"**{head}**:{rest}" if mark and head in _HEADS else _plain(text)))
    yield ""


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)


_HEADS = ("What", "Why it hurts", "See it yourself", "Fix", "Before")


def _plain(text: str) -> str:
    return text.replace("``", "`")

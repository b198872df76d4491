"""Kernel settings: ``key = value`` lines → a mapping of dotted keys."""

from __future__ import annotations

from fwaudit.errors import ParseError

SOURCE = "sysctl"


def parse(text: str) -> dict[str, str]:
    """Dotted key → value. Comments (``#``, ``;``) and blank lines are skipped; the last of two equal keys counts.

    An interface name with a dot is spelled ``conf.eth0/100.…`` by ``sysctl`` and ``conf/eth0.100/…`` under
    ``/proc/sys``; both become ``conf.eth0.100.…``, which is what a caller builds from the name.
    Raises ParseError for a line without ``=``.
    """
    settings: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise ParseError(SOURCE, number, f"not `key = value`: {line[:60]!r}")
        settings[key.strip().lstrip("-").replace("/", ".")] = value.strip()
    return settings

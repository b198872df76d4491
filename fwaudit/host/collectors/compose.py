"""In which line of which compose file a port is published: so that a finding can say where its fix belongs.

The files are those that compose itself named in a container's labels. Each is read once, bounded, and nothing of it is
kept but numbers of lines. What YAML can do beyond the usual forms is not understood; then there is no line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fwaudit.host.run import Machine

LIMIT = 1 << 20
_MAX_FILES = 64
_KEY = re.compile(r"""( *)["']?([A-Za-z0-9_.-]{1,255})["']?\s*:(?:\s+(.*))?$""")
_QUOTED = re.compile(r"""(?:"[^"]*"|'[^']*'|[^,"'])+""")
_SHORT = re.compile(r"(?:.*:)?(\d{1,5})(?:-(\d{1,5}))?(?:/([a-z]+))?")
_LABEL = "com.docker.compose."


def ports_in_compose(machine: Machine, containers: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """``{"shop-db-1": [{"proto": "tcp", "port": 5432, "file": "/srv/shop/compose.yaml", "line": 12}, …]}``.

    ``port`` is the container's. Where several files publish it, the last one counts, as it does for compose.
    """
    read: dict[str, dict[str, dict[tuple[str, int], int]]] = {}
    found = {}
    for container in containers:
        name, service, files = _of_compose(container)
        lines: dict[tuple[str, int], tuple[str, int]] = {}
        for file in files:
            if file not in read and len(read) < _MAX_FILES:
                answer = machine.read(file, LIMIT)
                read[file] = published_lines((answer.data or b"").decode("utf-8", "replace"))
            lines |= {port: (file, line) for port, line in read.get(file, {}).get(service, {}).items()}
        if name and lines:
            found[name] = [{"proto": proto, "port": port, "file": file, "line": line}
                           for (proto, port), (file, line) in sorted(lines.items())]
    return found


def published_lines(text: str) -> dict[str, dict[tuple[str, int], int]]:
    """service → (protocol, container port) → line, of a compose file.

    Ports in the short form (``"127.0.0.1:5432:5432/tcp"``, also ``[…]`` in one line) and in the long one (``target``).
    """
    found: dict[str, dict[tuple[str, int], int]] = {}
    for service, number, words in _port_lines(text.splitlines()):
        for port in _named(words):
            found.setdefault(service, {}).setdefault(port, number)
    return found


def _named(words: str) -> Iterator[tuple[str, int]]:
    """The container's ports that one line under ``ports:`` names. The long form says its protocol in another line."""
    if words.startswith("["):
        for spec in _QUOTED.findall(words.strip("[]")):
            yield from _ports(spec.strip("\"' "))
        return
    words = words.removeprefix("-").strip()
    key = re.match(r"([a-z_]+)\s*:\s+[\"']?(\d{0,5})", words)
    if key is None:
        yield from _ports(words.strip("\"'"))
    elif key[1] == "target" and key[2]:
        yield from (("tcp", int(key[2])), ("udp", int(key[2])))


def _of_compose(container: Mapping[str, Any]) -> tuple[str, str, list[str]]:
    config = container.get("Config")
    labels = config.get("Labels") if isinstance(config, dict) else None
    if not isinstance(labels, dict):
        return "", "", []
    files = [file for file in str(labels.get(f"{_LABEL}project.config_files", "")).split(",") if file.startswith("/")]
    return str(container.get("Name", "")).lstrip("/"), str(labels.get(f"{_LABEL}service", "")), files


def _port_lines(lines: list[str]) -> Iterator[tuple[str, int, str]]:
    """(service, line number, text) of everything that stands under ``services: SERVICE: ports:``."""
    path: list[tuple[int, str]] = []
    for number, raw in enumerate(lines, 1):
        line = _without_comment(raw)
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip(" "))
        item = line.lstrip().startswith("-")
        while path and (path[-1][0] > indent or (path[-1][0] == indent and not item)):
            path.pop()
        names = [name for _, name in path]
        if len(names) == 3 and names[0] == "services" and names[2] == "ports":
            yield names[1], number, line.strip()
            continue
        key = None if item else _KEY.fullmatch(line)
        if key is not None:
            path.append((indent, key[2]))
            if key[3] and [name for _, name in path][::2] == ["services", "ports"]:
                yield path[1][1], number, key[3].strip()


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line).rstrip()


def _ports(spec: str) -> Iterator[tuple[str, int]]:
    """The container's ports of ``5432``, ``8080:80``, ``[::1]:8000-8010:8000-8010/udp``; none where it is no port."""
    match = _SHORT.fullmatch(spec)
    if match is None:
        return
    low, high = int(match[1]), int(match[2] or match[1])
    if 0 < low <= high <= 65535 and high - low < 1024:
        yield from ((match[3] or "tcp", port) for port in range(low, high + 1))

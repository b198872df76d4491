"""The JSON of a snapshot: nft's, iproute2's, and fwaudit's own small lists."""

from __future__ import annotations

from typing import Any

from fwaudit.disguise.vocabulary import VOCABULARY
from fwaudit.disguise.words import Words
from fwaudit.model.services import WELL_KNOWN

_PROCESSES = frozenset({word for each in WELL_KNOWN for word in each.words} | {
    "docker-proxy", "dockerd", "docker", "podman", "containerd", "rootlessport", "rootlesskit", "conmon", "systemd",
    "init", "python3", "java", "node", "ruby", "perl", "php", "php-fpm", "nc", "ncat", "socat", "busybox", "sh",
    "bash"})
_DEEPEST = 200


class TooDeep(ValueError):
    """JSON that nests deeper than any tool prints it."""


def tree(value: Any, words: Words, depth: int = 0) -> Any:
    """Any JSON: strings are texts; a key that is not known goes, with what it holds. Numbers and truth values stay."""
    if depth > _DEEPEST:
        raise TooDeep("nested too deeply")
    if isinstance(value, dict):
        if value.keys() == {"addr", "len"}:
            return _prefix(value, words)
        raw = isinstance(value.get("left"), dict) and _looks_at_bytes(value["left"])
        return {key: _field(key, item, words, depth) if not (raw and key == "right") else _raw(item, words)
                for key, item in value.items() if key in VOCABULARY}
    if isinstance(value, list):
        return [tree(item, words, depth + 1) for item in value]
    return words.text(value) if isinstance(value, str) else value


def _field(key: str, value: Any, words: Words, depth: int) -> Any:
    if isinstance(value, str) and (key == "comment" or key == "prefix"):
        return words.phrase(value, "note" if key == "comment" else "log")
    return tree(value, words, depth + 1)


def _prefix(value: dict[str, Any], words: Words) -> Any:
    try:
        address, _, length = words.network(str(value["addr"]), str(int(value["len"]))).partition("/")
    except (ValueError, TypeError):
        return tree(value["addr"], words)
    return {"addr": address, "len": int(length)}


def _looks_at_bytes(left: dict[str, Any]) -> bool:
    """Whether nft compares bytes of the packet that it has no name for: ``@nh,96,32``."""
    return any(isinstance(item, dict) and ("base" in item or _looks_at_bytes(item)) for item in left.values())


def _raw(value: Any, words: Words) -> Any:
    """Numbers that bytes of a packet are compared with: a large one may be an address."""
    if isinstance(value, bool) or not isinstance(value, int):
        return [_raw(each, words) for each in value] if isinstance(value, list) else (
            {key: _raw(item, words) for key, item in value.items() if key in VOCABULARY} if isinstance(value, dict)
            else words.text(value) if isinstance(value, str) else value)
    return value if value < 1 << 16 else words.addresses.of(4, value) if value < 1 << 32 else 1 << 32


def owners(value: Any, words: Words) -> Any:
    """``sockets/owners.json``."""
    out = []
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict):
            kept = {key: each[key] for key in ("pid", "v6only", "uid")
                    if key in each and isinstance(each[key], int | type(None))}
            kept |= {key: words.text(each[key]) for key in ("proto", "local") if isinstance(each.get(key), str)}
            kept |= {key: _program(each[key], words) for key in ("comm", "exe") if isinstance(each.get(key), str)}
            if isinstance(each.get("argv"), list):
                kept["argv"] = [_program(str(word), words) if str(word).startswith("/") else words.text(str(word))
                                for word in each["argv"]]
            out.append(kept)
    return out


def _program(path: str, words: Words) -> str:
    folder, slash, name = path.rpartition("/")
    name, deleted, _ = name.partition(" (deleted)")
    known = name.lower() in _PROCESSES
    return (words.path(folder) + slash if slash else "") + (name if known else words.name(name, "process")) + deleted


def by_container(value: Any, words: Words) -> Any:
    """``docker/listeners.json`` and ``docker/compose.json``: container → a list of small objects."""
    return {words.name(str(name), "container"): None if items is None else [
        {key: words.path(item) if key == "file" and isinstance(item, str) else tree(item, words)
         for key, item in each.items() if key in ("proto", "address", "port", "v6only", "file", "line")}
        for each in (items if isinstance(items, list) else ()) if isinstance(each, dict)]
        for name, items in (value.items() if isinstance(value, dict) else ())}


def boot(value: Any, words: Words) -> Any:
    """``boot/docker-user.json``."""
    from fwaudit.disguise.texts import rules

    return [{"path": words.path(str(each.get("path", ""))),
             "lines": [rules(line, words) for line in each.get("lines", ()) if isinstance(line, str)]}
            for each in (value if isinstance(value, list) else ()) if isinstance(each, dict)]

"""Which snapshots are meant: files, folders, globs, a list on standard input, and URLs of any kind that fsspec reads.

Names are given one by one, in an order that stays the same, so that a folder of a million files costs no memory.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fwaudit.errors import UsageError

SUFFIXES = (".tar.gz", ".tgz", ".tar")
_SNAPSHOT = ("meta.json", "iptables", "nft", "docker")
"""A folder that has one of these is a snapshot itself."""
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*(?:::|://)")
_MAGIC = re.compile(r"[*?\[]")
_LONGEST = 1 << 12
HINT = "pip install 'fwaudit[fleet]'"


def is_url(name: str) -> bool:
    """True for what fsspec has to read: ``s3://bucket/a.tar.gz``, ``https://…``, ``memory://…``."""
    return _URL.match(name) is not None


def find(names: Iterable[str], passed_over: Callable[[str], None], absolute: bool = False) -> Iterator[str]:
    """Each snapshot once, ``absolute`` with its whole path. ``passed_over`` is told of each file in a folder that is
    none by its name.

    A file that was named is given whether it is there or not: that it cannot be read is then its own row. Raises
    UsageError for a URL without fsspec, or whose store cannot be listed.
    """
    seen: set[bytes] = set()  # digests: a fifth of the room that names take
    for name in names:
        for each in _of(name, passed_over):
            whole = each if is_url(each) else os.path.abspath(each)  # noqa: PTH100 (links stay what they are)
            key = blake2b(os.fsencode(whole), digest_size=16).digest()
            if key not in seen:
                seen.add(key)
                yield whole if absolute else each


def _of(name: str, passed_over: Callable[[str], None]) -> Iterator[str]:
    if name == "-":
        for line in _lines():
            yield from _of(line, passed_over)
    elif is_url(name):
        yield from _at_url(name, passed_over)
    elif Path(name).is_dir():
        yield from _below(name, passed_over)
    elif _MAGIC.search(name) and not Path(name).exists():
        for found in sorted(glob.iglob(name, recursive=True)):  # noqa: PTH207 (patterns may be absolute)
            yield from _below(found, passed_over) if Path(found).is_dir() else (found,)
    else:
        yield name


def _lines() -> Iterator[str]:
    """Names on standard input, one a line, or with NUL between them as ``find -print0`` writes them."""
    rest = b""
    while chunk := os.read(sys.stdin.fileno(), 1 << 16):
        *whole, rest = re.split(rb"[\n\0]", rest + chunk)
        if len(rest) > _LONGEST:
            raise UsageError("standard input is no list of names", "Give one name a line, or one after NUL.")
        yield from (os.fsdecode(each.rstrip(b"\r")) for each in whole if each.strip() and each != b"-")
    if rest.strip() and rest != b"-":
        yield os.fsdecode(rest)


def _below(folder: str, passed_over: Callable[[str], None]) -> Iterator[str]:
    """A folder that is a snapshot, or all that are in it, at any depth. Links to folders are not followed."""
    if any((Path(folder) / name).exists() for name in _SNAPSHOT):
        yield folder
        return
    try:
        with os.scandir(folder) as found:
            entries = sorted((each.name, each.is_dir(follow_symlinks=False), each.is_file()) for each in found)
    except OSError as error:
        raise UsageError(f"cannot look into {folder}: {error.strerror}", "Run as a user who may.") from error
    for name, is_folder, is_file in entries:
        path = str(Path(folder) / name)
        if is_folder:
            yield from _below(path, passed_over)
        elif is_file and name.endswith(SUFFIXES) and not name.startswith("."):
            yield path
        else:
            passed_over(path)


def filesystem(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path on it. Raises UsageError."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UsageError(f"{without_secrets(url)}: URLs need fsspec", HINT) from None
    try:
        system, path = url_to_fs(url)
    except (ValueError, ImportError, OSError) as error:
        raise UsageError(f"{without_secrets(url)}: {error}", "fsspec says which package reads them.") from error
    return system, str(path)


def _at_url(url: str, passed_over: Callable[[str], None]) -> Iterator[str]:
    if url.endswith(SUFFIXES) and not _MAGIC.search(url):
        yield url  # the worker that reads it sees whether it is there
        return
    system, path = filesystem(url)
    try:
        if _MAGIC.search(path) and "?" not in url.partition("*")[0]:
            found = system.glob(path)
        elif not system.isdir(path):
            yield url
            return
        else:
            found = system.find(path)
    except Exception as error:  # each store has errors of its own
        raise UsageError(f"cannot list {without_secrets(url)}: {error}", "Is it there, and may you read it?") from error
    head = url[:url.index(path)] if path in url else ""
    for each in sorted(map(str, found)):
        if each.endswith(SUFFIXES):
            yield f"{head}{each}" if head and not is_url(each) else str(system.unstrip_protocol(each))
        else:
            passed_over(without_secrets(each))


def without_secrets(name: str) -> str:
    """The name as it may be shown: without user, password, and what stands behind ``?`` in a URL."""
    if not is_url(name):
        return name
    return re.sub(r"\?.*", "?…", re.sub(r"(://)[^/@]*@", r"\1", name))

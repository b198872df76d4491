"""Weak passwords in what a Compose file gives its containers: judged here at the edge, as those of containers that run
are, and only the verdicts go on."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import get_args

from fwaudit.errors import ParseError
from fwaudit.host.credentials import judge
from fwaudit.model.compose import Project
from fwaudit.model.host import WeakCredential, WeakVerdict
from fwaudit.parse.compose.interpolate import parse_dotenv
from fwaudit.parse.compose.tree import Node

_VERDICTS: dict[str, WeakVerdict] = {verdict: verdict for verdict in get_args(WeakVerdict)}


def with_verdicts(project: Project, services: Mapping[str, Node], folder: str, read: Callable[[str], str]) -> Project:
    """The project with what is weak in its services' environments. ``read`` reads an ``env_file``; one that cannot be
    read sets nothing, and Compose would say so."""
    found = []
    for service in project.services:
        node = services[service.name]
        values = {**dict(_of_files(node.get("env_file"), folder, read)), **dict(_of_file(node.get("environment")))}
        verdicts = judge([f"{key}={value}" for key, value in values.items()], service.image)
        weak = {WeakCredential(each["variable"], _VERDICTS[each["verdict"]]) for each in verdicts
                if each["verdict"] in _VERDICTS}
        found.append(replace(service, weak_credentials=tuple(sorted(weak))))
    return replace(project, services=tuple(found))


def _of_file(environment: Node | None) -> Iterator[tuple[str, str]]:
    for key, value in environment.entries() if environment is not None else ():
        if value.kind == "text" and not value.unset:
            yield key, value.text


def _of_files(named: Node | None, folder: str, read: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    for each in () if named is None else named.items if named.kind == "list" else (named,):
        path = each.get("path") if each.kind == "map" else each
        if path is None or path.kind != "text":
            continue
        where = posixpath.normpath(posixpath.join(folder, path.text))
        try:
            yield from parse_dotenv(read(where), where, {}).items()
        except ParseError:
            continue

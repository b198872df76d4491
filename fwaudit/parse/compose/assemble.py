"""Several Compose files → one tree: ``-f`` after ``-f``, ``extends``, ``include``.

Where a file that is named inside a file is found: ``extends`` beside the file that names it, ``include`` as well, with
a project folder and an environment of its own (Compose Specification, "Include" and "Extends").
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fwaudit.errors import ParseError
from fwaudit.model.compose import Mark
from fwaudit.parse.compose.interpolate import Variables, parse_dotenv
from fwaudit.parse.compose.merge import NETWORK_KEYS, SERVICE_KEYS, kept, merged, settled
from fwaudit.parse.compose.tree import Node, load

Read = Callable[[str], str]
"""Reads a file by its path. Raises ParseError."""

_MOST_FILES = 64
_REMOTE = ("http://", "https://", "git@", "git://", "ssh://", "oci://", "github.com/")
_NOTHING = Mark("")


@dataclass(frozen=True)
class Tree:
    """Everything merged: services and networks by name, and ``name:`` where a file has it."""

    name: Node | None
    services: Mapping[str, Node]
    networks: Mapping[str, Node]


def assemble(files: Sequence[str], folder: str, environment: Mapping[str, str], read: Read) -> Tree:
    """Merge the files. ``folder``: the project's. Raises ParseError for what Compose would refuse as well."""
    return _Assembly(read).tree(files, folder, environment, ())


class _Assembly:
    def __init__(self, read: Read) -> None:
        self.read = read
        self.files = 0

    def tree(self, files: Sequence[str], folder: str, environment: Mapping[str, str],
             above: tuple[str, ...]) -> Tree:
        variables = Variables(environment)
        name: Node | None = None
        services: dict[str, Node] = {}
        networks: dict[str, Node] = {}
        included: list[Tree] = []
        for file in files:
            root = self.loaded(file, variables, Mark(file))
            name = root.get("name") or name
            included += self.included(root, file, folder, environment, (*above, file))
            for key in _section(root, "services"):
                own = self.extended(root, key, file, variables, ())
                services[key] = merged(services.get(key), own)
            for key, network in _section(root, "networks").items():
                networks[key] = merged(networks.get(key), kept(network, NETWORK_KEYS))
        for other in included:
            for ours, theirs, what in ((services, other.services, "service"), (networks, other.networks, "network")):
                for key, node in theirs.items():
                    if key in ours and not _same(ours[key], node):
                        raise ParseError(node.mark.file, node.mark.line,
                                         f"{what} {key[:60]!r} is there already, in {ours[key].mark}",
                                         "An included file may not name what the including one has.")
                    ours.setdefault(key, node)
        return Tree(name, {key: settled(node) for key, node in services.items() if node.tag != "!reset"},
                    {key: settled(node) for key, node in networks.items() if node.tag != "!reset"})

    def loaded(self, file: str, variables: Variables, by: Mark) -> Node:
        self.files += 1
        if self.files > _MOST_FILES:
            raise ParseError(by.file, by.line, f"more than {_MOST_FILES} files")
        if file.startswith(_REMOTE) or ".git#" in file:
            raise ParseError(by.file, by.line, f"{file[:80]} is not on this host, and is not fetched")
        root = load(self.read(file), file, variables.fill)
        if root.kind != "map":
            raise ParseError(file, 0, "empty, or no mapping of services", "Is it a Compose file?")
        return root

    def included(self, root: Node, file: str, folder: str, environment: Mapping[str, str],
                 above: tuple[str, ...]) -> Iterator[Tree]:
        """What ``include:`` names, each with its own folder and ``.env``."""
        entries = root.get("include")
        for entry in entries.items if entries is not None else ():
            paths = [each.text for each in _texts(entry if entry.kind == "text" else entry.get("path"), entry)]
            paths = [_beside(path, folder) for path in paths]
            for path in paths:
                if path in above:
                    raise ParseError(entry.mark.file, entry.mark.line, f"{path} includes itself")
            where = entry.get("project_directory") if entry.kind == "map" else None
            its_folder = _beside(where.text, folder) if where is not None else posixpath.dirname(paths[0])
            env_file = entry.get("env_file") if entry.kind == "map" else None
            named = [_beside(each.text, folder) for each in _texts(env_file, entry)] if env_file is not None else []
            yield self.tree(paths, its_folder, self.environment(named, its_folder, environment), above)

    def environment(self, named: list[str], folder: str, environment: Mapping[str, str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for path in named or [posixpath.join(folder, ".env")]:
            try:
                text = self.read(path)
            except ParseError:
                if named:
                    raise
                continue
            found |= parse_dotenv(text, path, environment)
        return {**found, **environment}

    def extended(self, root: Node, name: str, file: str, variables: Variables,
                 above: tuple[tuple[str, str], ...]) -> Node:
        """A service with what it extends laid under it."""
        service = _section(root, "services").get(name)
        if service is None:
            raise ParseError(file, 0, f"no service {name[:60]!r}, which {above[-1][1][:60]!r} extends")
        if service.kind == "null":
            return replace(service, kind="map", keys={})
        if service.kind != "map":
            raise service.wrong("a service")
        own = kept(service, SERVICE_KEYS)
        extends = own.get("extends")
        if extends is None:
            return own
        if (file, name) in above:
            raise ParseError(extends.mark.file, extends.mark.line, f"service {name[:60]!r} extends itself")
        base_name = extends if extends.kind == "text" else extends.get("service")
        base_file = extends.get("file") if extends.kind == "map" else None
        if base_name is None:
            raise extends.wrong("a service to extend")
        path, other = file, root
        if base_file is not None:
            path = _beside(base_file.text, posixpath.dirname(file))
            other = self.loaded(path, variables, base_file.mark)
        base = self.extended(other, base_name.text, path, variables, (*above, (file, name)))
        without = {key: value for key, value in own.entries() if key != "extends"}
        return merged(replace(base, tag=""), replace(own, keys=without))


def _section(root: Node, key: str) -> dict[str, Node]:
    found = root.get(key)
    if found is None:
        return {}
    if found.kind != "map":
        raise found.wrong(f"a mapping of {key}")
    return found.keys or {}


def _texts(node: Node | None, entry: Node) -> list[Node]:
    found = [] if node is None else list(node.items) if node.kind == "list" else [node]
    found = [each.get("path") or each if each.kind == "map" else each for each in found]
    if not found or any(each.kind != "text" for each in found):
        raise entry.wrong("the path of a file")
    return found


def _beside(path: str, folder: str) -> str:
    return path if path.startswith((*_REMOTE, "/")) else posixpath.normpath(posixpath.join(folder, path))


def _same(one: Node, other: Node) -> bool:
    """Whether a file was included twice, by two ways."""
    return one.mark == other.mark

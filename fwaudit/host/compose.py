"""A Compose project's files and environment → Project: by fwaudit's own reader, and, where it is installed, by
``docker compose config`` as well, whose word counts.

Nothing is fetched: what a file names on another machine is an error, and Compose is told not to look for it. Of the
files and the environment nothing is kept but what decides about exposure.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fwaudit.errors import ParseError, UsageError
from fwaudit.host.compose_secrets import with_verdicts
from fwaudit.host.run import ENVIRONMENT, Machine
from fwaudit.model.compose import ComposeNetwork, ComposeService, Doubt, Mark, Project, Publish
from fwaudit.parse.compose.assemble import Tree, assemble
from fwaudit.parse.compose.interpolate import parse_dotenv
from fwaudit.parse.compose.project import project_name, read_project
from fwaudit.parse.compose.tree import LIMIT, Node, from_json

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""What Compose looks for, in this order (compose-go, cli.DefaultFileNames)."""
_OUTPUT_LIMIT = 8 << 20
_SECONDS = 20.0
_NOT_THERE = ("is not installed", "unknown command", "is not a docker command", "unknown shorthand flag",
              "unknown flag")
_NO_REMOTES = {"COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false", "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false",
               # no plugins and no settings from a home folder: this may run as root
               "DOCKER_CONFIG": "/var/empty", "COMPOSE_ANSI": "never"}


@dataclass(frozen=True)
class Asked:
    """What is to be read. ``files`` empty: what lies in ``folder``, as Compose finds it."""

    files: Sequence[str] = ()
    profiles: Sequence[str] = ()
    env_files: Sequence[str] = ()
    name: str = ""
    folder: str = "."


@dataclass(frozen=True)
class Read:
    """A project, and what is to be said about how it was read."""

    project: Project
    notes: tuple[str, ...] = ()


def read(asked: Asked, machine: Machine, environment: Mapping[str, str] | None = None) -> Read:
    """Read the files. Raises ParseError or UsageError where they cannot be read at all."""
    folder = str(Path(asked.folder).absolute())
    try:
        return _read(asked, folder, machine, dict(os.environ if environment is None else environment))
    except ParseError as error:
        where = f"{error.source} line {error.line}: " if error.line else f"{error.source}: "
        raise ParseError(_relative(error.source, folder), error.line, str(error).removeprefix(where), error.hint) \
            from None


def _read(asked: Asked, folder: str, machine: Machine, environment: Mapping[str, str]) -> Read:
    files = [_at(each, folder) for each in asked.files] or _found(folder, environment)
    home = posixpath.dirname(files[0])
    values = {**_dotenv(machine, home, asked.env_files, folder, environment), **environment}
    profiles = [*asked.profiles, *filter(None, values.get("COMPOSE_PROFILES", "").split(","))]
    tree = assemble(files, home, values, lambda path: _text(machine, path))
    name = (asked.name or values.get("COMPOSE_PROJECT_NAME") or (tree.name.text if tree.name is not None else "")
            or posixpath.basename(home))
    project = read_project(tree, project_name(name) or "default", _short(files, folder), profiles)
    project = with_verdicts(project, tree.services, home, lambda path: _text(machine, path))
    if not project.services and not project.doubts:
        raise ParseError(_short(files, folder)[0], 0, "no service would be started", _profiles_hint(project))
    other = _by_compose(machine, files, home, asked, project, environment)
    if isinstance(other, str):
        doubt = Doubt(Mark(project.files[0]), f"docker compose config refuses it: {other}")
        return Read(_shown(replace(project, doubts=(*project.doubts, doubt)), folder))
    if other is None:
        return Read(_shown(project, folder))
    return _reconciled(_shown(project, folder), other)


def _profiles_hint(project: Project) -> str:
    names = sorted({each for _, profiles in project.left_out for each in profiles})
    return f"Its services have profiles: {', '.join(names)[:200]}. Name one with --profile." if names else ""


# ---- files ----------------------------------------------------------------------------------------------------------


def _found(folder: str, environment: Mapping[str, str]) -> list[str]:
    """What Compose finds by itself: COMPOSE_FILE, or the usual names, with the override beside them."""
    named = environment.get("COMPOSE_FILE")
    if named:
        return [_at(each, folder) for each in named.split(environment.get("COMPOSE_PATH_SEPARATOR", ":"))]
    for name in NAMES:
        path = Path(folder, name)
        if path.is_file():
            stem = path.stem
            overrides = [path.with_name(f"{stem}.override{suffix}") for suffix in (".yml", ".yaml")]
            return [str(path), *(str(each) for each in overrides[::-1] if each.is_file())][:2]
    raise UsageError(f"no Compose file in {folder}", f"Name one: fwaudit preview {NAMES[0]}")


def _at(path: str, folder: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))


def _text(machine: Machine, path: str) -> str:
    answer = machine.read(path, LIMIT)
    if answer.data is None:
        raise ParseError(path, 0, answer.source.missing.removesuffix(f": {path}"), "Name a file that is there.")
    try:
        return answer.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ParseError(path, 0, "not UTF-8") from None


def _dotenv(machine: Machine, home: str, named: Sequence[str], folder: str,
            environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of ``.env`` beside the first file, or of the files that were named."""
    found: dict[str, str] = {}
    for each in named:
        path = _at(each, folder)
        found |= parse_dotenv(_text(machine, path), path, {**found, **environment})
    path = _at(".env", home)
    if not named and Path(path).exists():
        found = parse_dotenv(_text(machine, path), path, environment)
    return found


def _short(files: Iterable[str], folder: str) -> list[str]:
    """Paths as a person would write them: relative where they lie below the folder that was asked from."""
    return [_relative(each, folder) for each in files]


def _relative(path: str, folder: str) -> str:
    return posixpath.relpath(path, folder) if path.startswith(f"{folder.rstrip('/')}/") else path


def _shown(project: Project, folder: str) -> Project:
    """The project with its lines named by short paths."""
    def near(mark: Mark) -> Mark:
        return replace(mark, file=_relative(mark.file, folder))

    services = tuple(replace(each, mark=near(each.mark), publishes=tuple(
        replace(port, mark=near(port.mark)) for port in each.publishes)) for each in project.services)
    return replace(project, services=services, networks={
        key: replace(each, mark=near(each.mark)) for key, each in project.networks.items()},
        doubts=tuple(replace(each, mark=near(each.mark)) for each in project.doubts))


# ---- docker compose -------------------------------------------------------------------------------------------------


def _by_compose(machine: Machine, files: Sequence[str], home: str, asked: Asked, project: Project,
                environment: Mapping[str, str]) -> Project | str | None:
    """The project as Compose itself reads it; None where it is not installed, and its own words where it refuses."""
    argv = ["docker", "compose"]
    for option, values in (("-f", files), ("--profile", asked.profiles), ("--env-file", [
            _at(each, str(Path(asked.folder).absolute())) for each in asked.env_files])):
        for value in values:
            argv += [option, value]
    argv += ["--project-directory", home, "--project-name", project.name, "config", "--format", "json"]
    clean = {key: value for key, value in environment.items() if key not in ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME")}
    answer = machine.run(argv, _OUTPUT_LIMIT, _SECONDS, environment={**clean, **ENVIRONMENT, "HOME": clean.get(
        "HOME", "/"), **_NO_REMOTES})
    if answer.data is None:
        said = f"{answer.source.missing} {answer.source.stderr}"
        if any(words in said for words in _NOT_THERE):
            return None
        lines = [line for line in answer.source.stderr.splitlines() if line.strip() and "level=warning" not in line]
        return (lines[-1] if lines else answer.source.missing)[:300]
    try:
        root = from_json(json.loads(answer.data), "docker compose config")
        tree = Tree(root.get("name"), _mapping(root.get("services")), _mapping(root.get("networks")))
    except (ValueError, RecursionError):
        return "what it prints is no JSON"
    return read_project(tree, project.name, project.files, ("*",))


def _mapping(node: Node | None) -> dict[str, Node]:
    return (node.keys or {}) if node is not None else {}


def _reconciled(own: Project, theirs: Project) -> Read:
    """One project of two readings: Compose's word on what is published, our lines of where it stands."""
    mine = {service.name: service for service in own.services}
    names = {service.name for service in theirs.services}
    wrong = sorted((mine.keys() - names) | {
        service.name for service in theirs.services if facts_of(service) != facts_of(mine.get(service.name))})
    used = {attachment.network for service in theirs.services for attachment in service.attachments}
    different = sorted(key for key in used
                       if network_facts(own.networks.get(key)) != network_facts(theirs.networks.get(key)))
    if not wrong and not different:
        return Read(own)
    services = tuple(_with_lines(service, mine.get(service.name), own) for service in theirs.services)
    said = {each.why.split(":", 1)[0] for each in own.doubts}  # a doubt says why the two differ
    names_of = (*(f"service {each}" for each in wrong), *(f"network {each}" for each in different))
    what = ", ".join(each for each in names_of if each not in said)[:200]
    return Read(replace(theirs, services=services, doubts=tuple(dict.fromkeys((*own.doubts, *theirs.doubts))),
                        left_out=own.left_out, networks={
                            key: replace(each, mark=own.networks[key].mark if key in own.networks else
                                         Mark(own.files[0])) for key, each in theirs.networks.items()}),
                (f"docker compose reads {what} otherwise than fwaudit does; its word counts here",) if what else ())


def facts_of(service: ComposeService | None) -> object:
    """What of a service decides about exposure, to be compared."""
    if service is None:
        return None
    attachments = service.attachments
    return (service.mode, frozenset(attachments), service.replicas, service.container_name, service.privileged,
            frozenset((each.proto, each.container_port, each.ports, each.address) for each in service.publishes))


def network_facts(network: ComposeNetwork | None) -> object:
    """What of a network decides about exposure, to be compared."""
    if network is None:
        return None
    return (network.name, network.external, network.driver or "bridge", network.internal, bool(network.ipv6),
            network.pools, tuple(sorted(network.options.items())))


def _with_lines(service: ComposeService, own: ComposeService | None, project: Project) -> ComposeService:
    lines = {(each.proto, each.container_port): each.mark for each in own.publishes} if own is not None else {}
    mark = own.mark if own is not None else Mark(project.files[0])

    def marked(each: Publish) -> Publish:
        return replace(each, mark=lines.get((each.proto, each.container_port), mark))

    weak = own.weak_credentials if own is not None else ()
    return replace(service, mark=mark, publishes=tuple(map(marked, service.publishes)), weak_credentials=weak)

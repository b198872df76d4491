"""All sources of a snapshot → one Host. Pure, and never raises for what a source holds.

A source that is missing or does not read becomes an entry of ``Host.unread``; the rest is read all the same. Not every
absent file is a gap: see ``values.gap`` and the ``_missing_…`` functions for what counts as an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from fwaudit.errors import ParseError
from fwaudit.model.host import (
    BootFile,
    Container,
    Engine,
    Host,
    Interface,
    Listener,
    PolicyRule,
    Route,
    Socket,
    UfwPolicy,
)
from fwaudit.model.ruleset import Ruleset
from fwaudit.model.snapshot import Snapshot, Source
from fwaudit.parse import boot, docker, ip, rulesets, sockets, sysctl, ufw
from fwaudit.parse.values import ABSENT, Record, gap, read_list, read_object
from fwaudit.records import replace

T = TypeVar("T")

_UFW_FILES = ("ufw/default", "ufw/ufw.conf", "ufw/user.rules", "ufw/user6.rules")


def parse_host(snapshot: Snapshot) -> Host:
    """The host that the snapshot describes.

    ``unread`` has (source, why) for each source that could not be looked at. ``sockets`` is None where one of the four
    tables is missing: a socket that is not in the others may be in that one.
    """
    reader = _Reader(snapshot)
    interfaces = _interfaces(reader)
    engine = _engine(reader, interfaces)
    ruleset = rulesets.parse_ruleset(snapshot)
    reader.unread.update(dict(ruleset.unread))
    host = Host(
        name=snapshot.host, taken_at=snapshot.taken_at, interfaces=interfaces,
        routes={family: _routes(reader, family) for family in (4, 6)},
        policy_rules={family: _rules(reader, family) for family in (4, 6)},
        sysctl=reader.attempt("sysctl", lambda: sysctl.parse(snapshot.text("sysctl"))) or {},
        sockets=_sockets(reader, engine), engine=engine, ufw=_ufw(reader, ruleset), ruleset=ruleset,
        boot=_boot(reader), boot_read=boot.SOURCE in snapshot,
    )
    for name, source in snapshot.sources.items():
        if source.doubt and name in snapshot:
            reader.unread.setdefault(name, source.doubt)
    return replace(host, unread=tuple(sorted(reader.unread.items())))


class _Reader:
    """Reads sources one at a time and remembers which could not be read, and why."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.unread: dict[str, str] = {}

    def attempt(self, name: str, read: Callable[[], T]) -> T | None:
        """What ``read`` gives; None, with an entry in ``unread``, where the source is missing or does not read."""
        why = gap(self.snapshot, name)
        if not why:
            try:
                return read()
            except ParseError as error:
                why = str(error)
            except (ValueError, OverflowError) as error:  # a value that no reader foresaw: still this source's alone
                why = f"{name}: {error}"[:300]
        self.unread[name] = why
        return None

    def read(self, name: str, parse: Callable[[list[Record]], T]) -> T | None:
        """``attempt`` for a source that is a JSON array."""
        return self.attempt(name, lambda: parse(read_list(self.snapshot, name)))


def _interfaces(reader: _Reader) -> dict[str, Interface]:
    links = reader.read("net/link.json", list) or []
    addresses = reader.read("net/addr.json", list) or []
    programs = (reader.read("net/tc.json", list) or []) if "net/tc.json" in reader.snapshot else []
    parts: tuple[tuple[str, list[Record], list[Record], list[Record]], ...]
    parts = (("net/tc.json", links, addresses, programs), ("net/addr.json", links, addresses, []),
             ("net/link.json", links, [], []), ("", [], addresses, []))
    for name, some_links, some_addresses, some_programs in parts:  # leave out what does not read, last one first
        try:
            return ip.parse_interfaces(some_links, some_addresses, some_programs)
        except ParseError as error:
            reader.unread[error.source or name] = str(error)
    return {}


def _routes(reader: _Reader, family: int) -> tuple[Route, ...] | None:
    return reader.read(f"net/route.v{family}.json", lambda records: ip.parse_routes(records, family))


def _rules(reader: _Reader, family: int) -> tuple[PolicyRule, ...] | None:
    return reader.read(f"net/rule.v{family}.json", lambda records: ip.parse_rules(records, family))


def _sockets(reader: _Reader, engine: Engine) -> tuple[Socket, ...] | None:
    def table(name: str) -> list[Socket]:
        return sockets.parse_table(name, reader.snapshot.text(name))

    tables = [found for name in sockets.TABLES if (found := reader.attempt(name, partial(table, name))) is not None]
    found = [socket for each in tables for socket in each]
    v6only = docker.proxy_is_v6only(engine)
    owners = reader.read(sockets.OWNERS, list) or []
    if len(tables) < len(sockets.TABLES):
        return None
    owned = reader.attempt(sockets.OWNERS, lambda: sockets.with_owners(found, owners, v6only)) if owners else None
    return sockets.with_owners(found, [], v6only) if owned is None else owned


def _engine(reader: _Reader, interfaces: dict[str, Interface]) -> Engine:
    """``Engine.unread`` is set where the containers could not be listed; an engine that is not installed has none."""
    snapshot = reader.snapshot
    if not any(name.startswith("docker/") for name in snapshot.files):
        why = snapshot.why_missing("docker")
        if why.startswith(ABSENT):
            return Engine()
        reader.unread["docker"] = why
        return Engine(unread=why)
    empty = Record("docker/info.json", {})
    version = reader.attempt("docker/version.json", lambda: read_object(snapshot, "docker/version.json")) or empty
    info = reader.attempt("docker/info.json", lambda: read_object(snapshot, "docker/info.json")) or empty
    engine = reader.attempt("docker/info.json", lambda: docker.parse_engine(version, info)) or Engine()
    listeners = _listeners(reader)
    containers = reader.read("docker/containers.json", lambda r: docker.parse_containers(r, listeners))
    containers = _with_lines(reader, containers or ()) if containers else containers
    networks = reader.read("docker/networks.json", lambda r: docker.parse_networks(r, containers or (), interfaces))
    return replace(engine, containers=containers or (), networks=networks or (),
                   unread=reader.unread.get("docker/containers.json", ""))


def _with_lines(reader: _Reader, containers: tuple[Container, ...]) -> tuple[Container, ...]:
    """With the lines of compose files where the snapshot has them; without them nothing is missing."""
    name = "docker/compose.json"
    if name not in reader.snapshot:
        return containers
    found = reader.attempt(name, lambda: docker.with_compose_ports(containers, read_object(reader.snapshot, name)))
    return found or containers


def _listeners(reader: _Reader) -> Record:
    """What listens inside the containers. Without the file it is not known, which ``Container.listeners`` says; that is
    a gap only where the snapshot gives a reason for it."""
    name, source = "docker/listeners.json", reader.snapshot.sources.get("docker/listeners.json")
    if name not in reader.snapshot and (source is None or not source.missing):
        return Record(name, {})
    found = reader.attempt(name, lambda: read_object(reader.snapshot, name)) or Record(name, {})
    usable = {}
    for container in found.fields:
        if reader.attempt(name, partial(_listens, found, container)) is not None:
            usable[container] = found.fields[container]
    return Record(name, usable)


def _listens(found: Record, container: str) -> tuple[Listener, ...]:
    return sockets.parse_listeners(found.records(container))


def _boot(reader: _Reader) -> tuple[BootFile, ...]:
    """No packet's way depends on it, so that a snapshot without it has no gap."""
    found = reader.read(boot.SOURCE, boot.parse_files) if boot.SOURCE in reader.snapshot else ()
    return (*(found or ()), *boot.of_ufw(reader.snapshot))


def _ufw(reader: _Reader, ruleset: Ruleset) -> UfwPolicy:
    """Without any of ufw's files, or without its command, ufw is not installed (a removed package leaves its files),
    unless the kernel holds ufw's chains, or the snapshot has a reason why the files are missing."""
    snapshot = reader.snapshot
    live = any(chain.startswith(("ufw-", "ufw6-")) for table in ruleset.tables for chain in table.chains)
    if not any(name in snapshot for name in (*_UFW_FILES, "ufw/status")):
        why = snapshot.why_missing("ufw")
        noted = any(snapshot.sources[name].missing for name in ("ufw", *_UFW_FILES) if name in snapshot.sources)
        if why.startswith(ABSENT) or not (noted or live):
            return UfwPolicy()
        reader.unread["ufw"] = why
        return UfwPolicy(installed=live, unread=why)
    status = snapshot.sources.get("ufw/status", Source())
    policy = _ufw_files(reader, status.version)
    return policy if live or ABSENT not in status.missing else replace(policy, installed=False)


def _ufw_files(reader: _Reader, version: str) -> UfwPolicy:
    snapshot = reader.snapshot
    settings = ufw.parse_settings(snapshot.text("ufw/default"), snapshot.text("ufw/ufw.conf"))
    families = {4: "ufw/user.rules", 6: "ufw/user6.rules"} if ufw.uses_ipv6(settings) else {4: "ufw/user.rules"}
    for name in ("ufw/default", "ufw/ufw.conf", *families.values()):
        reader.attempt(name, lambda: None)
    texts = {family: snapshot.text(name) for family, name in families.items()}
    rules, skipped = ufw.parse_rules(texts)
    for name, why in skipped:
        reader.unread.setdefault(name, why)
    unread = "; ".join(f"{name}: {reader.unread[name]}" for name in _UFW_FILES if name in reader.unread)
    return ufw.parse_policy(settings, rules, snapshot.text("ufw/status"), version, unread, ufw.parse_loaded(texts))

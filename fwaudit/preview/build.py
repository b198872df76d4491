"""Snapshot and Project → the snapshot as it would be, and what cannot be told about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from fwaudit.errors import PreviewError
from fwaudit.model.compose import Doubt, Mark, Project
from fwaudit.model.host import Container, Host
from fwaudit.model.preview import Box, Bridge, WouldBe
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.host import parse_host
from fwaudit.preview import iptables
from fwaudit.preview.boxes import Boxes, running_box
from fwaudit.preview.doubts import doubts_of_rules
from fwaudit.preview.dump import Dump
from fwaudit.preview.facts import Facts
from fwaudit.preview.native import Tables
from fwaudit.preview.networks import Networks
from fwaudit.preview.ways import Ways, ways_of

_RULES = "nft/ruleset.json"


def would_be(snapshot: Snapshot, project: Project) -> WouldBe:
    """The host with the project's containers started. Raises PreviewError where nothing can be told.

    Containers of the same project and service that run already are taken away first, as ``docker compose up`` would
    make them anew.
    """
    host = parse_host(snapshot)
    ways = ways_of(host, snapshot)
    mine = {service.name for service in project.services}
    old = [each for each in host.engine.containers
           if each.project == project.name and each.service in mine]
    writer = Writer(snapshot, ways)
    writer.remove(old, host)
    bare = replace(host, engine=replace(host.engine, containers=tuple(
        each for each in host.engine.containers if each not in old)))
    bare = replace(bare, sockets=_without(bare, [each for each in old if each.running], host, ways))
    info = snapshot.json("docker/info.json") if "docker/info.json" in snapshot else {}
    networks = Networks(bare, ways, info if isinstance(info, Mapping) else {}, project.name)
    boxes = Boxes(bare, ways, networks)
    found = tuple(boxes.all(project))
    new = writer.add(found, project)
    doubts = (*project.doubts, *networks.doubts, *boxes.doubts, *writer.doubts,
              *doubts_of_rules(bare, found, boxes))
    swarm = ("docker stack deploy would publish by the swarm's own network, which is not looked at here",) \
        if host.engine.swarm else ()
    notes = (*swarm, *ways.assumed, *networks.notes, *boxes.notes, *_left_out(project), *_drawn(boxes))
    return WouldBe(replace(snapshot, files=writer.files), found, new, tuple(dict.fromkeys(doubts)),
                   tuple(dict.fromkeys(notes)), tuple(each.name for each in old if each.running))


class Writer:
    """Writes what the engine would write into a copy of the snapshot's files."""

    def __init__(self, snapshot: Snapshot, ways: Ways) -> None:
        self.ways = ways
        self.files = dict(snapshot.files)
        self.facts = Facts(self.files, ways)
        self.doubts: list[Doubt] = []

    def remove(self, containers: Iterable[Container], host: Host) -> None:
        """Containers are taken away: of those that run, rules and sockets, and what the engine says of all."""
        containers = list(containers)
        gone = [running_box(each, host, self.ways) for each in containers if each.running]
        if gone:
            with _Rules(self) as rules:
                for box in gone:
                    rules.remove(box)
        self.facts.remove([each.name for each in containers], [each for box in gone for each in box.bindings])
        self.facts.close()

    def add(self, boxes: Iterable[Box], project: Project) -> tuple[Bridge, ...]:
        """Networks, then containers, as ``docker compose up`` makes them. The networks that were new."""
        boxes = list(boxes)
        used = {seat.bridge.name: seat.bridge for box in boxes for seat in box.seats}
        new = tuple(bridge for bridge in used.values() if bridge.new)
        with _Rules(self) as rules:
            for bridge in new:
                self.facts.add_network(bridge)
                if bridge.driver == "bridge":
                    rules.add_network(bridge)
                    if bridge.ipv6 and self.ways.daemon.forwards and not self.facts.forwards_ipv6():
                        self.facts.forward_ipv6()
                        rules.forwards_ipv6()
            for box in boxes:
                rules.add(box)
        for bridge in used.values():
            if bridge.driver == "bridge":
                self.facts.wake(bridge)
        for box in boxes:
            self.facts.add(box, project.name, ",".join(project.files))
        self.facts.close()
        return new


class _Rules:
    """The engine's rules in the files of a snapshot, opened and written back."""

    def __init__(self, writer: Writer) -> None:
        self.writer, self.ways = writer, writer.ways
        self.dumps: dict[int, Dump] = {}
        self.tables: Tables | None = None
        self.document: Any = None

    def __enter__(self) -> _Rules:
        files = self.writer.files
        if self.ways.backend == "native":
            try:
                self.document = json.loads(files[_RULES])
            except (KeyError, ValueError, RecursionError):
                raise PreviewError(f"{_RULES} of the snapshot does not read") from None
            self.tables = Tables(self.document, self.ways)
        for family in self.ways.families if self.ways.backend in ("nft", "legacy") else ():
            text = files.get(self._name(family), b"").decode("utf-8", "surrogateescape")
            self.dumps[family] = Dump(text)
            if not self.dumps[family].has("nat", "DOCKER"):
                raise PreviewError(f"{self._name(family)} does not hold the engine's chains",
                                   "Give the output of iptables-save -c.")
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None:
            return
        missing = [] if self.tables is None else self.tables.missing
        if self.tables is not None:
            self.writer.files[_RULES] = json.dumps(self.document).encode()
        for family, dump in self.dumps.items():
            self.writer.files[self._name(family)] = dump.text().encode("utf-8", "surrogateescape")
            missing += dump.missing
        for rule in missing[:1]:
            self.writer.doubts.append(Doubt(Mark("rules"), f"what the engine wrote for a container that would be made "
                                                           f"anew is not as expected, such as: {rule[:200]}"))

    def _name(self, family: int) -> str:
        """The file that has the backend's rules; a dump of unknown variant is under nft's name."""
        legacy = f"iptables/legacy.v{family}"
        return legacy if self.ways.backend == "legacy" and legacy in self.writer.files else f"iptables/nft.v{family}"

    def add(self, box: Box) -> None:
        if self.tables is not None:
            self.tables.add(box)
        elif self.dumps:
            iptables.add(box, self.ways, self.dumps)

    def remove(self, box: Box) -> None:
        if self.tables is not None:
            self.tables.remove(box)
        elif self.dumps:
            iptables.remove(box, self.ways, self.dumps)

    def add_network(self, bridge: Bridge) -> None:
        if self.tables is not None:
            self.tables.add_network(bridge)
        elif self.dumps:
            iptables.add_network(bridge, self.ways, self.dumps)

    def forwards_ipv6(self) -> None:
        """From 28 on, FORWARD gets the chain policy DROP for IPv6 where the engine switches forwarding on; before, it
        had it already when the daemon started (setup_ip_forwarding.go)."""
        if 6 in self.dumps and self.ways.generation != "classic" and self.ways.daemon.forward_drop:
            self.dumps[6].policy("FORWARD", "DROP")


def _without(host: Host, old: list[Container], before: Host, ways: Ways) -> Any:
    """The host's sockets without those that were bound for containers."""
    if host.sockets is None:
        return None
    gone = {(each.proto, each.family, each.host_address, each.host_port)
            for container in old for each in running_box(container, before, ways).bindings}
    return tuple(each for each in host.sockets if (each.proto, each.family, each.address, each.port) not in gone)


def _left_out(project: Project) -> Iterator[str]:
    for name, profiles in project.left_out:
        yield f"service {name[:60]} is left out, as its profile is: --profile {' or '.join(profiles)[:100]} adds it"


def _drawn(boxes: Boxes) -> Iterator[str]:
    for _, port, low, high in boxes.ports.drawn:
        yield f"port {port} stands for the one of {low}-{high} that will be drawn at the start"

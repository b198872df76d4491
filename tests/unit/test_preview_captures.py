"""Every recorded host: its containers taken away and previewed back must leave it as it was, rule for rule and verdict
for verdict."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from captures import case, names

from fwaudit.audit import audit
from fwaudit.errors import PreviewError
from fwaudit.model.compose import Attachment, ComposeNetwork, ComposeService, Mark, Pool, Project, Publish
from fwaudit.model.host import Container, DockerNetwork, Host
from fwaudit.model.report import Report
from fwaudit.model.snapshot import Snapshot
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import PROTOCOLS
from fwaudit.packet.intervals import IntervalSet
from fwaudit.parse.host import parse_host
from fwaudit.preview.build import Writer, would_be
from fwaudit.preview.ways import ways_of

_MARK = Mark("compose.yaml", 1)


def _snapshot(name: str) -> Snapshot:
    return Snapshot(case(name).files, host="machine")


def project_of(snapshot: Snapshot, host: Host, containers: Iterable[Container], *, anew: bool) -> Project:
    """A project that asks for containers as they are. ``anew``: and for their networks, which are taken not to be
    there."""
    services, networks = [], {}
    records = {each["Name"].lstrip("/"): each for each in snapshot.json("docker/containers.json")}
    by_name = {network.name: network for network in host.engine.networks}
    for each in containers:
        seats = []
        for point in each.endpoints:
            network = by_name[point.network]
            seats.append(Attachment(point.network, point.address, point.address6))
            pools = tuple(Pool(*subnet) for subnet in network.subnets)
            options = {key: value for key, value in network.options.items()
                       if "default_bridge" not in key and network.name != "bridge"}
            networks[point.network] = ComposeNetwork(
                point.network, point.network, _MARK, not anew or network.name == "bridge", network.driver,
                network.internal, True, network.ipv6, pools, options)
        services.append(ComposeService(
            each.name, _MARK, "" if each.endpoints else each.network_mode, tuple(seats),
            tuple(_publishes(records[each.name])), each.exposed, 1, each.name, each.image, each.privileged,
            each.capabilities))
    return Project("shop", ("compose.yaml",), tuple(services), networks)


def _publishes(record: Mapping[str, Any]) -> Iterable[Publish]:
    """What the engine was asked for, as it keeps it; a port that it drew is asked for by its number."""
    drawn_all = record["HostConfig"].get("PublishAllPorts")
    asked = record["NetworkSettings"]["Ports"] if drawn_all else record["HostConfig"].get("PortBindings")
    for key, bindings in (asked or {}).items():
        port, _, proto = key.partition("/")
        drawn = [int(each["HostPort"]) for each in record["NetworkSettings"]["Ports"].get(key) or ()
                 if each["HostPort"]]
        for each in [{"HostIp": "", "HostPort": ""}] if drawn_all else bindings or ():
            number = int(each["HostPort"] or 0) or (drawn[0] if drawn else 0)
            yield Publish(PROTOCOLS[proto], int(port), (number, number) if number else None,
                          parse_address(each["HostIp"]) if each["HostIp"] else None, _MARK)


def without(snapshot: Snapshot, host: Host, containers: list[Container]) -> Snapshot:
    """The host before these containers were started."""
    writer = Writer(snapshot, ways_of(host, snapshot))
    writer.remove(containers, host)
    assert not writer.doubts, writer.doubts
    ports = ("net/link.json", "net/addr.json")
    return replace(snapshot, files=writer.files | {file: json.dumps([
        each for each in snapshot.json(file) if not each["ifname"].startswith("veth")]).encode() for file in ports})


def _rules(snapshot: Snapshot) -> dict[str, Counter[str]]:
    """The rules of each dump, without counters."""
    found = {name: Counter(re.sub(r"\[\d+:\d+\] ?", "", line) for line in snapshot.text(name).splitlines()
                           if not line.startswith("#")) for name in snapshot.files if name.startswith("iptables/")}
    document = snapshot.json("nft/ruleset.json") or {"nftables": []}
    rules = [each["rule"] for each in document["nftables"] if each.get("rule", {}).get("table") == "docker-bridges"]
    found["native"] = Counter(json.dumps({**rule, "handle": 0, "expr": [
        part for part in rule["expr"] if "counter" not in part]}, sort_keys=True) for rule in rules)
    return found


def _listening(found: Snapshot, snapshot: Snapshot) -> Snapshot:
    """With what listens inside the containers, which nobody can know beforehand."""
    name = "docker/listeners.json"
    return replace(found, files={**found.files, name: snapshot.files[name]})


def _verdicts(report: Report) -> Mapping[Any, Any]:
    """What is said of every service, and who gets in by which way."""
    found: dict[Any, Any] = {}
    for each in report.exposures:
        service = each.service
        key = (service.kind, service.proto, service.port, service.bound, service.container, each.family)
        found[key] = (each.verdict, each.certain, each.severity, tuple(
            (way.iif, way.dst, _set(way.certainly), _set(way.possibly), _set(way.allowed), way.neighbours_only)
            for way in each.ways))
    return found


def _set(values: IntervalSet) -> Any:
    return tuple(values.ranges((1 << 128) - 1))[:50]


_STOPPED = "docker_stopped"
"""Recorded while the engine was gone: it says that a container runs, and its rules are those of none."""


def _prepared(name: str) -> tuple[Snapshot, Host, list[Container], Snapshot]:
    """A recorded host, the containers that are previewed, and the host before they were started."""
    snapshot = _snapshot(name)
    host = parse_host(snapshot)
    running = [each for each in host.engine.containers if each.running and not each.shares_host_network]
    if not running or _STOPPED in name:
        pytest.skip("no container of its own network runs there")
    try:
        bare = without(snapshot, host, running)
        ways_of(parse_host(bare), bare)
    except PreviewError as error:
        assert name.split("/")[1] in _REFUSED, error
        pytest.skip(f"refused: {error}")
    return snapshot, host, running, bare


_REFUSED = ("iptables_false_no_proxy", "admin_dnat_no_docker", "nft_flush_ruleset", "mixed")


@pytest.mark.parametrize("name", names())
def test_containers_previewed_back(name: str) -> None:
    snapshot, host, running, bare = _prepared(name)
    found = would_be(bare, project_of(snapshot, host, running, anew=False))
    assert _rules(found.snapshot) == _rules(snapshot)
    assert _verdicts(audit(_listening(found.snapshot, snapshot))) == _verdicts(audit(snapshot))


def _without_network(snapshot: Snapshot, network: DockerNetwork) -> Snapshot:
    """The host before a network was made: nothing names its bridge any more."""
    name, files = network.interface, dict(snapshot.files)
    for file in files:
        if file.startswith("iptables/") or file == "sysctl":
            files[file] = "".join(line for line in snapshot.text(file).splitlines(keepends=True)
                                  if f".{name}." not in line and name not in line.split()
                                  and not (network.internal and "172.30.0.0/24" in line)).encode()
    for file, key in (("net/link.json", "ifname"), ("net/addr.json", "ifname"), ("net/route.v4.json", "dev"),
                      ("net/route.v6.json", "dev"), ("docker/networks.json", "Name")):
        files[file] = json.dumps([each for each in snapshot.json(file) or []
                                  if each.get(key) != (network.name if key == "Name" else name)]).encode()
    document = snapshot.json("nft/ruleset.json")
    kept = [each for each in document["nftables"] if name not in json.dumps(
        {key: value for key, value in next(iter(each.values())).items() if key != "elem"})]
    for each in kept:
        if isinstance(each.get("map", {}).get("elem"), list):
            each["map"]["elem"] = [pair for pair in each["map"]["elem"] if pair[0] != name]
    files["nft/ruleset.json"] = json.dumps({"nftables": kept}).encode()
    return replace(snapshot, files=files)


def _named(rules: dict[str, Counter[str]], old: str, new: str) -> dict[str, Counter[str]]:
    return {file: Counter({line.replace(old, new): count for line, count in lines.items()})
            for file, lines in rules.items()}


_MADE = ("userdef_net", "internal_net", "gateway_mode_routed")


@pytest.mark.parametrize("name", [name for name in names() if name.endswith(_MADE)])
def test_networks_previewed_back(name: str) -> None:
    """With the networks gone as well: the engine would make them as they were made."""
    snapshot = _snapshot(name)
    host = parse_host(snapshot)
    made = [network for network in host.engine.networks
            if network.driver == "bridge" and network.name != "bridge" and network.gateway_mode4 != "isolated"]
    assert len(made) == 1
    snapshot, host, running, bare = _prepared(name)
    found = would_be(_without_network(bare, made[0]), project_of(snapshot, host, running, anew=True))
    assert [network.name for network in found.networks] == [made[0].name]
    assert _rules(found.snapshot) == _named(_rules(snapshot), made[0].interface, found.networks[0].interface)
    assert _verdicts(audit(_listening(found.snapshot, snapshot))) == _verdicts(audit(snapshot))

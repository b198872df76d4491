"""Docker's and Podman's answers, in the shapes that their versions give."""

from typing import Any

import pytest

from fwaudit.errors import ParseError
from fwaudit.model.host import (
    Address,
    ComposePort,
    Container,
    DockerNetwork,
    Endpoint,
    Engine,
    Interface,
    PublishedPort,
    WeakCredential,
)
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import TCP, UDP
from fwaudit.parse import docker
from fwaudit.parse.values import Record

ID = "0123456789abcdef" * 4


def address(text: str) -> int:
    return parse_address(text)[1]


def container(**parts: Any) -> dict[str, Any]:
    """A running container on the default bridge; ``parts`` replace what is at the top."""
    return {"Id": ID, "Name": "/web", "Config": {"Image": "nginx"}, "State": {"Running": True, "Pid": 42},
            "HostConfig": {"NetworkMode": "bridge"}, "NetworkSettings": {}} | parts


def read(*values: dict[str, Any], listeners: dict[str, Any] | None = None) -> tuple[Container, ...]:
    records = [Record("docker/containers.json", value) for value in values]
    return docker.parse_containers(records, Record("docker/listeners.json", listeners or {}))


def networks(*values: dict[str, Any], containers: tuple[Container, ...] = (),
             interfaces: tuple[Interface, ...] = ()) -> tuple[DockerNetwork, ...]:
    return docker.parse_networks([Record("docker/networks.json", value) for value in values], containers,
                                 {each.name: each for each in interfaces})


def ports(table: dict[str, Any]) -> tuple[PublishedPort, ...]:
    return read(container(NetworkSettings={"Ports": table}))[0].published


def test_a_plain_container() -> None:
    (found,) = read(container(
        Config={"Image": "pg", "ExposedPorts": {"5432/tcp": {}, "53/udp": {}, "9000-9002/tcp": {}},
                "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "db",
                           "com.docker.compose.project.config_files": "/srv/compose.yml", "x": "y"}},
        HostConfig={"NetworkMode": "shop_default", "Privileged": True, "CapAdd": ["NET_ADMIN"],
                    "RestartPolicy": {"Name": "always"}},
        Mounts=[{"Source": "/var/run/docker.sock", "Destination": "/sock"}],
        NetworkSettings={"Networks": {"shop_default": {
            "IPAddress": "172.18.0.2", "IPPrefixLen": 16, "Gateway": "172.18.0.1", "GlobalIPv6Address": "fd00::2",
            "GlobalIPv6PrefixLen": 64, "IPv6Gateway": "fd00::1", "MacAddress": "02:42:ac:12:00:02"}}},
    ))
    assert (found.name, found.image, found.running, found.pid) == ("web", "pg", True, 42)
    assert found.endpoints == (Endpoint("shop_default", address("172.18.0.2"), 16, address("172.18.0.1"),
                                        address("fd00::2"), 64, address("fd00::1"), "02:42:ac:12:00:02"),)
    assert found.exposed == ((TCP, 5432), (TCP, 9000), (TCP, 9001), (TCP, 9002), (UDP, 53))
    assert (found.project, found.service, found.config_files) == ("shop", "db", "/srv/compose.yml")
    assert found.privileged and found.capabilities == ("NET_ADMIN",) and found.restart == "always"
    assert found.mounts == (("/var/run/docker.sock", "/sock"),) and found.labels["x"] == "y"
    assert found.listeners is None and not found.shares_host_network


def test_published_ports() -> None:
    both = [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}]
    assert ports({"80/tcp": both, "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}], "81/tcp": None, "82/tcp": []}
                 ) == (PublishedPort(TCP, 4, 0, 8080, 80), PublishedPort(TCP, 6, 0, 8080, 80),
                       PublishedPort(UDP, 4, address("127.0.0.1"), 53, 53))


def test_a_routed_network_publishes_without_a_host_port() -> None:
    assert ports({"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": ""}]}) == (PublishedPort(TCP, 4, 0, 0, 80),)


def test_podman_has_no_host_address() -> None:
    assert ports({"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}) == (PublishedPort(TCP, 0, 0, 8080, 80),)


def test_a_stopped_container_tells_what_was_asked_for() -> None:
    bindings = {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "81/tcp": [{"HostIp": "::1", "HostPort": "8000-8010"}]}
    (found,) = read(container(State={"Running": False}, NetworkSettings={"Ports": {}},
                              HostConfig={"NetworkMode": "default", "PortBindings": bindings}))
    assert not found.running
    assert found.published == (PublishedPort(TCP, 0, 0, 8080, 80), PublishedPort(TCP, 6, 1, 0, 81))


@pytest.mark.parametrize("table", [
    {"80/tcp": [{"HostIp": "nowhere", "HostPort": "80"}]}, {"80/tcp": [{"HostIp": "", "HostPort": "99999"}]},
    {"80/none": [{"HostPort": "80"}]}, {"x/tcp": [{"HostPort": "80"}]}, {"80-90/tcp": [{"HostPort": "80"}]},
    {"80/tcp": "80"}, {"80/tcp": [1]},
])
def test_bad_ports_are_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ParseError, match=r"docker/containers\.json"):
        ports(table)


def test_states_and_names_of_other_answers() -> None:
    (paused, listed) = read(container(State={"Running": True, "Paused": True}),
                            container(State="running", Name="", Names=["/pod"]))
    assert paused.running and listed.running and listed.name == "pod"


def test_a_shared_network_namespace() -> None:
    endpoints = {"Networks": {"app": {"IPAddress": "10.0.0.2"}}}
    owner = container(Id="a" * 64, Name="/owner", HostConfig={"NetworkMode": "app"}, NetworkSettings=endpoints)
    sidecar = container(Id="b" * 64, Name="/sidecar", HostConfig={"NetworkMode": f"container:{'a' * 64}"})
    chained = container(Id="c" * 64, Name="/chained", HostConfig={"NetworkMode": "container:sidecar"})
    found = read(chained, sidecar, owner, listeners={"owner": [{"proto": "tcp", "address": "0.0.0.0", "port": 80}]})
    assert found[0].endpoints == found[1].endpoints == found[2].endpoints != ()
    assert found[0].listeners == found[1].listeners == found[2].listeners and len(found[2].listeners or ()) == 1


def test_a_shared_host_network() -> None:
    host = container(Id="a" * 64, Name="/h", HostConfig={"NetworkMode": "host"})
    found = read(host, container(HostConfig={"NetworkMode": "container:h"}))
    assert found[1].shares_host_network


def test_circles_and_lost_owners_are_survived() -> None:
    found = read(container(Name="/a", Id="a", HostConfig={"NetworkMode": "container:b"}),
                 container(Name="/b", Id="b", HostConfig={"NetworkMode": "container:a"}),
                 container(Name="/c", Id="c", HostConfig={"NetworkMode": "container:gone"}))
    assert [each.network_mode for each in found] == ["container:b", "container:a", "container:gone"]


def test_hostile_names_are_kept_and_cut() -> None:
    evil = "/\x1b[31m<script>" + "a" * 1000
    (found,) = read(container(Name=evil, Config={"Image": "x" * 9999, "Labels": {"k" * 999: "v" * 9999}}))
    assert found.name == evil[1:255] and len(found.image) == 4096
    assert [(len(key), len(value)) for key, value in found.labels.items()] == [(255, 4096)]


BRIDGE = {"Id": ID, "Name": "bridge", "Driver": "bridge", "Options": {
    "com.docker.network.bridge.default_bridge": "true", "com.docker.network.bridge.name": "docker0",
    "com.docker.network.bridge.enable_icc": "false"}, "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]}}


def test_the_default_bridge_of_20_10_has_its_gateway_from_its_containers() -> None:
    containers = read(container(NetworkSettings={"Networks": {"bridge": {"Gateway": "172.17.0.1"}}}))
    (found,) = networks(BRIDGE, containers=containers)
    assert found.interface == "docker0" and not found.icc
    assert found.subnets == ((4, address("172.17.0.0"), 16),) and found.gateways == ((4, address("172.17.0.1")),)


@pytest.mark.parametrize(("network", "interface"), [
    ({"Driver": "bridge"}, "br-0123456789ab"),
    ({"Driver": "bridge", "Options": {"com.docker.network.bridge.name": "lan0"}}, "lan0"),
    ({"Driver": "bridge", "Name": "docker_gwbridge", "Options": {"com.docker.network.bridge.name": "docker_gwbridge"}},
     "docker_gwbridge"),
    ({"Driver": "macvlan", "Options": {"parent": "eth0.100"}}, "eth0.100"),
    ({"Driver": "macvlan"}, "dm-0123456789ab"),
    ({"Driver": "ipvlan", "Options": {"parent": "eth1", "ipvlan_mode": "l3"}}, "eth1"),
    ({"Driver": "ipvlan", "Options": None}, "di-0123456789ab"),
    ({"Driver": "overlay", "Scope": "swarm"}, "docker_gwbridge"),
    ({"Driver": "host"}, ""), ({"Driver": "null"}, ""), ({"Driver": "weave:latest"}, ""),
    ({"Driver": "bridge", "Name": "podman", "IPAM": {"Config": [{"Subnet": "10.88.0.0/16", "Gateway": "10.88.0.1"}]}},
     "podman0"),
])
def test_the_interface_of_a_network(network: dict[str, Any], interface: str) -> None:
    podman0 = Interface("podman0", 9, "bridge", addresses=(Address(4, address("10.88.0.1"), 16),))
    (found,) = networks({"Id": ID, "Name": "n"} | network, interfaces=(podman0,))
    assert found.interface == interface and found.scope == network.get("Scope", "local")


def test_network_options() -> None:
    (found,) = networks({"Id": ID, "Name": "r", "Driver": "bridge", "Internal": True, "EnableIPv6": True, "Options": {
        "com.docker.network.bridge.gateway_mode_ipv4": "routed", "com.docker.network.bridge.gateway_mode_ipv6": "nat"},
        "IPAM": {"Config": [{"Subnet": "fd00::/64", "Gateway": "fd00::1/64"}, {"Subnet": "10.1.2.3/8"}]}})
    assert found.internal and found.ipv6 and found.icc
    assert (found.gateway_mode4, found.gateway_mode6) == ("routed", "nat")
    assert found.subnets == ((6, address("fd00::"), 64), (4, address("10.0.0.0"), 8))
    assert found.gateways == ((6, address("fd00::1")),)


def test_null_ipam() -> None:
    assert networks({"Id": ID, "Name": "host", "Driver": "host", "IPAM": {"Config": None}})[0].subnets == ()


@pytest.mark.parametrize("subnet", ["10.0.0.0/33", "10.0.0/8", "x", "10.0.0.0/x"])
def test_bad_subnets_are_refused(subnet: str) -> None:
    with pytest.raises(ParseError):
        networks({"Id": ID, "Name": "n", "IPAM": {"Config": [{"Subnet": subnet}]}})


def engine(version: dict[str, Any], info: dict[str, Any]) -> Engine:
    return docker.parse_engine(Record("docker/version.json", version), Record("docker/info.json", info))


def test_engines() -> None:
    found = engine({"Version": "29.7.2", "ApiVersion": "1.52", "Components": [{"Name": "Engine"}]},
                   {"FirewallBackend": {"Driver": "nftables"}, "Swarm": {"LocalNodeState": "active"},
                    "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"], "Warnings": ["w"]})
    assert found == Engine("docker", "29.7.2", "1.52", firewall="nftables", rootless=True, swarm=True, warnings=("w",))
    assert engine({}, {"ServerVersion": "20.10.24", "Swarm": {"LocalNodeState": "inactive"}}) == Engine(
        version="20.10.24")
    assert engine({"Components": [{"Name": "Podman Engine"}]}, {}).name == "podman"
    assert engine({}, {"FirewallBackend": {"Driver": "iptables+firewalld"}}).firewall == "iptables"


@pytest.mark.parametrize(("version", "v6only"), [
    ("20.10.24+dfsg1", True), ("20.10.1", False), ("19.03.15", False), ("28.5.2", True), ("dev", False), ("", False)])
def test_since_when_the_proxy_keeps_the_families_apart(version: str, v6only: bool) -> None:
    assert docker.proxy_is_v6only(Engine(version=version)) is v6only


# ---- what the edge adds ----------------------------------------------------------------------------------------------


def test_weak_credentials_are_a_variable_and_a_known_word() -> None:
    said = [{"variable": "POSTGRES_PASSWORD", "verdict": "default"}, {"variable": "X", "verdict": "from the future"},
            {"variable": "MYSQL_PASSWORD", "verdict": "short", "value": "leaked by somebody else's tool"}]
    (found,) = docker.parse_containers([Record("c", {"Name": "/pg", "EnvironmentVerdicts": said})], Record("l", {}))
    assert found.weak_credentials == (WeakCredential("MYSQL_PASSWORD", "short"),
                                      WeakCredential("POSTGRES_PASSWORD", "default"))
    (older,) = docker.parse_containers([Record("c", {"Name": "/pg"})], Record("l", {}))
    assert older.weak_credentials == ()


def test_lines_of_compose_files() -> None:
    containers = docker.parse_containers([Record("c", {"Name": "/pg"}), Record("c", {"Name": "/web"})], Record("l", {}))
    line = {"proto": "tcp", "port": 5432, "file": "/srv/shop/compose.yaml", "line": 12}
    pg, web = docker.with_compose_ports(containers, Record("docker/compose.json", {"pg": [line], "gone": [line]}))
    assert pg.compose_ports == (ComposePort(6, 5432, "/srv/shop/compose.yaml", 12),)
    assert web.compose_ports == ()
    with pytest.raises(ParseError):
        docker.with_compose_ports(containers, Record("docker/compose.json", {"pg": [{**line, "port": "x"}]}))

"""What dockerd was told, from its file and its command line; and nothing of what is nobody's business."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fwaudit.host.collectors.daemon import settings
from fwaudit.host.run import Machine
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.daemon import Daemon, read_daemon

_ICC = "com.docker.network.bridge.enable_icc"


@pytest.fixture
def dockerd(tmp_path: Path):
    """A machine on which dockerd runs with these arguments, settings and variables."""

    def start(*argv: str, told: object = None, file: str = "etc/docker/daemon.json", **environment: str) -> Machine:
        process = tmp_path / "proc/42"
        process.mkdir(parents=True)
        (process / "cmdline").write_bytes(b"\0".join(word.encode() for word in ("dockerd", *argv)) + b"\0")
        (process / "environ").write_bytes(b"\0".join(f"{key}={value}".encode() for key, value in environment.items()))
        (tmp_path / "run").mkdir()
        (tmp_path / "run/docker.pid").write_text("42")
        if told is not None:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(told if isinstance(told, str) else json.dumps(told))
        return Machine(root=tmp_path)

    return start


def _said(machine: Machine) -> dict[str, object]:
    found = settings(machine)
    assert found is not None and found.data is not None, found
    return dict(json.loads(found.data))


def test_only_what_decides_about_packets_is_kept(dockerd) -> None:
    machine = dockerd("-H", "unix:///run/docker.sock", told={
        "iptables": False, "userland-proxy": "no", "proxies": {"http-proxy": "http://u:S3CR3T@x"}, "ip": "127.0.0.1",
        "default-network-opts": {"bridge": {_ICC: "false", "password": "S3CR3T"}, "odd": 5}}, TOKEN="S3CR3T")
    assert _said(machine) == {"iptables": False, "ip": "127.0.0.1",
                              "default-network-opts": {"bridge": {_ICC: "false"}, "odd": {}}}


def test_the_command_line_counts_as_well(dockerd) -> None:
    machine = dockerd("--userland-proxy=false", "--allow-direct-routing", "--ip", "192.0.2.1", "--default-network-opt",
                      f"bridge={_ICC}=false", DOCKER_INSECURE_NO_IPTABLES_RAW="1")
    assert _said(machine) == {"userland-proxy": False, "allow-direct-routing": True, "ip": "192.0.2.1",
                              "default-network-opts": {"bridge": {_ICC: "false"}},
                              "DOCKER_INSECURE_NO_IPTABLES_RAW": True}


def test_another_file(dockerd) -> None:
    assert _said(dockerd("--config-file", "/x.json", told={"ipv6": True}, file="x.json")) == {"ipv6": True}


def test_a_file_that_does_not_read_is_said(dockerd) -> None:
    found = settings(dockerd(told="{"))
    assert found is not None and found.source.missing == "/etc/docker/daemon.json is no JSON"


def test_without_dockerd_there_is_nothing(tmp_path: Path) -> None:
    assert settings(Machine(root=tmp_path)) is None


@pytest.mark.parametrize(("text", "wanted"), [
    (b"{}", Daemon(True)),
    (b'{"iptables": false, "userland-proxy": false}', Daemon(True, False, False)),
    (b'{"allow-direct-routing": true}', Daemon(True, direct=True)),
    (b'{"DOCKER_INSECURE_NO_IPTABLES_RAW": true}', Daemon(True, direct=True)),
    (b'{"default-network-opts": {"bridge": {"a": "b"}}}', Daemon(True, network_options={"a": "b"})),
    (b'{"iptables": "x"}', Daemon()), (b"[]", Daemon()), (b"{", Daemon()),
])
def test_what_a_snapshot_says(text: bytes, wanted: Daemon) -> None:
    assert read_daemon(Snapshot({"docker/daemon.json": text})) == wanted

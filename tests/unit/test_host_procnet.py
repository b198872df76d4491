"""``/proc/net`` tables, and who owns what is in them."""

from __future__ import annotations

import json
import os
import socket
import sys

import pytest
from _needs import needs

from fwaudit.host.collectors import processes, sockets
from fwaudit.host.procnet import Listening, listening, only_listening
from fwaudit.host.run import Machine

TCP = b"""  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:1538 08080808:9999 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: nonsense
   3: ZZ:1 00000000:0000 0A 0 0 0 0 0 13 1
   4: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 0 10 0
"""
UDP6 = b"""  sl  local_address                         remote_address                        st tx_queue rx_queue tr
  10: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 00:0 0 0 0 21 2 0 0
  11: B80D0120000000000000000001000000:0035 B80D0120000000000000000002000000:0035 01 0:0 00:0 0 0 0 22 2 0 0
"""

little = pytest.mark.skipif(sys.byteorder != "little", reason="the sample is of a little-endian machine")


@little
def test_listening_tcp():
    assert list(listening("tcp", TCP)) == [Listening("tcp", "127.0.0.1", 5432, 11), Listening("tcp", "0.0.0.0", 22, 14)]
    assert [each.local for each in listening("tcp", TCP)] == ["127.0.0.1:5432", "0.0.0.0:22"]


@little
def test_unconnected_udp():
    found = list(listening("udp6", UDP6))
    assert found == [Listening("udp", "::1", 53, 21)]
    assert found[0].local == "[::1]:53"


def test_peers_do_not_reach_the_snapshot():
    kept = only_listening("tcp", TCP)
    assert b"08080808" not in kept
    assert list(listening("tcp", kept)) == list(listening("tcp", TCP))
    assert kept.startswith(b"  sl  local_address")
    assert kept.endswith(b"\n")
    assert list(listening("tcp", b"")) == []


def test_own_sockets_are_found_with_owner_and_options():
    needs("root")
    with socket.socket(socket.AF_INET6) as both, socket.socket(socket.AF_INET6) as only:
        for each, value in ((both, 0), (only, 1)):
            each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, value)
            each.bind(("::", 0))
            each.listen()
        files = {each.name: each for each in sockets.collect(Machine())}
        entries = {entry["local"]: entry for entry in json.loads(files["sockets/owners.json"].data)}
        for each, v6only in ((both, False), (only, True)):
            entry = entries[f"[::]:{each.getsockname()[1]}"]
            assert (entry["pid"], entry["proto"], entry["v6only"]) == (os.getpid(), "tcp", v6only)
            assert "argv" not in entry
        assert f"{both.getsockname()[1]:04X}".encode() in files["sockets/tcp6"].data


def test_bound_device_is_told():
    needs("root")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, 25, b"lo")
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        owners = json.loads({each.name: each for each in sockets.collect(Machine())}["sockets/owners.json"].data)
        assert [each["proto"] for each in owners if each["local"] == f"127.0.0.1%lo:{port}"] == ["udp"]


def fake_process(root, pid, comm, inode, cmdline=b"secret\0--password=x\0"):
    folder = root / "proc" / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(comm + "\n")
    (folder / "cmdline").write_bytes(cmdline)
    (folder / "exe").symlink_to(f"/usr/bin/{comm}")
    (folder / "fd" / "3").symlink_to(f"socket:[{inode}]")


def test_docker_proxy_wins_over_dockerd_and_is_the_only_one_with_arguments(tmp_path):
    fake_process(tmp_path, 1, "systemd", 7)
    fake_process(tmp_path, 50, "dockerd", 7)
    fake_process(tmp_path, 60, "docker-proxy", 7, b"/usr/bin/docker-proxy\0-host-port\0" + b"5432\0")
    fake_process(tmp_path, 70, "nginx", 8)
    fake_process(tmp_path, 71, "nginx", 8)
    machine = Machine(root=tmp_path)
    found = processes.find(machine, {7, 8})
    assert processes.owner(machine, found.holders[7]) == {
        "pid": 60, "comm": "docker-proxy", "exe": "/usr/bin/docker-proxy",
        "argv": ["/usr/bin/docker-proxy", "-host-port", "5432"]}
    assert processes.owner(machine, found.holders[8]) == {"pid": 70, "comm": "nginx", "exe": "/usr/bin/nginx"}
    assert processes.find(machine, set()).holders == {}


def test_systemd_is_the_owner_only_where_nobody_else_is(tmp_path):
    fake_process(tmp_path, 1, "systemd", 7)
    fake_process(tmp_path, 900, "sshd", 7)
    fake_process(tmp_path, 2, "x", 9)
    machine = Machine(root=tmp_path)
    assert processes.owner(machine, processes.find(machine, {7}).holders[7])["comm"] == "sshd"

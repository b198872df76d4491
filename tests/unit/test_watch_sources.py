"""The sources of events, each against something small that plays the other side."""

from __future__ import annotations

import errno
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from requirements import requires

from fwaudit.host.engine import Endpoint
from fwaudit.host.run import Machine
from fwaudit.host.watch import docker, netlink, polls, systemd
from fwaudit.host.watch.docker import DockerEvents
from fwaudit.host.watch.events import Event, backoff
from fwaudit.host.watch.files import Files
from fwaudit.host.watch.netlink import Multicast
from fwaudit.host.watch.polls import Poll, Sockets

OK = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"


def event(kind: str = "container", action: str = "start", name: str = "pg") -> bytes:
    return json.dumps({"Type": kind, "Action": action, "Actor": {"Attributes": {"name": name}}}).encode() + b"\n"


class Engine:
    """A socket that an engine would listen on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        self.events = DockerEvents(lambda machine: self.endpoint())
        self.missing = ""
        self.now = 0.0

    def endpoint(self) -> Endpoint:
        return Endpoint(missing=self.missing) if self.missing else Endpoint(f"unix://{self.path}")

    def connect(self) -> socket.socket:
        assert not self.tick()
        link, _ = self.server.accept()
        assert link.recv(4096).startswith(b"GET /events?since=")
        return link

    def tick(self) -> list[Event]:
        self.now += 60
        return list(self.events.tick(self.now))

    def ready(self) -> list[Event]:
        return list(self.events.ready())


@pytest.fixture
def engine(tmp_path):
    found = Engine(tmp_path / "engine.sock")
    yield found
    found.events.close()
    found.server.close()


def test_events_are_told_as_they_come_in_pieces(engine):
    link = engine.connect()
    link.sendall(OK[:20])
    assert engine.ready() == []
    link.sendall(OK[20:] + event()[:10])
    assert engine.ready() == []
    link.sendall(event()[10:] + event("network", "connect", "shop"))
    assert engine.ready() == [Event("change", "docker", "container pg start"),
                              Event("change", "docker", "network shop connect")]


@pytest.mark.parametrize(("line", "said"), [
    (event("image", "pull"), []),
    (b"\n", []),
    (b"{nonsense\n", ["an event that does not read"]),
    (b"[1]\n", ["an event that does not read"]),
    (b"[" * 100_000 + b"\n", ["an event that does not read"]),
    (b'{"Type": "container", "Actor": null}\n', ["container"]),
    (b'{"Type": "container", "Actor": {"Attributes": {"name": 7}}, "Action": "die"}\n', ["container 7 die"]),
    (b"\xff\xfe\n", ["an event that does not read"]),
    (event(name="x" * 5000), ["container " + "x" * 200 + " start"]),
])
def test_what_opens_nothing_is_passed_over_and_what_does_not_read_is_not(line, said, engine):
    link = engine.connect()
    link.sendall(OK + line)
    assert [each.what for each in engine.ready()] == said


def test_a_line_without_end_is_given_up(engine, monkeypatch):
    monkeypatch.setattr(docker, "_LONGEST", 1000)
    link = engine.connect()
    link.sendall(OK + b"x" * 5000)
    assert [each.what for each in engine.ready()] == ["an event that is too long"]
    link.sendall(event())
    assert [each.what for each in engine.ready()] == ["container pg start"]


def test_an_engine_that_goes_and_comes_is_said_once_each(engine):
    first = engine.connect()
    first.sendall(OK)
    assert engine.ready() == []
    engine.events.close()
    link = engine.connect()
    link.sendall(OK)
    engine.ready()
    link.close()
    assert [(each.kind, each.what) for each in engine.ready()] == [("lost", "it ended the stream of events")]
    engine.missing = "installed but not running: no socket"
    assert [engine.tick() for _ in range(5)] == [[]] * 5
    engine.missing = ""
    link = engine.connect()
    link.sendall(OK)
    assert engine.ready() == [Event("back", "docker")]


def test_an_engine_that_is_not_there_at_the_start_is_said_and_one_that_is_not_installed_is_not(engine):
    engine.missing = "installed but not running: no socket"
    assert [each.kind for each in engine.tick()] == ["lost"]
    engine.events = DockerEvents(lambda machine: engine.endpoint())
    engine.missing = "not installed: no socket"
    assert engine.tick() == []


@pytest.mark.parametrize("answer", [b"HTTP/1.0 500 Internal Server Error\r\n\r\n", b"x" * 20_000, b"HTTP/1.0\r\n\r\n"])
def test_what_is_no_engine_is_lost(answer, engine):
    engine.connect().sendall(answer)
    assert [each.kind for each in engine.ready()] == ["lost"]
    assert engine.events.fileno() == -1


def test_nobody_at_the_socket_is_tried_again_less_and_less(engine):
    engine.server.close()
    assert [each.kind for each in engine.tick()] == ["lost"]
    assert list(engine.events.tick(engine.now + 0.4)) == []
    assert [backoff(number) for number in (0, 1, 2, 9)] == [0.5, 1, 2, 10]


@pytest.mark.parametrize("secure", [False, True])
def test_an_engine_at_a_network_address_is_followed(secure, tmp_path):
    """Over TLS more may be waiting in the library than in the socket: all of it is read at once."""
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    certificates = _certificates(tmp_path) if secure else ""
    source = DockerEvents(lambda machine: Endpoint(f"tcp://127.0.0.1:{port}", certificates=certificates))

    def serve() -> None:
        link, _ = server.accept()
        if secure:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=f"{tmp_path}/ca.pem")
            context.load_cert_chain(f"{tmp_path}/cert.pem", f"{tmp_path}/key.pem")
            context.verify_mode = ssl.CERT_REQUIRED
            link = context.wrap_socket(link, server_side=True)
        assert link.recv(4096).startswith(b"GET /events?")
        link.sendall(OK + event() * 1000)
        link.close()

    thread = threading.Thread(target=serve)
    thread.start()
    found = list(source.tick(1.0))
    thread.join()
    for _ in range(1000):
        found += source.ready()
        if source.fileno() < 0:
            break
        time.sleep(0.01)
    server.close()
    assert [each.kind for each in found] == ["change"] * 1000 + ["lost"]


def _certificates(folder: Path) -> str:
    requires("openssl")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out",
                    "cert.pem", "-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"],
                   cwd=folder, check=True, capture_output=True)
    (folder / "ca.pem").write_bytes((folder / "cert.pem").read_bytes())
    return str(folder)


# ---- netlink --------------------------------------------------------------------------------------------------------


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body + bytes(-len(body) % 4)


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


class Link:
    """A socket that gives what a test says, and then nothing."""

    def __init__(self, *given: bytes | OSError) -> None:
        self.given = list(given)

    def recv(self, size: int) -> bytes:
        if not self.given:
            raise BlockingIOError
        first = self.given.pop(0)
        if isinstance(first, OSError):
            raise first
        return first

    def fileno(self) -> int:
        return 99

    def close(self) -> None:
        pass


def hears(source: Multicast, monkeypatch, *given: bytes | OSError) -> list[Event]:
    monkeypatch.setattr(netlink, "_listen", lambda *_: Link(*given))
    return [*source.tick(0.0), *source.ready()]


GENERATION = message((10 << 8) | 15, bytes(4) + attribute(3, b"iptables\0"))


def test_a_change_of_the_rules_names_the_program(monkeypatch):
    source = netlink.nftables()
    monkeypatch.setattr(source, "_present", lambda: True)
    rule = message((10 << 8) | 6, bytes(4))
    assert hears(source, monkeypatch, rule + GENERATION, GENERATION) == [Event("change", "rules", "iptables")]


def test_what_the_kernel_had_to_leave_out_is_a_change(monkeypatch):
    source = netlink.routes()
    assert hears(source, monkeypatch, OSError(errno.ENOBUFS, "full"), message(20, bytes(8))) == [
        Event("change", "network", "an address")]
    assert hears(netlink.routes(), monkeypatch, OSError(errno.ENOBUFS, "full")) == [
        Event("change", "network", "more than could be listed")]


def test_a_radio_is_no_news_and_damaged_messages_are_none(monkeypatch):
    wireless = message(16, bytes(16) + attribute(11, b"signal"))
    assert hears(netlink.routes(), monkeypatch, wireless) == []
    assert hears(netlink.routes(), monkeypatch, b"\x01\0\0\0" * 5, b"", b"x" * 7, message(24, b"")[:15]) == []
    assert hears(netlink.routes(), monkeypatch, message(16, bytes(16) + b"\0\0\0\0")) == [
        Event("change", "network", "a link")]


def test_nf_tables_is_not_listened_to_before_it_is_there(monkeypatch):
    source = netlink.nftables()
    there = False
    monkeypatch.setattr(source, "_present", lambda: there)
    assert hears(source, monkeypatch) == [] and source.fileno() == -1
    there = True
    assert list(source.tick(60.0)) == [Event("change", "rules", "it has come into the kernel")]


def test_a_broken_socket_is_lost_and_opened_again(monkeypatch):
    source = netlink.routes()
    assert [each.kind for each in hears(source, monkeypatch, OSError(errno.EIO, "broken"))] == ["lost"]
    assert hears(source, monkeypatch) == []  # not at once
    assert [each.kind for each in source.tick(60.0)] == ["back"]


# ---- files and looks ------------------------------------------------------------------------------------------------


def test_a_file_that_is_made_changed_replaced_or_removed_is_told(tmp_path):
    file, folder = tmp_path / "user.rules", tmp_path / "applications.d"
    files = Files("files", (str(file),), (str(folder),))

    def told() -> list[str]:
        return [each.what for each in files.tick(0.0)]

    assert told() == []
    file.write_text("a")
    assert told() == [str(file)]
    os.utime(file, ns=(1, 1))
    assert told() == [str(file)]
    other = tmp_path / "new"
    other.write_text("b")
    os.utime(other, ns=(1, 1))
    other.replace(file)
    assert told() == [str(file)]
    file.chmod(0o600)
    folder.mkdir()
    (folder / "web").write_text("")
    assert told() == [f"{folder / 'web'} and 1 more"]
    file.unlink()
    assert told() == [str(file)] and told() == []


def test_a_look_is_compared_with_the_one_before_and_a_dear_one_is_rare(monkeypatch):
    seen, clock = [1], [0.0]
    monkeypatch.setattr(polls.time, "monotonic", lambda: clock[0])

    def look(machine: Machine) -> int:
        clock[0] += 1.0
        return seen[0]

    poll = Poll("sets", look)
    assert list(poll.tick(0.0)) == []
    seen[0] = 2
    assert list(poll.tick(polls.SHARE - 1)) == []
    assert list(poll.tick(polls.SHARE)) == [Event("change", "sets")]


def test_counters_and_timeouts_are_no_change(monkeypatch):
    def digest(text: bytes) -> bytes:
        return polls._digest([polls.Collected("x", text, polls.ipset.nothing("x", "").source)])

    assert digest(b"# Mon\n:INPUT DROP [5:300]\n[1:2] -A INPUT -j ACCEPT\n") == digest(
        b"# Tue\n:INPUT DROP [6:301]\n[9:2] -A INPUT -j ACCEPT\n")
    assert digest(b"add s 10.0.0.1 timeout 20 packets 3 bytes 5\n") == digest(b"add s 10.0.0.1 timeout 19\n")
    assert digest(b"add s 10.0.0.1\n") != digest(b"add s 10.0.0.2\n")


def table(*lines: tuple[str, int, str]) -> str:
    rows = [f"   {number}: {address}:{port:04X} 00000000:0000 {state} 0:0 00:0 0 0 0 {number + 100} 1"
            for number, (address, port, state) in enumerate(lines)]
    return "\n".join(["  sl  local_address", *rows, ""])


def test_sockets_of_clients_are_no_news_and_those_of_containers_are(tmp_path):
    machine = Machine(root=tmp_path)
    for pid in ("self", "42"):
        (tmp_path / f"proc/{pid}/net").mkdir(parents=True)
    udp, inside = tmp_path / "proc/self/net/udp", tmp_path / "proc/42/net/tcp"
    sockets = Sockets()
    quiet = sockets.look(machine)
    udp.write_text(table(("00000000", 40000, "07")))
    assert sockets.look(machine) == quiet
    stays = sockets.look(machine)
    assert stays != quiet
    udp.write_text(table(("00000000", 40000, "07"), ("00000000", 53, "07")))
    assert sockets.look(machine) != stays
    known = sockets.look(machine)
    sockets.pids = (42,)
    assert sockets.look(machine) != known
    known = sockets.look(machine)
    inside.write_text(table(("00000000", 5432, "0A")))
    assert sockets.look(machine) != known


def test_systemd_is_told_where_it_wants_to_be(tmp_path, monkeypatch):
    systemd.notify("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        systemd.notify("READY=1")
        assert server.recv(100) == b"READY=1"
    systemd.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:1:2")
    systemd.notify("READY=1")

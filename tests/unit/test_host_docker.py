"""The engine's collector against a small server that plays the engine, well-behaved and not."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import docker
import pytest
from _needs import as_nobody, needs

from fwaudit.host import engine
from fwaudit.host.collectors import docker as collector
from fwaudit.host.collectors import listeners
from fwaudit.host.engine import Endpoint
from fwaudit.host.run import Machine

assert docker  # loaded before any test forks

SECRET = "S3CR3T"


def container(number: int, **more):
    return {"Id": f"{number:064x}", "Name": f"/c{number}", "State": {"Running": False, "Status": "exited", "Pid": 0},
            "Config": {"Image": "x", "Env": [f"PASSWORD={SECRET}"], "Labels": {"secret": SECRET}, "Cmd": [SECRET]},
            "HostConfig": {"NetworkMode": "bridge"}, "NetworkSettings": {"Ports": {}, "Networks": {}}, **more}


class Engine:
    """What the server answers: path below the version → (status, JSON). ``hook`` may answer anything else first."""

    def __init__(self, containers=(), api="1.41", hook=None):
        self.answers = {
            "/version": {"Version": "20.10.24", "ApiVersion": api, "MinAPIVersion": "1.12"},
            "/info": {"Name": "x", "ServerVersion": "20.10.24", "HttpProxy": f"http://u:{SECRET}@proxy"},
            "/containers/json": [{"Id": each["Id"]} for each in containers],
            "/networks": [{"Id": "n1"}],
            "/networks/n1": {"Id": "n1", "Name": "bridge", "Driver": "bridge", "Labels": {"x": SECRET}},
            **{f"/containers/{each['Id']}/json": each for each in containers},
        }
        self.hook = hook
        self.asked: list[str] = []


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def handler(plays: Engine):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = self.path.partition("?")[0]
            parts = path.split("/")
            path = "/" + "/".join(parts[2:] if parts[1].startswith("v1.") else parts[1:])
            plays.asked.append(path)
            if plays.hook is not None and plays.hook(self, path):
                return
            known = path in plays.answers
            self.answer(200 if known else 404, plays.answers.get(path, {"message": f"No such thing: {path}"}))

        def answer(self, status, value):
            raw = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def address_string(self):
            return "unix"

        def log_message(self, *_):
            pass

    return Handler


@contextlib.contextmanager
def serving(plays: Engine):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/e.sock"
        with Server(path, handler(plays)) as server:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            try:
                yield path
            finally:
                server.shutdown()


def ask(path: str, timeout: float = 20.0):
    machine = Machine(timeout)
    endpoint = engine._checked(machine, Endpoint(f"unix://{path}"))
    return {each.name: each for each in collector.collect(machine, lambda _: endpoint)}


def why(found) -> str:
    assert set(found) == {"docker"}
    assert found["docker"].data is None
    reason = found["docker"].source.missing
    assert "\n" not in reason
    assert len(reason) <= 300
    return reason


def test_everything_is_read_and_nothing_secret_is_kept():
    plays = Engine([container(1), container(2)])
    with serving(plays) as path:
        found = ask(path)
    assert set(found) == {"docker/version.json", "docker/info.json", "docker/networks.json", "docker/containers.json",
                          "docker/listeners.json"}
    assert SECRET.encode() not in b"".join(each.data for each in found.values())
    assert [each["Name"] for each in json.loads(found["docker/containers.json"].data)] == ["/c1", "/c2"]
    assert json.loads(found["docker/networks.json"].data)[0]["Name"] == "bridge"
    assert found["docker/containers.json"].source.version == "20.10.24"
    assert not any(each.source.doubt for each in found.values())


def test_passwords_are_judged_before_they_go_and_compose_files_give_lines(tmp_path):
    file = tmp_path / "compose.yaml"
    file.write_text(f"services:\n  db:\n    command: {SECRET}\n    ports:\n      - 5432:5432\n")
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "db",
              "com.docker.compose.project.config_files": str(file)}
    weak = container(1, Config={"Image": "postgres:16", "Labels": labels,
                                "Env": ["POSTGRES_PASSWORD=Sommer2024", f"TOKEN={SECRET}"]})
    with serving(Engine([weak])) as path:
        found = ask(path)
    (kept,) = json.loads(found["docker/containers.json"].data)
    assert kept["EnvironmentVerdicts"] == []
    weak["Config"]["Env"][0] = "POSTGRES_PASSWORD=Summer2024"
    with serving(Engine([weak])) as path:
        found = ask(path)
    (kept,) = json.loads(found["docker/containers.json"].data)
    assert kept["EnvironmentVerdicts"] == [{"variable": "POSTGRES_PASSWORD", "verdict": "common"}]
    assert json.loads(found["docker/compose.json"].data) == {
        "c1": [{"proto": "tcp", "port": 5432, "file": str(file), "line": 5}]}
    everything = b"".join(each.data for each in found.values())
    assert SECRET.encode() not in everything and b"ummer" not in everything


@pytest.mark.slow
def test_a_thousand_containers_stay_reasonable():
    plays = Engine([container(number) for number in range(1000)])
    with serving(plays) as path:
        began = time.monotonic()
        found = ask(path)
        took = time.monotonic() - began
    assert [each["Name"] for each in json.loads(found["docker/containers.json"].data)] == [
        f"/c{number}" for number in range(1000)]
    assert not found["docker/containers.json"].source.doubt
    assert took < 15, took


def test_a_container_that_goes_away_meanwhile_is_no_doubt():
    plays = Engine([container(1), container(2)])
    del plays.answers[f"/containers/{1:064x}/json"]
    with serving(plays) as path:
        found = ask(path)
    assert [each["Name"] for each in json.loads(found["docker/containers.json"].data)] == ["/c2"]
    assert not found["docker/containers.json"].source.doubt


def test_a_container_that_cannot_be_read_is_a_doubt():
    def hook(request, path):
        if path == f"/containers/{1:064x}/json":
            request.answer(500, {"message": "layer does not exist"})
            return True
        return False

    with serving(Engine([container(1), container(2)], hook=hook)) as path:
        found = ask(path)
    doubt = found["docker/containers.json"].source.doubt
    assert doubt.startswith("1 of 2 could not be read")
    assert "layer does not exist" in doubt


def test_an_engine_that_tires_leaves_a_doubt_within_the_deadline():
    def hook(request, path):
        if path.endswith("9/json"):
            time.sleep(5)
        return False

    plays = Engine([container(number) for number in range(40)], hook=hook)
    with serving(plays) as path:
        began = time.monotonic()
        found = ask(path, timeout=1.5)
        assert time.monotonic() - began < 4
    assert "could not be read" in found["docker/containers.json"].source.doubt


def test_an_old_api_is_spoken_as_the_engine_speaks_it():
    def hook(request, path):
        assert request.path.startswith("/v1.40/") or path == "/version"
        return False

    with serving(Engine([container(1)], api="1.40", hook=hook)) as path:
        assert "docker/containers.json" in ask(path)


def test_hanging_engine():
    def hook(request, path):
        time.sleep(5)
        return True

    with serving(Engine(hook=hook)) as path:
        began = time.monotonic()
        reason = why(ask(path, timeout=1.0))
        assert time.monotonic() - began < 4
    assert reason.startswith("no answer within")


def test_an_engine_that_does_not_even_accept(tmp_path):
    path = str(tmp_path / "e.sock")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen(0)
        waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(3)]
        for each in waiting:
            with contextlib.suppress(OSError):
                each.connect(path)
        assert "no answer" in why(ask(path, timeout=0.5))
        for each in waiting:
            each.close()


@pytest.mark.parametrize("raw", [
    b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{{{{", b"\x00" * 300,
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b""])
def test_garbage(raw):
    def hook(request, path):
        request.wfile.write(raw)
        request.close_connection = True
        return True

    with serving(Engine(hook=hook)) as path:
        assert "does not answer as an engine does" in why(ask(path, timeout=3.0))


def test_the_engines_own_words_are_told_without_control_characters():
    def hook(request, path):
        request.answer(403, {"message": "authorization denied\x1b[31m by plugin\nopa"})
        return True

    with serving(Engine(hook=hook)) as path:
        reason = why(ask(path))
    assert "authorization denied" in reason
    assert "\x1b" not in reason


def test_permission_denied():
    needs("root")
    with serving(Engine()) as path:
        Path(path).parent.chmod(0o755)
        Path(path).chmod(0o600)
        reason = as_nobody(lambda: why(ask(path)))
    assert reason == f"permission denied: {path}; run as root"


def test_stopped_and_absent(tmp_path):
    path = str(tmp_path / "e.sock")
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(path)
    assert why(ask(path)) == f"installed but not running: nobody answers at {path}"
    assert why(ask(str(tmp_path / "no"))) == f"installed but not running: no {tmp_path}/no"


def test_not_installed_and_installed_but_not_running(tmp_path, monkeypatch):
    monkeypatch.setattr(Machine, "which", lambda self, name: None)
    assert engine.find(Machine(root=tmp_path), {}).missing.startswith("not installed")
    monkeypatch.setattr(Machine, "which", lambda self, name: "/usr/bin/x" if name == "dockerd" else None)
    assert engine.find(Machine(root=tmp_path), {}).missing.startswith("installed but not running")


@pytest.mark.parametrize("below", ["var/run/docker.sock", "run/podman/podman.sock", "run/user/1000/docker.sock",
                                   "run/user/1000/podman/podman.sock"])
def test_sockets_are_found(below):
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as listening:
        path = Path(name, below)
        path.parent.mkdir(parents=True)
        listening.bind(str(path))
        listening.listen()
        assert engine.find(Machine(root=name), {}).url == f"unix://{path}"


def test_environment_and_contexts(tmp_path):
    machine = Machine(root=tmp_path)
    assert "is on another machine" in engine.find(machine, {"DOCKER_HOST": "ssh://root:pw@far"}).missing
    assert "pw" not in engine.find(machine, {"DOCKER_HOST": "ssh://root:pw@far"}).missing
    assert "no way to ask" in engine.find(machine, {"DOCKER_HOST": "npipe://x"}).missing
    found = engine.find(machine, {"DOCKER_HOST": "tcp://127.0.0.1:2376", "DOCKER_TLS_VERIFY": "1", "HOME": "/h"})
    assert (found.url, found.certificates, found.verify) == ("tcp://127.0.0.1:2376", "/h/.docker", True)
    assert engine.find(machine, {"DOCKER_HOST": f"unix://{tmp_path}/no"}).missing.startswith("installed but not")


def test_the_current_context_is_followed(tmp_path, monkeypatch):
    name = "away"
    digest = hashlib.sha256(name.encode()).hexdigest()
    folder = tmp_path / ".docker" / "contexts" / "meta" / digest
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps(
        {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": "ssh://far", "SkipTLSVerify": False}}}))
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"currentContext": name}))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    assert engine.find(Machine(root=tmp_path), os.environ).missing.startswith("the engine at ssh://far")
    monkeypatch.setenv("DOCKER_CONTEXT", "no-such")
    assert "docker context" in engine.find(Machine(root=tmp_path), os.environ).missing
    (tmp_path / ".docker" / "config.json").write_text("{oops")
    assert "cannot be read" in engine.find(Machine(root=tmp_path), os.environ).missing


def test_another_machines_engine_is_refused():
    info = {"Name": "far"}
    assert "on another machine" in collector._elsewhere(Endpoint("tcp://10.0.0.9:2375"), info)
    assert not collector._elsewhere(Endpoint("tcp://10.0.0.9:2375"), {"Name": socket.gethostname()})
    assert not collector._elsewhere(Endpoint("tcp://127.0.0.1:2375"), info)
    assert not collector._elsewhere(Endpoint("unix:///var/run/docker.sock"), info)


def test_a_stopped_docker_is_not_woken(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(Machine, "which", lambda self, name: "/bin/systemctl")
    for states, knocks in (("active\n\ninactive\n", False), ("active\n\nfailed\n", False), ("active\n\nactive\n", True),
                           ("inactive\n\nactive\n", True), ("", True)):
        said = type("Said", (), {"data": states.encode()})()
        monkeypatch.setattr(Machine, "run", lambda self, argv, said=said, **_: said)
        reason = engine._would_start(machine, os.path.realpath("/var/run/docker.sock"))
        assert bool(reason) != knocks
        assert not engine._would_start(machine, "/tmp/other.sock")


def test_listeners_inside(tmp_path):
    needs("root", "unshare")
    script = ("import socket,sys\n"
              "a=socket.socket(socket.AF_INET6);a.bind(('::',80));a.listen()\n"
              "b=socket.socket();b.bind(('127.0.0.1',81));b.listen()\n"
              "print(flush=True);sys.stdin.read()")
    script = f"import os;os.system('ip link set lo up')\n{script}"
    inside = subprocess.Popen(["unshare", "-n", sys.executable, "-c", script],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        inside.stdout.readline()
        found, doubt = listeners.inside(Machine(), [
            {"Name": "/in", "State": {"Running": True, "Pid": inside.pid}},
            {"Name": "/host", "State": {"Running": True, "Pid": os.getpid()}},
            {"Name": "/off", "State": {"Running": False, "Pid": inside.pid}},
            {"Name": "/gone", "State": {"Running": True, "Pid": 2 ** 30}}])
    finally:
        inside.communicate()
    assert found == {"in": [{"proto": "tcp", "address": "127.0.0.1", "port": 81},
                            {"proto": "tcp", "address": "::", "port": 80, "v6only": False}]}
    assert doubt.startswith("what listens inside 1 containers")

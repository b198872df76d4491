"""The command ``preview``: what it says of files that are right, wrong, and in the way of what is there already."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import captures
import pytest

from fwaudit import cli
from fwaudit.host.snapshot_file import read_snapshot

_WEB = 'services: {web: {image: nginx, ports: ["9090:80"]}}\n'


@pytest.fixture
def preview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Previews a file (or several, by name) on a recorded host: the exit code, the JSON report, and what was said."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(files: str | dict[str, str], *options: str, host: str = "d28/publish_v4_only", json_too: bool = True,
            change: Any = dict) -> Any:
        written = {"compose.yaml": files} if isinstance(files, str) else files
        for name, text in written.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        case = captures.case(host)
        snapshot = replace(case, files=change(case.files)).write(tmp_path / "host.tar")
        code = cli.run(["preview", "--snapshot", str(snapshot), *(["--format", "json"] if json_too else []), *options])
        said = capsys.readouterr()
        return code, json.loads(said.out) if json_too and said.out else said.out, said.err

    return run


def _verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {f"{each['host_port']} {each['family']}": each["verdict"]
            for each in report["exposures"] if each["kind"] == "published"}


def test_a_port_that_ufw_would_not_let_in(preview) -> None:
    code, report, _ = preview(_WEB)
    assert code == cli.CRITICAL
    assert _verdicts(report) == {"9090 4": "bypass", "9090 6": "blocked"}
    assert report["preview"] == "compose.yaml" and report["complete"]
    [found] = [each for each in report["findings"] if each["id"] == "docker-bypasses-ufw"]
    assert (found["file"], found["line"]) == ("compose.yaml", 1)
    assert {each["container"] for each in report["exposures"]} == {"shop-web-1"}


def test_for_this_host_alone_is_fine(preview) -> None:
    code, report, _ = preview(_WEB.replace("9090", "127.0.0.1:9090"))
    assert code == cli.OK
    assert _verdicts(report) == {"9090 4": "blocked"}


def test_what_the_policy_accepts(preview, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[accept]]\nport = 9090\ncompose = "shop/web"\nreason = "meant"\n\n'
                      '[[accept]]\nport = 5000\nreason = "of another container"\n')
    code, out, _ = preview(_WEB, "--policy", str(policy), json_too=False)
    assert code == cli.OK and "is not used" not in out
    assert out.startswith("With compose.yaml up: 1 port can be reached") and "meant" in out


def test_the_whole_host_on_request(preview) -> None:
    _, part, _ = preview(_WEB)
    _, whole, _ = preview(_WEB, "--all")
    assert len(whole["exposures"]) > len(part["exposures"])
    assert any("nothing changes for" in note for note in part["notes"])


def test_what_would_be_can_be_kept_and_asked(preview, tmp_path: Path, capsys) -> None:
    kept = tmp_path / "would-be.tar.gz"
    preview(_WEB, "--keep", str(kept))
    assert cli.run(["trace", "--snapshot", str(kept), "--in", "eth0", "--from", "198.51.100.7",
                    "--to", "203.0.113.10:9090", "--format", "json"]) == cli.OK
    assert "shop-web-1" in capsys.readouterr().out


@pytest.mark.parametrize(("files", "words"), [
    ('services: {web: {image: x, ports: ["8080:80"]}}', "8080/tcp is taken by web"),
    ('services: {web: {image: x, ports: ["22:22"]}}', "22/tcp is taken by python3 of the host"),
    ('services: {a: {image: x, ports: ["9000:80"]}, b: {image: x, ports: ["127.0.0.1:9000:80"]}}',
     "shop-b-1 would not start: 9000/tcp is taken by shop-a-1"),
    ('services: {a: {image: x, scale: 2, ports: ["9000:80"]}}',
     "shop-a-2 would not start: 9000/tcp is taken by shop-a-1"),
    ("services: {a: {image: x, container_name: n, deploy: {replicas: 2}}}",
     "n would not start: another container has that name"),
    ("services: {a: {image: x, container_name: web}}", "web would not start: another container has that name"),
    ("services: {a: {image: x, networks: {n: {ipv4_address: 10.9.0.1}}}}\n"
     "networks: {n: {ipam: {config: [{subnet: 10.8.0.0/24}]}}}", "has no address for it"),
    ("services: {a: {image: x, networks: [n]}}\n"
     'networks: {n: {driver_opts: {com.docker.network.host_ipv4: "1.1.1.1\\n-A INPUT -j ACCEPT"}}}',
     "is no IPv4 address"),
    ("services: {a: {image: x, networks: [n]}}\n"
     'networks: {n: {driver_opts: {com.docker.network.bridge.name: "b -j ACCEPT"}}}', "no name of an interface"),
    ("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {driver_opts: "
     "{com.docker.network.bridge.trusted_host_interfaces: 'eth0 -j'}}}", "no name of an interface"),
    ("services: {a: {image: x, network_mode: host}}", "on the host's network"),
    ("services: {a: {image: x, network_mode: odd}}", "no network_mode is 'odd'"),
    ('services: {a: {image: x, network_mode: host, ports: ["1:1"]}}', "publish nothing"),
    ("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {external: true}}", "external and not on this host"),
    ("services: {a: {image: x, networks: [n]}}", "'n' is not declared"),
    ("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {driver: overlay}}", "'overlay' exposes is not known"),
    ("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {driver_opts: {odd: 1}}}", "'odd' is not understood"),
    ("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {ipam: {config: [{subnet: 172.17.5.0/24}]}}}",
     "overlaps"),
    ('services: {a: {image: x, ports: ["${NOT_SET}:80"]}}', "${NOT_SET} is not set"),
    ('services: {a: {image: x, ports: ["80:80:80:80"]}}', "not a port"),
    ('services: {a: {image: x, ports: ["70000:80"]}}', "not a port"),
    ('services: {a: {image: x, ports: ["8000-8001:80-82"]}}', "ranges of different length"),
    ('services: {a: {image: x, ports: ["80/icmp"]}}', "not a protocol of ports"),
    ('services: {a: {image: x, ports: [{published: 1}]}}', "a port with its target"),
    ('services: {a: {image: x, ports: [{target: 1, odd: 1}]}}', "a port has no 'odd'"),
    ('services: {a: {image: x, ports: ["300.1.1.1:80:80"]}}', "not an address of the host"),
    ("services: {a: {provider: {type: x}}}", "provider is not understood"),
])
def test_what_cannot_be_told_is_said_with_its_line(preview, files: str, words: str) -> None:
    code, report, _ = preview(files)
    assert code in (cli.UNKNOWN, cli.CRITICAL)
    said = [each for each in report["unread"] if words in each["why"]]
    assert said and said[0]["source"].startswith("compose.yaml:"), report["unread"]


@pytest.mark.parametrize(("files", "words"), [
    ("services: [", "compose.yaml line 1: not YAML"),
    ("", "empty, or no mapping"),
    ("- a", "empty, or no mapping"),
    ("services: {a: {extends: a}}", "extends itself"),
    ("services: {a: {extends: {service: b, file: other.yaml}}}", "other.yaml: no such file"),
    ("services: {a: {extends: {service: b, file: 'https://x/y.yaml'}}}", "is not fetched"),
    ("services: {a: {extends: nobody}}", "no service 'nobody'"),
    ("include: [compose.yaml]", "includes itself"),
    ("services: {a: {image: x}, a: {image: y}}", "for the second time"),
    ('services: {a: {image: "${X:?say it}"}}', "variable X has to be set: say it"),
    ('services: {a: {image: "${"}}', "not a variable"),
    ("services: &a {x: *a}", "an alias inside of what it stands for"),
    ("services: {a: {image: x, profiles: [p]}}", "no service would be started"),
    ("services: 5", "not a mapping of services"),
])
def test_a_file_that_does_not_read_is_one_line_and_3(preview, files: str, words: str) -> None:
    code, out, err = preview(files)
    assert (code, out) == (cli.UNKNOWN, "")
    assert words in err and "Traceback" not in err and len(err.splitlines()) <= 2


def test_a_port_that_is_drawn(preview) -> None:
    code, report, _ = preview('services: {web: {image: x, ports: ["80"]}}')
    assert code == cli.CRITICAL and _verdicts(report)["32768 4"] == "bypass"
    assert any("32768-60999" in note for note in report["notes"])


def test_a_port_that_is_drawn_where_a_rule_tells_ports_apart(preview) -> None:
    host = "d28/ufw_deny_5432"
    code, report, _ = preview('services: {web: {image: x, ports: ["5430-5440:80"]}}', host=host)
    assert code in (cli.UNKNOWN, cli.CRITICAL)
    assert any("drawn from 5430-5440" in each["why"] for each in report["unread"])


_ADMINS = "-A DOCKER-USER -d 172.17.0.9/32 -j DROP"


def _with_rule(files: dict[str, bytes]) -> dict[str, bytes]:
    """The host with a rule of its admin's that names one container address."""
    text = files["iptables/nft.v4"].decode()
    return {**files, "iptables/nft.v4": text.replace("-A FORWARD -j DOCKER-USER\n",
                                                     f"-A FORWARD -j DOCKER-USER\n{_ADMINS}\n").encode()}


def test_an_address_that_is_drawn_where_a_rule_names_one(preview) -> None:
    files = 'services: {web: {image: x, network_mode: bridge, ports: ["9090:80"]}}'
    assert not preview(files)[1]["unread"]
    code, report, _ = preview(files, change=_with_rule)
    assert code == cli.CRITICAL
    assert [each["why"] for each in report["unread"]] == [
        f"shop-web-1: its address is drawn from bridge when it starts, and a rule tells them apart: {_ADMINS}"]


def test_containers_of_the_project_are_made_anew(preview, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, again = tmp_path / "up.tar.gz", tmp_path / "again.tar.gz"
    preview(_WEB, "--keep", str(kept))
    Path("compose.yaml").write_text(_WEB.replace("9090", "9091"))
    assert cli.run(["preview", "--snapshot", str(kept), "--format", "json", "--keep", str(again)]) == cli.CRITICAL
    report = json.loads(capsys.readouterr().out)
    assert _verdicts(report) == {"9091 4": "bypass", "9091 6": "blocked"}
    assert "made anew, as compose would: shop-web-1" in report["notes"]
    assert "published now, and no more then: 9090/tcp of shop-web-1" in report["notes"]
    cli.run(["trace", "--snapshot", str(again), "--in", "eth0", "--from", "198.51.100.7", "--to", "203.0.113.10:9090",
             "--format", "json"])
    assert "shop-web-1" not in capsys.readouterr().out


def test_what_listened_in_the_old_container_says_nothing_of_the_new_one(preview) -> None:
    """Else a port that the new one publishes and the old one did not would pass for closed."""
    def up(files: dict[str, bytes]) -> dict[str, bytes]:
        records = json.loads(files["docker/containers.json"])
        records[0]["Config"]["Labels"] = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
        return {**files, "docker/containers.json": json.dumps(records).encode()}

    files = 'services: {web: {image: x, container_name: web, network_mode: bridge, ports: ["9999:7777"]}}'
    code, report, _ = preview(files, change=up)
    assert code == cli.CRITICAL and _verdicts(report)["9999 4"] == "bypass"
    assert "made anew, as compose would: web" in report["notes"]


@pytest.mark.parametrize(("change", "words"), [
    (lambda files: {name: data for name, data in files.items() if not name.startswith("docker/")}, "engine"),
    (lambda files: {name: data for name, data in files.items() if name != "iptables/nft.v4"}, "could not be read"),
    (lambda files: files | {"docker/version.json": b'{"Version": "28.0.0"}'}, "Docker Engine 28.0.0"),
    (lambda files: files | {"docker/version.json": b'{"Version": "4.3", "Components": [{"Name": "Podman Engine"}]}'},
     "what podman would write"),
    (lambda files: files | {"docker/info.json": b'{"SecurityOptions": ["name=rootless"]}'}, "rootless"),
    (lambda files: files | {"docker/info.json": b'{"FirewallBackend": {"Driver": "iptables+firewalld"}}'}, "firewalld"),
    (lambda files: files | {"iptables/nft.v4": files["iptables/nft.v4"].replace(b"-A OUTPUT ! -d 127.0.0.0/8", b"#")},
     "nat OUTPUT does not jump to DOCKER"),
    (lambda files: files | {"iptables/nft.v4": b"\n".join(
        line for line in files["iptables/nft.v4"].split(b"\n") if b"DOCKER-CT" not in line)}, "no chain DOCKER-CT"),
])
def test_hosts_whose_engine_cannot_be_told(preview, change: Any, words: str) -> None:
    code, out, err = preview(_WEB, change=change)
    assert (code, out) == (cli.UNKNOWN, "") and words in err and len(err.splitlines()) == 2


@pytest.mark.parametrize("format", ["markdown", "html", "sarif", "junit", "prometheus", "nagios", "ocsf"])
def test_every_format(preview, format: str) -> None:
    code, out, _ = preview(_WEB, "--format", format, json_too=False)
    assert code == cli.CRITICAL and "9090" in out


@pytest.mark.parametrize(("told", "verdict"), [
    ("{}", {"9090 4": "bypass", "9090 6": "blocked"}),
    ('{"default-network-opts": {"bridge": {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"}}}',
     {"9090 4": "blocked"}),
])
def test_what_dockerd_was_told_counts(preview, told: str, verdict: dict[str, str]) -> None:
    _, report, _ = preview(_WEB, change=lambda files: files | {"docker/daemon.json": told.encode()})
    assert _verdicts(report) == verdict
    assert not any("settings of dockerd" in note for note in report["notes"])


def test_direct_routing_that_no_container_shows_yet(preview) -> None:
    """On a host where none runs, the settings alone tell: with direct routing, neighbours reach the container."""
    def bare(told: str) -> Any:
        return lambda files: files | {"docker/daemon.json": told.encode(), "docker/containers.json": b"[]"}

    for told, wanted in (("{}", "blocked"), ('{"allow-direct-routing": true}', "neighbours")):
        _, report, _ = preview(_WEB, change=bare(told))
        [found] = [each["verdict"] for each in report["exposures"] if each["kind"] == "container-port"]
        assert found == wanted


def test_a_weak_password_is_judged_and_not_kept(preview, tmp_path: Path) -> None:
    """As on a container that runs: worse where it is, and nothing of its value anywhere."""
    files = {"compose.yaml": """services:
  pg: {image: postgres, ports: ["9432:5432"], environment: [POSTGRES_PASSWORD=postgres]}
  my: {image: mysql, ports: ["9306:3306"], env_file: my.env}
  ok: {image: postgres, ports: ["9433:5432"], environment: {POSTGRES_PASSWORD: wkKq8s-Fz7pQ_vM2}}
""", "my.env": "MYSQL_ROOT_PASSWORD=my-secret-pw\n"}
    kept = tmp_path / "would-be.tar.gz"
    _, report, _ = preview(files, "--keep", str(kept))
    weak = {word for each in report["findings"] if each["id"] == "weak-credentials" for word in each["subject"].split()}
    assert {word for word in weak if word.startswith("shop-")} == {"shop-pg-1", "shop-my-1"}
    said = json.dumps(report) + str(read_snapshot(kept).files)
    assert "my-secret-pw" not in said and "wkKq8s" not in said


def test_a_finding_that_the_policy_accepts(preview, tmp_path: Path) -> None:
    files = """services:
  pg: {image: postgres, ports: ["9432:5432"], environment: [POSTGRES_PASSWORD=postgres]}
"""
    policy = tmp_path / "policy.toml"
    ports = '\n[[accept]]\nport = 9432\nreason = "meant"\n'
    policy.write_text(ports)
    assert preview(files, "--policy", str(policy))[0] == cli.CRITICAL
    policy.write_text(f'{ports}\n[[accept]]\nfinding = "weak-credentials"\nreason = "a test host"\n')
    code, _, _ = preview(files, "--policy", str(policy))
    assert code == cli.OK

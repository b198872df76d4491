"""What `fwaudit --version --verbose` says: each item on its own, nothing that names the host, nothing loaded."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from test_host_docker import Engine, serving

import fwaudit
from fwaudit import cli
from fwaudit.host import about as module
from fwaudit.host import run
from fwaudit.host.about import NOT_FOUND, about
from fwaudit.host.collectors import docker
from fwaudit.host.engine import Endpoint
from fwaudit.host.run import Machine

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A machine whose only commands are those that the test writes, as text of shell scripts."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setattr(run, "PATH", str(programs))
    kernel = tmp_path / "root"
    (kernel / "proc").mkdir(parents=True)
    (kernel / "proc/modules").write_text("")

    def write(modules: str = "", /, **scripts: str) -> Machine:
        (kernel / "proc/modules").write_text("".join(f"{each} 1 0 - Live 0x0\n" for each in modules.split()))
        for name, script in scripts.items():
            path = programs / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        return Machine(5, kernel)

    return write


def test_a_machine_without_anything_has_every_item(tools):
    found = dict(about(tools()))
    assert list(found) == list(module._ITEMS)
    for name in ("iptables", "ip6tables", "nft", "ipset", "ufw", "docker client", "podman", "ip", "systemd"):
        assert found[name] == NOT_FOUND
    assert found["Python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert re.search(r"docker \d.*, typer \d", found["packages"])


def test_every_package_that_it_depends_on_is_named():
    wanted = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("\ndependencies = [", 1)[1].split("\n]")[0]
    assert set(module.PACKAGES) == {name.lower() for name in re.findall(r'^  "([\w-]+)', wanted, re.MULTILINE)}


def test_one_that_fails_takes_no_other_with_it(tools, monkeypatch):
    def broken(machine: Machine) -> str:
        raise OSError("no /etc/os-release")

    monkeypatch.setitem(module._ITEMS, "system", broken)  # type: ignore[index]
    found = dict(about(tools(ufw="echo ufw 0.36.2; echo Copyright", podman="exit 1")))
    assert (found["system"], found["ufw"], found["podman"]) == (NOT_FOUND, "ufw 0.36.2", NOT_FOUND)


def test_the_backend_and_its_variants(tools):
    said = "echo 'iptables v1.8.9 (nf_tables)'"
    found = dict(about(tools("nf_tables", iptables=said, iptables_nft=said, iptables_legacy="exit 1")))
    assert found["iptables"] == "iptables v1.8.9 (nf_tables); there are iptables-nft and iptables-legacy"


def test_nothing_is_asked_that_would_load_a_module(tools, tmp_path):
    ran = f"touch {tmp_path}/ran; echo v1"
    found = dict(about(tools("x_tables", iptables=ran, ip6tables=ran, nft=ran, ipset=ran)))
    for name in ("iptables", "ip6tables", "nft", "ipset"):
        assert "not asked for" in found[name]
    assert not (tmp_path / "ran").exists()
    dict(about(tools("nf_tables ip_set", nft=ran)))
    assert (tmp_path / "ran").exists()


def test_legacy_iptables_is_asked_without_nf_tables(tools, tmp_path):
    machine = tools(xtables_legacy_multi="echo 'iptables v1.8.9 (legacy)'")
    (tmp_path / "bin/iptables").symlink_to("xtables-legacy-multi")
    assert dict(about(machine))["iptables"] == "iptables v1.8.9 (legacy)"


def test_the_engine_says_its_version_and_nothing_of_where_it_is():
    with serving(Engine()) as path:
        there = Endpoint(f"unix://{path}")
        assert docker.engine_version(Machine(5), lambda machine: there) == "Docker 20.10.24, API 1.41"
    gone = Endpoint("tcp://127.0.0.1:1")
    assert docker.engine_version(Machine(5), lambda machine: gone) == ""


def test_on_the_screen_what_tools_say_is_harmless_and_short(tools, monkeypatch, capsys):
    machine = tools(ufw="printf 'ufw \\033[2J%0999d' 1")
    monkeypatch.setattr(run, "Machine", lambda timeout: machine)
    assert cli.run(["--version", "--verbose"]) == cli.OK
    first, *items = capsys.readouterr().out.splitlines()
    assert first == f"fwaudit {fwaudit.__version__}"
    assert len(items) == len(module._ITEMS)
    (said,) = [line for line in items if line.startswith("  ufw ")]
    assert r"\x1b[2J" in said
    assert len(said) < 300


def test_of_this_host_neither_name_nor_address():
    done = subprocess.run([sys.executable, "-m", "fwaudit", "--version", "--verbose"], capture_output=True, text=True,
                          check=True)
    assert socket.gethostname() not in re.findall(r"[\w.-]+", done.stdout)
    addresses = re.findall(r"\d+\.\d+\.\d+\.\d+", done.stdout)
    assert not [each for each in addresses if each not in "".join(re.findall(r"packages .*", done.stdout))]
    assert done.stderr == ""


def test_verbose_alone_is_refused(capsys):
    assert cli.run(["--verbose", "report"]) == cli.UNKNOWN
    assert capsys.readouterr().err.splitlines() == [
        "fwaudit: --verbose goes with --version", "  Ask: fwaudit --version --verbose"]

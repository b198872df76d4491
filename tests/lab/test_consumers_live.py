"""The programs that read what ``check`` writes, for real: NRPE asks for it over loopback, node_exporter has its metrics
scraped, promtool reads them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from machine import PYTHON, REPOSITORY, Machine
from requirements import give_up, requires

pytestmark = pytest.mark.lab

_PLUGIN = "/usr/lib/nagios/plugins/check_nrpe"
_FWAUDIT = f"/usr/bin/env PYTHONPATH={REPOSITORY} {sys.executable} -m fwaudit"
_NRPE = """server_address=127.0.0.1
pid_file=/run/nrpe.pid
nrpe_user=nagios
nrpe_group=nagios
allowed_hosts=127.0.0.1
command[check_fwaudit]=sudo -n {}
"""
_SCRAPE = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9100/metrics').read().decode())"


@pytest.fixture
def host(machine: Machine) -> Machine:
    machine.ufw("allow 22/tcp")
    machine.docker.start()
    machine.docker.run("pg", "5432:5432")
    return machine


def waits(seconds: float, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nrpe_asks_and_is_told(host: Machine) -> None:
    requires("nrpe", "sudo")
    if not Path(_PLUGIN).exists():
        give_up(f"needs {_PLUGIN}")
    command = f"{_FWAUDIT} check --format nagios --no-history"
    (host.root / "root/nrpe.cfg").write_text(_NRPE.format(command))
    host.sh("chmod 711 /root; chmod 644 /root/nrpe.cfg; mkdir -p /etc/sudoers.d")
    (host.root / "etc/sudoers.d/fwaudit").write_text(f"nagios ALL=(root) NOPASSWD: {command}\n")
    host.sh("chmod 440 /etc/sudoers.d/fwaudit")
    host.sh("echo 127.0.0.1 localhost $(hostname) >>/etc/hosts")  # sudo asks, and nobody answers for DNS here
    daemon = host.spawn("nrpe", "-n", "-f", "-c", "/root/nrpe.cfg")

    def ask():
        return host.run(_PLUGIN, "-n", "-H", "127.0.0.1", "-t", "60", "-c", "check_fwaudit")

    waits(20, lambda: daemon.poll() is not None or "refused" not in host.run(
        _PLUGIN, "-n", "-H", "127.0.0.1").stderr)
    assert daemon.poll() is None
    done = ask()
    assert done.returncode == 2, done
    first, *more = done.stdout.splitlines()
    assert first.startswith("FWAUDIT CRITICAL - 2 exposures that nobody answers for: 5432/tcp pg")
    assert "|exposed=2;0;0;0 " in first.replace("| ", "|")
    assert any("critical: 5432/tcp pg IPv4" in line for line in more)
    host.sh("mkdir -p /etc/fwaudit && echo 'acept = 1' >/etc/fwaudit/policy.toml")
    done = ask()
    assert done.returncode == 3
    assert done.stdout.startswith("FWAUDIT UNKNOWN - /etc/fwaudit/policy.toml line 1: column 1: unknown key")


def test_node_exporter_has_it_scraped_and_promtool_reads_it(host: Machine) -> None:
    requires("prometheus-node-exporter", "promtool")
    host.sh("mkdir /srv/metrics")
    assert host.fwaudit("check", "-q", "-o", "prometheus=/srv/metrics/fwaudit.prom").returncode == 2
    text = (host.root / "srv/metrics/fwaudit.prom").read_text()
    lint = host.run("promtool", "check", "metrics", stdin=text)
    # its name is what dashboards know it by; nothing else is to be said
    assert lint.stderr == 'fwaudit_undecided_total non-counter metrics should not have "_total" suffix\n'

    exporter = host.spawn(
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "prometheus-node-exporter",
        "--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory=/srv/metrics",
        "--web.listen-address=127.0.0.1:9100")
    waits(20, lambda: host.run(PYTHON, "-c", _SCRAPE).returncode == 0 or exporter.poll() is not None)

    def scraped() -> list[str]:
        return host.run(PYTHON, "-c", _SCRAPE).stdout.splitlines()

    said = scraped()
    assert "node_textfile_scrape_error 0" in said
    exposed = [line for line in said if line.startswith('fwaudit_port_exposed{container="pg",family="4",')]
    assert exposed and all('host_port="5432"' in line and line.endswith(" 1") for line in exposed)
    assert "fwaudit_last_run_success 1" in said
    assert host.fwaudit("check", "-q", "--policy", "none", "-o", "prometheus=/srv/metrics/fwaudit.prom").returncode == 3
    said = scraped()
    assert "fwaudit_last_run_success 0" in said and "fwaudit_breaches 2" in said
    assert "node_textfile_scrape_error 0" in said

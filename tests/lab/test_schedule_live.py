"""The scheduled check with a real systemd, Docker, ufw and cron: that it runs when it should, is allowed what it needs
and no more, tells of changes alone, and goes without a trace."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from booted import Booted
from machine import REPOSITORY
from requirements import requires
from spy import SPY

from fwaudit.host.schedule.plan import Plan
from fwaudit.host.schedule.units import FOLLOW, NEEDED, SERVICE, units
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.snapshot import Snapshot

pytestmark = pytest.mark.lab

_FWAUDIT = ("/usr/bin/env", f"PYTHONPATH={REPOSITORY}", sys.executable, "-m", "fwaudit")
_SENDMAIL = "#!/bin/sh\n{ echo \"ARGS $*\"; cat; echo; } >>/root/mails\n"
_COMPOSE = "services:\n  db:\n    image: x\n    ports:\n      - 5432:5432\n"
# what differs from second to second, and from call to call
_RESTLESS = re.compile(rb"^#.*$|\[\d+:\d+\]", re.MULTILINE)


@pytest.fixture
def booted() -> Iterator[Booted]:
    """With ufw and Docker running, and a sendmail that writes down what it is given."""
    with Booted() as machine:
        machine.sh("systemctl start ufw docker")
        machine.ufw("allow 22/tcp")
        machine.listen("tcp:22")
        path = machine.root / "usr/sbin/sendmail"
        path.unlink(missing_ok=True)
        path.write_text(_SENDMAIL)
        path.chmod(0o755)
        yield machine


def runs(machine: Booted) -> list[dict]:
    """The checks that were written down, the latest first."""
    said = machine.fwaudit("history", "--format", "json")
    return json.loads(said.stdout)["runs"] if said.returncode == 0 else []


def mails(machine: Booted) -> list[str]:
    path = machine.root / "root/mails"
    return path.read_text().split("ARGS ")[1:] if path.exists() else []


def quiet(machine: Booted) -> None:
    """No check is running."""
    machine.wait_for(f"! systemctl is-active {SERVICE} | grep -q activating")


def wait_for_run(machine: Booted, number: int) -> dict:
    machine.wait_for(f"{' '.join(_FWAUDIT)} history --limit 1 2>/dev/null | grep -q '^ *{number} '")
    quiet(machine)
    return runs(machine)[0]


def test_two_commands_put_a_host_under_audit(booted: Booted) -> None:
    # soon is sooner here
    soon = booted.root / "etc/systemd/system/fwaudit-recheck.timer.d/soon.conf"
    soon.parent.mkdir(parents=True)
    soon.write_text("[Timer]\nOnActiveSec=\nOnActiveSec=3s\n")
    before = {path for path in (booted.root / "etc").rglob("*") if not path.match("*/etc/ufw/*")}

    assert booted.fwaudit("policy", "init").returncode == 0
    done = booted.fwaudit("schedule", "install", "--notify-mail", "ops@localhost")
    assert done.returncode == 0, done.stderr
    assert wait_for_run(booted, 1)["level"] == "ok"
    status = booted.fwaudit("schedule", "status")
    assert (status.returncode, status.stderr) == (0, "")
    assert "switched on" in status.stdout and "(run 1): ok" in status.stdout and "Next run:" in status.stdout
    first, = mails(booted)
    assert first.startswith("-oi -t\n") and "\nTo: ops@localhost\n" in first and "first check" in first

    booted.sh("systemctl restart docker; sleep 0.5; systemctl restart docker")
    assert wait_for_run(booted, 2)["level"] == "ok"
    booted.sh("ufw allow 8080/tcp")
    wait_for_run(booted, 3)
    found, = mails(booted)[1:]
    assert "ufw-rule-unused" in found, "Docker's restarts were no change; that nobody listens on 8080 is a finding"

    booted.docker._request("POST", "/images/create?fromSrc=-&repo=lab&tag=1", _image(), "application/x-tar")
    booted.docker.run("pg", "5432:5432")
    booted.sh("systemctl restart ufw")
    assert wait_for_run(booted, 4)["level"] == "critical"
    booted.wait_for("grep -c ^ARGS /root/mails | grep -qx 3")
    assert "CRITICAL, was OK" in mails(booted)[2] and "5432/tcp" in mails(booted)[2]
    assert booted.sh(f"systemctl is-failed {SERVICE}").strip() == "failed"
    assert len(runs(booted)) == 4, "two restarts of Docker were one check"

    soon.unlink()
    soon.parent.rmdir()
    assert booted.fwaudit("schedule", "remove").returncode == 0
    assert booted.sh("systemctl list-units --all --plain --no-legend 'fwaudit-*.timer' 'fwaudit-*.path'") == ""
    left = {path for path in (booted.root / "etc").rglob("*") if not path.match("*/etc/ufw/*")} - before
    assert {path.name for path in left} <= {"fwaudit", "policy.toml", "docker.service.wants", "ufw.service.wants",
                                            "timers.target.wants", "paths.target.wants"}
    assert booted.fwaudit("schedule", "status").returncode == 1


def test_a_watch_is_installed_sees_what_opens_and_goes_again(booted: Booted) -> None:
    """Ready when the first audit is done, sandboxed and missing nothing, reloaded by SIGHUP, and ended in peace."""
    assert booted.fwaudit("policy", "init").returncode == 0
    done = booted.fwaudit("schedule", "install", "--watch")
    assert done.returncode == 0, done.stderr
    assert booted.sh("systemd-analyze verify /etc/systemd/system/fwaudit-*") == ""
    said = booted.sh(f"systemd-analyze security --no-pager {FOLLOW} | tail -1")
    assert float(re.search(r"level for \S+: (\S+) OK", said).group(1)) <= 3.0
    log = f"journalctl -o cat -u {FOLLOW}"
    booted.wait_for(f"systemctl is-active {FOLLOW}")
    assert "  OK  nothing is reached that nobody answers for" in booted.sh(log)
    quiet(booted)
    status = booted.fwaudit("schedule", "status")
    assert (status.returncode, status.stderr) == (0, "")
    assert "Watch:     it runs: " in status.stdout
    booted.docker._request("POST", "/images/create?fromSrc=-&repo=lab&tag=1", _image(), "application/x-tar")
    booted.docker.run("pg", "5432:5432")
    booted.wait_for(f"{log} | grep -q 'OPENED  .*5432/tcp'")
    booted.listen("tcp:9090")
    booted.sh("ufw allow 9090/tcp")
    booted.wait_for(f"{log} | grep -q 'opened  .*9090/tcp'")
    booted.sh(f"systemctl reload {FOLLOW}; systemctl is-active {FOLLOW}")
    # with other options it begins anew; stopped, the status says so
    before = booted.sh(f"systemctl show -P MainPID {FOLLOW}")
    assert booted.fwaudit("schedule", "install", "--watch", "--notify-mail", "ops@localhost").returncode == 0
    booted.wait_for(f"systemctl is-active {FOLLOW} && [ $(systemctl show -P MainPID {FOLLOW}) != {before.strip()} ]")
    booted.docker.api("DELETE", "/containers/pg?force=true")
    booted.wait_for("grep -q 5432 /root/mails")
    booted.sh(f"systemctl stop {FOLLOW}")
    assert booted.sh(f"systemctl show -P Result,ExecMainStatus {FOLLOW}").split() == ["success", "0"]
    status = booted.fwaudit("schedule", "status")
    assert status.returncode == 1 and "The watch does not run." in status.stdout
    said = booted.sh(log)
    assert "Permission" not in said and "trouble" not in said and "lost" not in said, said
    quiet(booted)
    booted.sh(f"systemctl start {FOLLOW}")
    assert booted.fwaudit("schedule", "remove").returncode == 0
    assert booted.sh("systemctl list-units --all --plain --no-legend 'fwaudit-*'") == ""
    assert not list((booted.root / "etc/systemd/system").rglob("fwaudit-*"))


def test_the_units_are_clean_and_allowed_what_a_snapshot_needs_and_no_more(booted: Booted) -> None:
    requires("ipset", "iptables-legacy", root=True)
    home = booted.root / "home/web/shop/compose.yaml"
    home.parent.mkdir(parents=True)
    home.write_text(_COMPOSE)
    booted.sh("chown -R 4321 /home/web && chmod 700 /home/web && ipset create blocked hash:ip")
    booted.sh("iptables-legacy -N MINE")
    server = booted.spawn("setpriv", "--reuid=4321", "--clear-groups", "--", "/usr/bin/python3", "/lab/svc.py", "WEB",
                          "tcp:8080")
    assert server.stdout is not None and server.stdout.readline() == "ready\n"
    booted.docker._request("POST", "/images/create?fromSrc=-&repo=lab&tag=1", _image(), "application/x-tar")
    booted.docker.run("pg", "5432:5432", labels={
        "com.docker.compose.project": "shop", "com.docker.compose.service": "db",
        "com.docker.compose.project.config_files": "/home/web/shop/compose.yaml",
        "com.docker.compose.project.working_dir": "/home/web/shop"})

    plain = _snapshot(booted, "")
    texts = units(Plan(_FWAUDIT))
    for name, text in texts.items():
        (booted.root / "etc/systemd/system" / name).write_text(text)
    assert booted.sh("systemd-analyze verify /etc/systemd/system/fwaudit-*") == ""
    said = booted.sh(f"systemd-analyze security --no-pager {SERVICE} | tail -1")
    assert float(re.search(r"level for \S+: (\S+) OK", said).group(1)) <= 3.0  # 2.7 by systemd 252

    hardened = _snapshot(booted, texts[SERVICE])
    assert _lacks(plain, hardened) == set()
    spy = booted.root / "spy.py"
    spy.write_text(f"import sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n{SPY}")
    (booted.root / "etc/systemd/system" / SERVICE).write_text(re.sub(
        r"^ExecStart=.*$", f"ExecStart={sys.executable} /spy.py check\nStandardError=file:/var/lib/fwaudit/said",
        texts[SERVICE], flags=re.MULTILINE))
    booted.run("bash", "-c", f"systemctl daemon-reload; systemctl start {SERVICE}")
    said = json.loads((booted.root / "var/lib/fwaudit/said").read_text().partition("SPY ")[2].splitlines()[0])
    assert said["CapEff"] == said["CapPrm"] == ["0" * 16], "they are for reading, and gone afterwards"
    assert said["CapBnd"] == [f"{sum(1 << number for number in (2, 12, 13, 19)):016x}"]
    assert runs(booted)[0]["complete"], "and all has been read, and written down"

    for capability in NEEDED:
        less = re.sub(rf"^(CapabilityBoundingSet=.*?) ?{capability}", r"\1", texts[SERVICE], flags=re.MULTILINE)
        assert less.count(capability) == texts[SERVICE].count(capability) - 1
        assert _lacks(plain, _snapshot(booted, less)), f"{capability} is not needed"


def _snapshot(machine: Booted, unit: str) -> Snapshot:
    """Taken by the service with its ExecStart replaced, or (empty) as root with everything."""
    if not unit:
        assert machine.fwaudit("snapshot", "-o", "/root/plain").returncode == 0
        return read_snapshot(machine.root / "root/plain")
    command = " ".join((*_FWAUDIT, "snapshot", "-o", "/var/lib/fwaudit/snapshot"))
    (machine.root / "etc/systemd/system" / SERVICE).write_text(
        re.sub(r"^ExecStart=.*$", f"ExecStart={command}", unit, flags=re.MULTILINE))
    machine.run("bash", "-c", f"rm -f /var/lib/fwaudit/snapshot; systemctl daemon-reload; systemctl reset-failed; "
                              f"systemctl start {SERVICE}")
    return read_snapshot(machine.root / "var/lib/fwaudit/snapshot")


def _lacks(whole: Snapshot, part: Snapshot) -> set[str]:
    """Sources that differ; but for addresses and routes, which a bridge that has just come up still changes."""
    both = {name for name in whole.sources if name in part.sources}
    return {*(whole.sources.keys() ^ part.sources.keys())} | {name for name in both if not name.startswith("net/") and (
        whole.sources[name].missing != part.sources[name].missing or _settled(whole, name) != _settled(part, name))}


def _settled(snapshot: Snapshot, name: str) -> object:
    data = snapshot.files.get(name)
    if data is None or name == "docker/containers.json":  # the engine gives mounts in any order
        return data is None
    if name.endswith(".json"):
        return _sorted(json.loads(data))
    return _RESTLESS.sub(b"", data)


def _sorted(value: object) -> object:
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=repr)
    return {key: _sorted(each) for key, each in sorted(value.items())} if isinstance(value, dict) else value


def test_cron_runs_it_and_says_nothing_while_all_is_well(booted: Booted) -> None:
    requires("cron", root=True)
    booted.sh("printf '#!/bin/sh\\n' >/usr/local/sbin/sleep; chmod +x /usr/local/sbin/sleep; rm -f /etc/cron.d/*")
    assert booted.fwaudit("schedule", "install", "--cron", "--every", "59 23 31 12 *").returncode == 0
    assert "no cron runs here" in booted.fwaudit("schedule", "status").stdout.lower()
    booted.sh("rm -f /run/crond.reboot; systemctl start cron")
    assert wait_for_run(booted, 1)["level"] == "ok"
    status = booted.fwaudit("schedule", "status")
    assert status.returncode == 0, status.stdout
    assert "Scheduled by cron, and switched on." in status.stdout and "12-31 23:59:00" in status.stdout
    booted.wait_for("! pgrep -f '[f]waudit check'")
    assert mails(booted) == []
    # something is wrong: cron mails it
    (booted.root / "etc/fwaudit").mkdir(exist_ok=True)
    (booted.root / "etc/fwaudit/policy.toml").write_text("strict = ")
    booted.sh("rm -f /run/crond.reboot; systemctl restart cron")
    booted.wait_for("grep -q 'policy.toml' /root/mails")
    assert "policy.toml" in mails(booted)[0] and "Subject: Cron" in mails(booted)[0]
    # two never run at once
    booted.sh("flock /run/lock/fwaudit-check.lock /usr/bin/sleep 20 >/dev/null 2>&1 & /usr/bin/sleep 0.2; "
              "timeout 10 sh -c \"$(sed -n 's/^@reboot root sleep 60; //p' /etc/cron.d/fwaudit)\" && exit 1 || true")
    assert len(runs(booted)) == 1
    assert booted.fwaudit("schedule", "remove").returncode == 0
    assert not list(Path(booted.root / "etc/cron.d").glob("fwaudit*"))


def _image() -> bytes:
    from dockerd import _image as image

    return image()

"""The AppArmor profile: its own parser takes it, and it names what fwaudit and its tools open and start."""

from __future__ import annotations

import subprocess
import sys

import pytest
from apparmor import leaving, missing, rules, traced
from packages import ROOT
from requirements import requires

from fwaudit.host import engine
from fwaudit.host.collectors import boot, ufw
from fwaudit.host.schedule import units

PROFILE = ROOT / "contrib/apparmor/usr.bin.fwaudit"


def test_the_parser_takes_it():
    requires("apparmor_parser")
    done = subprocess.run(["apparmor_parser", "--skip-kernel-load", "--skip-cache", "--warn=all", str(PROFILE)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # of the kernel that this runs on, which has no AppArmor, or less of it
    kernel = ("interface file missing", "rules not enforced")
    assert [line for line in done.stderr.splitlines() if not any(each in line for each in kernel)] == []


@pytest.mark.lab
@pytest.mark.parametrize("arguments", [
    ["report"], ["check", "--history", "/tmp/fwaudit-apparmor.db"], ["triage", "--seconds", "1"], ["fix", "--dry-run"],
    ["--version", "--verbose"],
], ids=" ".join)
def test_it_names_what_is_opened_and_started(arguments, tmp_path):
    """Where this Python and this clone lie is left out: test_deb_life.py looks at where the package puts them."""
    requires("apparmor_parser", "strace", root=True)
    arguments = [each.replace("/tmp/", f"{tmp_path}/") for each in arguments]
    allowed = rules(PROFILE)
    done = traced([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
                   "sys.argv[0] = 'fwaudit'; from fwaudit.__main__ import main; sys.exit(main())", *arguments],
                  tmp_path / "strace", leaving(allowed), sys.executable)
    assert {path.rsplit("/")[-1] for path, may in done if may == "x"} & {"ip", "ufw"}
    here = (str(ROOT), sys.prefix, sys.base_prefix, str(tmp_path), *filter(None, sys.path))
    assert missing(allowed, [each for each in done if not each[0].startswith(here)]) == []


def test_it_names_what_is_read_only_where_it_is_there():
    """Files of other machines than this: who writes rules at boot, the engines' sockets."""
    requires("apparmor_parser")
    paths = [f"/{pattern.replace('*', 'x')}" for pattern in boot.PATTERNS]
    paths += [engine.PODMAN_SOCKET, "/run/docker.sock", "/run/user/1000/docker.sock", *ufw.FILES.values()]
    assert missing(rules(PROFILE), [(path, "r") for path in paths]) == []


def test_it_has_the_capabilities_that_the_scheduled_check_was_measured_to_need():
    text = PROFILE.read_text(encoding="utf-8")
    assert {name for name in units.NEEDED if f"\n  capability {name[4:].lower()}," not in text} == set()


@pytest.mark.parametrize(("path", "may"), [
    ("/etc/shadow", "r"), ("/root/.bashrc", "x"), ("/etc/ssh/ssh_host_ed25519_key", "r"), ("/etc/ufw/user.rules", "w"),
    ("/etc/docker/daemon.json", "w"), ("/usr/bin/curl", "x"), ("/usr/bin/kmod", "x"), ("/etc/cron.d/others", "w"),
    ("/proc/sys/net/ipv4/ip_forward", "w"), ("/usr/lib/fwaudit/fwaudit/cli/app.py", "w"),
])
def test_it_does_not_allow(path, may):
    requires("apparmor_parser")
    assert missing(rules(PROFILE), [(path, may)]) == [(path, may)]

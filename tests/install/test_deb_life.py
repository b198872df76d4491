"""The Debian package in a clean root: installed by apt, used, upgraded, and purged without a trace.

FWAUDIT_SUITES names the releases (``FWAUDIT_SUITES="bookworm trixie" python -m pytest tests/install``); without it, the
one that this machine runs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from apparmor import leaving, missing, rules, traced
from clean_root import CleanRoot, own_suite
from packages import ROOT
from requirements import requires

import fwaudit

pytestmark = [pytest.mark.lab, pytest.mark.slow]
SUITES = os.environ.get("FWAUDIT_SUITES", "").split() or [own_suite()]
POLICY, CRON, UNITS = "etc/fwaudit/policy.toml", "etc/cron.d/fwaudit", "usr/lib/systemd/system"
WANTED = {"etc/systemd/system/docker.service.wants": "fwaudit-recheck.timer",
          "etc/systemd/system/paths.target.wants": "fwaudit-recheck.path",
          "etc/systemd/system/multi-user.target.wants": "fwaudit-watch.service"}


@pytest.mark.parametrize("suite", SUITES)
def test_installed_used_upgraded_purged(suite, fresh, built, newer, tmp_path):
    requires("debootstrap", "unshare", "strace", "apparmor_parser", root=True)
    with CleanRoot(fresh.root(suite)) as root:
        before = root.files()
        root.install(root.put(built.deb), "man-db", "bash-completion")
        after_install = _ours(root, before)
        _is_used(root)
        _is_confined(root, tmp_path)
        assert _ours(root, before) == after_install, "using it has left files"
        assert root.run(["dpkg", "--verify", "fwaudit"]) == ""
        _is_upgraded(root, newer)
        _a_fix_is_not_left_to_nobody(root)
        _state_is_made(root)
        _removed_nothing_starts_it(root)
        root.run(["apt-get", "purge", "-y", "fwaudit"])
        assert _ours(root, before) == set()
        assert [name for name in root.files() if "fwaudit" in name] == []


def _ours(root: CleanRoot, before: set[str]) -> set[str]:
    """What is there and belongs to no other package: files of fwaudit, what it wrote, what its scripts made.

    Configuration that other packages make as they are installed is theirs (``man-db`` was asked for by this test)."""
    theirs = ("/etc/", "/var/lib/", "/usr/lib/python3", "/usr/local/lib/python3")
    return {name for name in root.files() - before if "fwaudit" in name or not name.startswith(theirs)}


def _is_used(root: CleanRoot) -> None:
    assert root.run(["fwaudit", "--version"]) == f"fwaudit {fwaudit.__version__}\n"
    said = root.run(["fwaudit", "--version", "--verbose"])
    assert "/usr/lib/fwaudit" in said
    assert "typer 0." in said
    everybody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    demo = root.run([*everybody, "fwaudit", "demo"])
    assert demo.startswith("1 port can be reached from outside that ufw does not allow.")
    host = root.put(ROOT / "fwaudit/cli/demo.tar.gz")
    assert root.run(["fwaudit", "report", "--snapshot", host]).splitlines()[0] == demo.splitlines()[0]
    for format in ("html", "json", "sarif", "ocsf"):  # each with what it is made by
        root.run(["fwaudit", "report", "--snapshot", host, "--format", format])
    (root.path / "tmp/compose.yaml").write_text('services: {web: {image: nginx, ports: ["8080:80"]}}\n')
    said = root.run(["fwaudit", "preview", "/tmp/compose.yaml", "--snapshot", host], code=2)
    assert "8080/tcp" in said
    alone = root.run(["unshare", "--net", "fwaudit", "report"])  # of the root itself, without its neighbours
    assert "ufw is not installed" in alone
    assert "no container engine" in alone
    # an empty policy is no policy
    assert "0 entries, no mistake" in root.run(["fwaudit", "policy", "check"])
    with_it = root.run(["fwaudit", "check", "--snapshot", host, "--format", "json"], code=2)
    (root.path / POLICY).rename(root.path / "tmp/policy.toml")
    without = root.run(["fwaudit", "check", "--snapshot", host, "--format", "json"], code=2)
    assert without == with_it.replace('"policy": "/etc/fwaudit/policy.toml"', '"policy": ""')
    (root.path / "tmp/policy.toml").rename(root.path / POLICY)
    # what man and bash find by the command's name
    page = root.run(["man", "fwaudit"])
    assert "fwaudit --version --verbose" in " ".join(page.split())
    assert "fwaudit" in root.run(["man", "-w", "8", "fwaudit"])
    load = ("source /usr/share/bash-completion/bash_completion; "
            "{ _comp_load fwaudit || _completion_loader fwaudit; } 2>/dev/null; "
            'COMP_WORDS=(fwaudit re); COMP_CWORD=1; _fwaudit_completion fwaudit; echo "${COMPREPLY[*]}"')
    assert root.run(["bash", "-c", load]).split() == ["report"]


def _is_confined(root: CleanRoot, folder: Path) -> None:
    """Where the package has put everything, the AppArmor profile that it brings names all that is opened."""
    allowed = rules(root.path / "usr/share/doc/fwaudit/examples/apparmor/usr.bin.fwaudit")
    done = traced(root.inside(["/usr/bin/fwaudit", "report"]), folder / "strace", leaving(allowed), "/usr/bin/fwaudit")
    assert ("/usr/lib/fwaudit/fwaudit/cli/report.py", "r") in done or any("cli/__pycache__/report" in path
                                                                         for path, _ in done)
    assert missing(allowed, done) == []


def _is_upgraded(root: CleanRoot, newer) -> None:
    edited = (root.path / POLICY).read_text() + '[[accept]]\nport = 5432\nreason = "known"\n'
    (root.path / POLICY).write_text(edited)
    root.install(root.put(newer.deb))
    assert root.run(["fwaudit", "--version"]) == "fwaudit 999.0\n"
    assert (root.path / POLICY).read_text() == edited
    assert "next version" in (root.path / f"{POLICY}.dpkg-dist").read_text()
    assert "1 entry" in root.run(["fwaudit", "policy", "check"])


def _a_fix_is_not_left_to_nobody(root: CleanRoot) -> None:
    state = root.path / "var/lib/fwaudit"
    state.mkdir()
    (state / "fix.json").write_text("{}")
    said = root.run(["apt-get", "remove", "-y", "fwaudit"], code=100)
    assert "fwaudit fix --revert" in said
    assert root.run(["fwaudit", "--version"]) == "fwaudit 999.0\n"
    (state / "fix.json").unlink()
    state.rmdir()


def _state_is_made(root: CleanRoot) -> None:
    """What it writes while it is used: a history, and a check that runs by itself (here by cron)."""
    history = ["--history", "/var/lib/fwaudit/history.db"]
    said = root.run(["fwaudit", "check", "--snapshot", "/tmp/demo.tar.gz", *history, "-q"], code=2)
    assert "    known\n" in said  # the edited policy's reason for 5432
    assert (root.path / "var/lib/fwaudit/history.db").exists()
    (root.path / "etc/cron.d").mkdir(exist_ok=True)
    root.run(["fwaudit", "schedule", "install"])
    assert "/usr/bin/fwaudit check" in (root.path / CRON).read_text()
    for name, wanted in WANTED.items():  # as systemctl enables the package's own units
        assert (root.path / UNITS / wanted).is_file()
        (root.path / name).mkdir(parents=True, exist_ok=True)
        (root.path / name / wanted).symlink_to(f"/{UNITS}/{wanted}")


def _removed_nothing_starts_it(root: CleanRoot) -> None:
    """Without a purge: what would start it is gone, and what it knows is kept."""
    said = root.run(["apt-get", "remove", "-y", "fwaudit"])
    assert f"removed: /{CRON}" in said
    assert not (root.path / CRON).exists()
    assert [name for name, wanted in WANTED.items() if (root.path / name / wanted).is_symlink()] == []
    assert [name for name in WANTED if (root.path / name).exists() and not any((root.path / name).iterdir())] == []
    assert not (root.path / "usr/lib/fwaudit").exists()
    assert (root.path / "var/lib/fwaudit/history.db").exists()
    assert (root.path / POLICY).exists()

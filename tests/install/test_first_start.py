"""The two commands at the top of the README, in roots that debootstrap has just made."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from clean_root import CleanRoot, debian_suites
from packages import ROOT, copy
from requirements import requires

pytestmark = [pytest.mark.lab, pytest.mark.slow]
_TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")
_PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
"""What docs/install.md says of Debian 12 and 13."""


@pytest.mark.parametrize("suite", debian_suites())
def test_the_two_commands_of_the_readme(suite, fresh):
    requires("debootstrap", "unshare", root=True)
    part = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Two commands\n", 1)[1].split("\n## ")[0]
    report, demo = re.findall(r"^```\n(\./scripts/fwaudit .*)\n```$", part, re.MULTILINE)
    with CleanRoot(fresh.root(suite)) as root:
        copy(root.path / "srv/fwaudit")
        shutil.copy(_TRUSTED, root.path / "root/trusted.crt")  # whom this machine trusts: the root has nobody yet
        assert "apt-get install python3" in _run(root, report, 3)
        root.install("python3", "iproute2")  # what an installer adds to what debootstrap makes, of what is wanted here
        if suite in _PYTHONS:
            assert root.run(["python3", "--version"]).startswith(f"Python {_PYTHONS[suite]}.")
        said = _run(root, demo, 0)
        assert "fwaudit: installing the Debian package python3-venv" in said
        assert "fwaudit: first start here" in said
        assert "\n1 port can be reached from outside that ufw does not allow.\n" in said
        again = _run(root, demo, 0)
        assert again.startswith("1 port can be reached from outside that ufw does not allow.\n")
        assert said.endswith(again)
        # of the root itself, without the network of the machine that it is a folder of
        alone = _run(root, report, 0, "unshare", "--net")
        assert alone.startswith("No port can be reached from outside that the INPUT chain does not allow.\n")
        assert re.search(r"^Engine: +no container engine", alone, re.MULTILINE)
        assert re.search(r"^Firewall: +ufw is not installed", alone, re.MULTILINE)


def _run(root: CleanRoot, command: str, code: int, *around: str) -> str:
    return root.run([*around, "env", "PIP_CERT=/root/trusted.crt", "sh", "-c", f"cd /srv/fwaudit && {command}"], code)

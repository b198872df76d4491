"""The two commands at the top of the README, in a root that debootstrap has just made, with nothing but Python added.

Only where FWAUDIT_SUITES names releases, since it takes half a minute for each; docs/install.md has what came out.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from clean_root import CleanRoot
from packages import ROOT, copy
from requirements import requires

pytestmark = [pytest.mark.lab, pytest.mark.slow]
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@pytest.mark.parametrize("suite", os.environ.get("FWAUDIT_SUITES", "").split())
def test_the_two_commands_of_the_readme(suite):
    requires("debootstrap", "unshare", root=True)
    part = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Two commands\n", 1)[1].split("\n## ")[0]
    report, demo = re.findall(r"^```\n(\./scripts/fwaudit .*)\n```$", part, re.MULTILINE)
    with CleanRoot(suite) as root:
        copy(root.path / "srv/fwaudit")
        trusted = root.path / _CERTIFICATES.relative_to("/")  # whom this machine trusts; the root has nobody yet
        trusted.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_CERTIFICATES, trusted)
        assert "apt-get install python3" in _run(root, report, 3)
        root.install("python3", "iproute2")
        said = _run(root, report, 0)
        assert "python3-venv" in said
        assert "first start here" in said
        assert "ufw is not installed" in said
        assert _run(root, demo, 0).startswith("1 port can be reached from outside that ufw does not allow.")


def _run(root: CleanRoot, command: str, code: int) -> str:
    return root.run(["env", f"PIP_CERT={_CERTIFICATES}", "sh", "-c", f"cd /srv/fwaudit && {command}"], code)

from __future__ import annotations

from typing import Any

import pytest
from _found import edited, found, subjects

from fwaudit.model.report import Severity

ID = "docker-socket-mounted"


def test_worse_where_it_is_reached() -> None:
    panel, updater = found("socket_mounted", ID)
    assert (panel.subject, panel.severity) == ("9001/tcp (IPv4) of panel", Severity.HIGH)
    assert (updater.subject, updater.severity) == ("updater", Severity.LOW)


@pytest.mark.parametrize(("source", "holds"), [
    ("/var/run/docker.sock", True), ("/run/docker.sock", True), ("/run/user/1000/docker.sock", True), ("/", True),
    ("/var/run/", True), ("/run/podman/podman.sock", True), ("/usr", False), ("/var", False),
    ("/srv/docker.socks", False),
])
def test_sources(source: str, holds: bool) -> None:
    def edit(containers: list[dict[str, Any]]) -> None:
        for container in containers:
            container["Mounts"] = [{"Type": "bind", "Source": source, "Destination": "/x"}]
    assert bool(subjects(edited("good_password", containers=edit), ID)) is holds


def test_silent_without() -> None:
    assert subjects("good_password", ID) == []

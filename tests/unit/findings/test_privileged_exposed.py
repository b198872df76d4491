"""The lab may not start privileged containers: the flag is written into what a recorded engine said."""

from __future__ import annotations

from typing import Any

from _found import edited, found, subjects

from fwaudit.model.report import Report, Severity

ID = "privileged-exposed"


def _with(name: str, **settings: Any) -> Report:
    def edit(containers: list[dict[str, Any]]) -> None:
        for container in containers:
            container["HostConfig"].update(settings)
    return edited(name, containers=edit)


def test_privileged_and_published() -> None:
    first = found(_with("d28/ufw_deny_5432", Privileged=True), ID)[0]
    assert (first.subject, first.severity) == ("5432/tcp (IPv4) of web", Severity.CRITICAL)
    assert "is privileged" in first.what


def test_a_capability_that_is_as_good_and_a_port_that_policy_allows() -> None:
    first = found(_with("d28/ufw_off", CapAdd=["CAP_SYS_ADMIN"]), ID)[0]
    assert first.severity == Severity.HIGH
    assert "has the capability SYS_ADMIN" in first.what


def test_silent() -> None:
    assert subjects("d28/ufw_deny_5432", ID) == []
    assert subjects(_with("d28/ufw_deny_5432", CapAdd=["NET_ADMIN"]), ID) == []
    assert subjects(_with("d28/publish_loopback", Privileged=True), ID) == []   # nobody reaches it

from __future__ import annotations

from _found import found, subjects

from fwaudit.model.report import Severity

ID = "host-network-container"


def test_what_of_it_is_reached() -> None:
    (only,) = found("d28/host_network", ID)
    assert only.severity == Severity.LOW
    assert "8080/tcp." in only.what and "5432" not in only.what
    assert only.exposure is None  # the ports themselves are told by exposures


def test_silent_on_a_bridge() -> None:
    assert subjects("d28/ufw_deny_5432", ID) == []

from __future__ import annotations

from typing import Any

from _found import edited, found, subjects

from fwaudit.model.report import Severity

ID = "docker-api-on-tcp"


def test_open_to_everybody() -> None:
    (only,) = found("api_open", ID)
    assert (only.subject, only.severity) == ("2375/tcp (IPv4) of dockerd", Severity.CRITICAL)
    assert only.what == ("The engine's API listens on *:2375, without encryption or password; it is reached from "
                         "outside.")
    assert only.where_from == "anywhere (eth0, eth1)"


def test_on_this_host_alone() -> None:
    (only,) = found("api_local", ID)
    assert (only.subject, only.severity) == ("2375/tcp", Severity.MEDIUM)
    assert "127.0.0.1:2375" in only.what and "not reached from outside" in only.what


def test_encrypted_but_without_certificates_of_clients() -> None:
    def edit(info: dict[str, Any]) -> None:
        info["Warnings"] = ["[DEPRECATION NOTICE]: API is accessible on https://0.0.0.0:2376 without TLS client "
                            "verification.\n Access to the remote API is equivalent to root access on the host."]
    (only,) = found(edited("api_with_certificates", info=edit), ID)
    assert "without asking for a client certificate" in only.what


def test_silent_with_certificates_and_without_tcp() -> None:
    assert subjects("api_with_certificates", ID) == []
    assert subjects("good_password", ID) == []

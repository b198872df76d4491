from __future__ import annotations

from _found import files_of, found, subjects

from fwaudit.audit import audit
from fwaudit.model.snapshot import Snapshot

ID = "icc-void"


def test_ufw_accepts_before_docker_drops() -> None:
    (only,) = found("icc_void", ID)
    assert only.subject == "network bridge"
    assert "ufw-track-forward" in only.why[0]


def test_packets_that_iptables_does_not_see() -> None:
    files = files_of("d20/icc_off")
    key = b"net.bridge.bridge-nf-call-iptables = "
    assert key + b"1" in files["sysctl"]
    report = audit(Snapshot({**files, "sysctl": files["sysctl"].replace(key + b"1", key + b"0")}))
    assert "do not come to iptables" in found(report, ID)[0].why[0]


def test_silent_where_it_works_and_where_nobody_asked_for_it() -> None:
    for name in ("d20/icc_off", "d26/icc_off", "d28/icc_off", "d29nft/icc_off", "d20/ufw_deny_5432"):
        assert subjects(name, ID) == [], name

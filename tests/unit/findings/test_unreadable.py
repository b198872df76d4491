from __future__ import annotations

import pytest
from _found import files_of, found, subjects

from fwaudit.audit import audit
from fwaudit.model.report import Severity
from fwaudit.model.snapshot import Snapshot, Source

ID = "unreadable"


@pytest.mark.parametrize(("source", "missing", "severity", "next"), [
    ("iptables/nft.v4", "permission denied; run as root", Severity.MEDIUM, "sudo fwaudit report"),
    ("nft/ruleset.json", "nft is not installed", Severity.MEDIUM, "nft -j list ruleset"),
    ("sockets/tcp", "larger than 16777216 bytes", Severity.MEDIUM, "ss -tuln"),
    ("sockets/owners.json", "no answer in time", Severity.LOW, "ss -tulnp"),
])
def test_what_is_missing_and_what_it_hides(source: str, missing: str, severity: Severity, next: str) -> None:
    files = {name: data for name, data in files_of("d28/ufw_deny_5432").items() if name != source}
    by_subject = {each.subject: each for each in found(audit(Snapshot(files, {source: Source(missing=missing)})), ID)}
    assert by_subject[source].severity == severity
    assert by_subject[source].next == (next,)
    assert missing in by_subject[source].why[0]


def test_silent_where_everything_was_read() -> None:
    assert subjects("good_password", ID) == []

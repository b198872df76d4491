from __future__ import annotations

from _found import files_of, found, subjects

from fwaudit.audit import audit
from fwaudit.model.snapshot import Snapshot

ID = "undecided"


def test_without_the_rules() -> None:
    report = audit(Snapshot({name: data for name, data in files_of("d28/ufw_deny_5432").items()
                             if not name.startswith(("iptables/", "nft/"))}))
    first = found(report, ID)[0]
    assert not first.certain
    assert first.why and all(each.startswith("It depends on ") for each in first.why)


def test_silent_with_them() -> None:
    assert subjects("d28/ufw_deny_5432", ID) == []

from __future__ import annotations

from typing import Any

import pytest
from _found import edited, found, subjects

from fwaudit.findings.engine_known_bug import _BUGS

ID = "engine-known-bug"


def test_bugs_of_the_version_that_concern_this_host() -> None:
    (old,) = found("d20/internal_net", ID)
    assert (old.subject, old.certain) == ("CVE-2024-29018", False)
    assert old.next[0] == "update to Docker 23.0.11 or later"
    (new,) = found("d29nft/internal_net", ID)
    assert new.subject == "the internal network's way out"


def test_silent_where_it_is_mended_or_not_there() -> None:
    assert subjects("d26/internal_net", ID) == []
    assert subjects("d28/internal_net", ID) == []
    assert subjects("d20/userdef_net", ID) == []


@pytest.mark.parametrize(("version", "bug"), [
    ("23.0.10", True), ("23.0.11", False), ("24.0.9", True), ("25.0.4", True), ("25.0.5", False), ("26.0.0", False),
    ("19.03.15~3", True), ("unknown", False), ("", False),
])
def test_spans(version: str, bug: bool) -> None:
    def edit(said: dict[str, Any]) -> None:
        said["Version"] = version

    def silent(said: dict[str, Any]) -> None:
        said.pop("ServerVersion", None)
    report = edited("d20/internal_net", version=edit, info=silent)
    assert ("CVE-2024-29018" in subjects(report, ID)) is bug


def test_every_span_has_a_beginning_and_an_end() -> None:
    for bug in _BUGS:
        assert all(start < end for start, end in bug.spans), bug.name

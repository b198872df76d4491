from __future__ import annotations

import pytest
from _found import found, subjects

ID = "iptables-false"


@pytest.mark.parametrize("name", ["d20/iptables_false", "d26/iptables_false", "d28/iptables_false",
                                  "d29nft/iptables_false", "d28/nft_flush_ruleset"])
def test_no_rule_of_dockers(name: str) -> None:
    (only,) = found(name, ID)
    assert "told to write none, or they were flushed" in only.what
    assert "web" in only.why[0]


@pytest.mark.parametrize("name", ["d20/ufw_deny_5432", "d28/ufw_deny_5432", "d29nft/ufw_deny_5432",
                                  "d20/docker_stopped", "d28/legacy_backend", "d28/unpublished"])
def test_silent(name: str) -> None:
    assert subjects(name, ID) == []

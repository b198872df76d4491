"""The fix on packets: recorded hosts rebuilt, the plan loaded, every recorded probe fired again, the plan taken back.

By default each scenario once, as one of the engines left it, in turn; with FWAUDIT_REPLAY=all as every one.
"""

from __future__ import annotations

import pytest
from fixes import attempt
from requirements import requires
from test_replay import sample

pytestmark = pytest.mark.lab

REFUSED = {"d29nft/ufw_limit": "counts the connections of each source"}
"""Recorded host → why there is no plan for it."""


@pytest.mark.parametrize("name", sample())
def test_what_policy_denies_answers_no_more_and_all_else_as_before(name: str) -> None:
    requires("ip", "nft", "ipset", "iptables-nft-restore", "iptables-legacy-restore", root=True)
    tried = attempt(name)
    if name in REFUSED:
        assert REFUSED[name] in tried.refused[0]
        return
    assert not tried.refused
    assert tried.moved == 0
    assert not tried.wrong
    assert tried.reverted
    assert tried.unchanged

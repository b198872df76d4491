from __future__ import annotations

import pytest
from _found import found, subjects

ID = "macvlan-no-host-rules"


@pytest.mark.parametrize("engine", ["d20", "d26", "d28", "d29nft"])
def test_macvlan(engine: str) -> None:
    (db,) = [each for each in found(f"{engine}/macvlan", ID) if "5432" in each.subject]
    assert db.subject == "container port 5432/tcp (IPv4) of web on lan"
    assert "the network of eth1 itself" in db.what
    assert subjects(f"{engine}/macvlan", "direct-routing") == []


def test_silent_on_a_bridge() -> None:
    assert subjects("d28/userdef_net", ID) == []

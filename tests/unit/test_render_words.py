"""Sets of sources in words."""

from __future__ import annotations

import pytest

from fwaudit.packet.address import parse_network
from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet
from fwaudit.render.words import sources_in_words

_ETH0 = ((4, 192 << 24 | 168 << 16 | 1 << 8, 24),)
_INSIDE = (*_ETH0, (4, 192 << 24 | 168 << 16 | 1 << 8 | 10, 32), (4, 172 << 24 | 17 << 16, 16))


def area(text: str) -> IntervalSet:
    """``10.0.0.0/8 + 172.16.0.0/12 - 10.9.0.0/16``; ``all`` is every address."""
    out = EMPTY
    add = True
    for word in text.split():
        if word in "+-":
            add = word == "+"
            continue
        one = ALL if word == "all" else parse_network(word)[1]
        out = out | one if add else out - one
    return out & IntervalSet((0, 1 << (128 if ":" in text else 32)))


@pytest.mark.parametrize(("sources", "words"), [
    ("", "nobody"),
    ("all", "anywhere"),
    ("all - 0.0.0.0/8 - 127.0.0.0/8 - 224.0.0.0/3", "anywhere"),
    ("all - 192.168.1.10", "anywhere"),                      # the host's own address
    ("all - 172.17.0.0/16", "anywhere"),                     # what comes in by another interface (rp_filter)
    ("all - 10.0.0.0/8", "anywhere except 10.0.0.0/8"),
    ("all - 1.2.3.4", "anywhere except 1.2.3.4"),
    ("192.168.1.0/24", "the local network 192.168.1.0/24"),
    ("192.168.1.0/24 - 192.168.1.10", "the local network 192.168.1.0/24"),
    ("10.0.0.0/8", "10.0.0.0/8"),
    ("10.0.0.0/8 - 10.9.0.0/16", "10.0.0.0/8 except 10.9.0.0/16"),
    ("10.0.0.0/8 + 172.16.0.0/12 + 192.168.0.0/16", "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"),
    ("10.0.0.0/8 + 172.16.0.0/12 + 192.168.0.0/16 - 172.17.0.0/16 - 192.168.1.10",
     "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"),
    ("1.1.1.1 + 2.2.2.2 + 3.3.3.3 + 4.4.4.4", "1.1.1.1, 2.2.2.2, 3.3.3.3 and 1 more network"),
    ("1.1.1.1 + 2.2.2.2 + 3.3.3.3 + 4.4.4.4 + 5.5.5.5", "1.1.1.1, 2.2.2.2, 3.3.3.3 and 2 more networks"),
])
def test_ipv4(sources: str, words: str) -> None:
    assert sources_in_words(4, area(sources), _ETH0, _INSIDE) == words


@pytest.mark.parametrize(("sources", "words"), [
    ("2001:db8::/32", "2001:db8::/32"),
    ("fe80::/10", "fe80::/10"),
    ("::/0", "anywhere"),
    ("::/0 - fe80::/10", "anywhere"),
    ("::/0 - fd00::/8", "anywhere except fd00::/8"),
])
def test_ipv6(sources: str, words: str) -> None:
    assert sources_in_words(6, area(sources)) == words


def test_thousands_of_networks_are_counted_quickly() -> None:
    many = IntervalSet.from_ranges((i << 12, (i << 12) + 255) for i in range(1 << 12, 1 << 15))
    assert sources_in_words(4, many).endswith("and 28,669 more networks")
    assert sources_in_words(4, area("all") - many).endswith("more networks")

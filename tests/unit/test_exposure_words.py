"""Sets of sources in words."""

from __future__ import annotations

import pytest

from fwaudit.exposure.words import example_source, is_nobody, sources_in_words
from fwaudit.packet.address import parse_network
from fwaudit.packet.intervals import ALL, EMPTY, IntervalSet

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
    ("10.0.0.0/8 - 10.0.0.5", "10.0.0.0/8 except 10.0.0.5"),
    ("172.16.0.0/12 - 172.17.0.0/16", "172.16.0.0/12"),
    ("203.0.113.0/24 - 203.0.113.10 - 203.0.113.77",         # and not what stands inside, too
     "203.0.113.0/24 except 203.0.113.10, 203.0.113.77"),
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


def test_own_addresses_are_left_out_of_a_network_and_nothing_is_added_to_it() -> None:
    inside = ((4, 203 << 24 | 113 << 8, 24), *((4, 203 << 24 | 113 << 8 | last, 32) for last in (0, 10, 255)),
              (4, 172 << 24 | 17 << 16, 16))
    link = area("203.0.113.0/24 - 203.0.113.0 - 203.0.113.10 - 203.0.113.255")
    assert sources_in_words(4, link, (), inside) == "203.0.113.0/24"
    assert sources_in_words(4, link & area("203.0.113.0/25"), (), inside) == "203.0.113.0/25"
    assert sources_in_words(4, link, inside[:1], inside) == "the local network 203.0.113.0/24"


@pytest.mark.parametrize(("sources", "example"), [
    ("all", "198.51.100.7"),
    ("all - 198.51.100.0/24 - 8.8.8.8", "1.0.0.0"),          # no martian, though these are dropped as well
    ("0.0.0.0/8 + 192.168.1.0/24", "192.168.1.0"),
    ("192.168.1.10 + 192.168.1.20", "192.168.1.20"),         # not the host's own
    ("127.0.0.0/8", "127.0.0.0"),
])
def test_the_source_that_is_shown_speaks_for_the_others(sources: str, example: str) -> None:
    assert example_source(4, area(sources), _INSIDE) == parse_network(example)[1].lowest()


def test_addresses_that_no_other_machine_has() -> None:
    assert is_nobody(4, area("0.0.0.0/8 + 127.0.0.0/8 + 192.168.1.10"), _INSIDE)
    assert not is_nobody(4, area("192.168.1.11"), _INSIDE)
    assert is_nobody(6, area("::1")) and not is_nobody(6, area("fe80::/10"))


def test_thousands_of_networks_are_counted_quickly() -> None:
    many = IntervalSet.from_ranges((i << 12, (i << 12) + 255) for i in range(1 << 12, 1 << 15))
    assert sources_in_words(4, many).endswith("and 28,669 more networks")
    assert sources_in_words(4, area("all") - many).endswith("more networks")

"""Reading and writing addresses, against the standard library's ipaddress and against plain bit arithmetic."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fwaudit.packet.address import format_address, masked, parse_address, parse_network, to_cidrs
from fwaudit.packet.fields import max_address
from fwaudit.packet.intervals import EMPTY, IntervalSet

families = st.sampled_from((4, 6))
v4 = st.integers(0, (1 << 32) - 1)
v6 = st.one_of(st.integers(0, (1 << 128) - 1), st.integers(0, 1 << 40), v4.map(lambda x: 0xFFFF << 32 | x))
addresses = st.one_of(st.tuples(st.just(4), v4), st.tuples(st.just(6), v6))


@given(addresses)
def test_an_address_reads_back_as_it_is_written(address: tuple[int, int]) -> None:
    assert parse_address(format_address(*address)) == address
    family, value = address
    standard = (ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address)(value)
    assert format_address(family, value) == str(standard)
    assert parse_address(standard.exploded) == address


@given(st.text(alphabet="0123456789.:abcdef/% _٣-+", max_size=20))
@example("1.2.3.٣")
@example("1_0.2.3.4")
@example("+1.2.3.4")
@example("1.2.3.4 ")
@example("1.2.3.-0")
@example("01.2.3.4")
def test_whatever_reads_is_an_address_of_the_standard_library_too(text: str) -> None:
    try:
        family, value = parse_address(text)
    except ValueError:
        return
    plain = text.split("%", 1)[0] if family == 6 else text
    assert int(ipaddress.ip_address(plain)) == value and ipaddress.ip_address(plain).version == family


@given(addresses, st.data())
def test_a_prefix_holds_what_the_standard_library_says(address: tuple[int, int], data: st.DataObject) -> None:
    family, value = address
    width = 32 if family == 4 else 128
    length = data.draw(st.integers(0, width))
    network = (ipaddress.IPv4Network if family == 4 else ipaddress.IPv6Network)((value, length), strict=False)
    wanted = IntervalSet.range(int(network.network_address), int(network.broadcast_address))
    for text in (f"{format_address(family, value)}/{length}", str(network),
                 f"{format_address(family, value)}/{network.netmask}"):
        assert parse_network(text) == (family, wanted)
    assert to_cidrs(family, wanted) == [str(network) if length < width else str(network.network_address)]


@given(st.integers(0, 255), st.integers(0, 255))
def test_a_mask_with_holes(value: int, mask: int) -> None:
    wanted = {x for x in range(256) if x & mask == value & mask}
    made = masked(value, mask, 8)
    assert {x for x in range(256) if x in made} == wanted and 256 not in made


@given(v4, st.integers(0, 16).flatmap(lambda n: st.lists(st.integers(0, 31), min_size=n, max_size=n, unique=True)))
def test_a_wide_mask_with_holes(value: int, holes: list[int]) -> None:
    mask = 0xFFFFFFFF
    for bit in holes:
        mask ^= 1 << bit
    made = parse_network(f"{format_address(4, value)}/{format_address(4, mask)}")[1]
    assert made.size(0xFFFFFFFF) == 1 << len(holes)
    assert all(low & mask == high & mask == value & mask for low, high in made.ranges(0xFFFFFFFF))


@pytest.mark.parametrize("text", [
    "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4/33", "::/129", "1.2.3.4/::", "::/255.255.0.0", "1.2.3.4/-1",
    "1.2.3.4/", "host", "1.2.3.4/85.85.85.85.85", "::1::", "1.2.3.4/0.85.85.85/8", "1.2.3.4/1.2", ":", "/8",
    "1.2.3.4/٣", "1.2.3.4/²", "1.2.3.4/+8", "1.2.3.4/8_0", "1.2.3.4/0.85.0.85.", "::/aaaa:aaaa:aaaa:aaaa::",
])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_network(text)


cuts = st.lists(st.integers(0, 1 << 32), max_size=10, unique=True).map(lambda some: IntervalSet(tuple(sorted(some))))


@given(cuts)
def test_cidrs_cover_a_set_exactly_and_are_the_fewest(area: IntervalSet) -> None:
    area = area & IntervalSet((0, 1 << 32))
    texts = to_cidrs(4, area)
    covered = EMPTY
    for text in texts:
        _, network = parse_network(text)
        assert not network & covered, "no address twice"
        covered = covered | network
    assert covered == area
    assert texts == [str(net) if net.prefixlen < 32 else str(net.network_address) for low, high in area.ranges(
        max_address(4)) for net in ipaddress.summarize_address_range(
            ipaddress.IPv4Address(low), ipaddress.IPv4Address(high))]
    assert to_cidrs(4, area, limit=3) == texts[:3]


@given(st.lists(v6, max_size=6, unique=True).map(lambda some: IntervalSet(tuple(sorted(some)))))
def test_cidrs_of_ipv6(area: IntervalSet) -> None:
    covered = IntervalSet.from_ranges(
        pair for text in to_cidrs(6, area) for pair in parse_network(text)[1].ranges(max_address(6)))
    assert covered == area & IntervalSet((0, 1 << 128))

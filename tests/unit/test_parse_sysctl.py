"""Sysctl lines, with the two ways of spelling an interface name that has a dot."""

import pytest

from fwaudit.errors import ParseError
from fwaudit.parse.sysctl import parse


def test_keys_and_values() -> None:
    text = "# comment\n; another\n\nnet.ipv4.ip_forward = 1\nnet.ipv4.ip_local_port_range = 32768\t60999\nnet.x=\n"
    assert parse(text) == {"net.ipv4.ip_forward": "1", "net.ipv4.ip_local_port_range": "32768\t60999", "net.x": ""}


@pytest.mark.parametrize("key", [
    "net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0.100.rp_filter",
    "-net.ipv4.conf.eth0/100.rp_filter",
])
def test_an_interface_with_a_dot_has_one_key(key: str) -> None:
    assert parse(f"{key} = 2") == {"net.ipv4.conf.eth0.100.rp_filter": "2"}


@pytest.mark.parametrize("text", ["a = 1\nnonsense\n", "= 1"])
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(ParseError) as error:
        parse(text)
    assert error.value.source == "sysctl" and error.value.line == text.count("\n") - text.endswith("\n") + 1

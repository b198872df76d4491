"""/proc/net tables and their owners."""

import pytest

from fwaudit.errors import ParseError
from fwaudit.model.host import Socket
from fwaudit.packet.address import parse_address
from fwaudit.packet.fields import TCP, UDP
from fwaudit.parse.sockets import parse_listeners, parse_table, with_owners
from fwaudit.parse.values import Record

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = "00000000:00000000 00:00000000 00000000     0        0 6725866 1 0000000011ad703a 100 0 0 10 0\n"
ANY6 = "0" * 32


def line(local: str, peer: str, state: str) -> str:
    return f"   0: {local} {peer} {state} {REST}"


def owner(local: str, comm: str = "x", **more: object) -> Record:
    return Record("sockets/owners.json", {"proto": "tcp", "local": local, "comm": comm, "pid": 7, **more})


def test_only_listening_tcp() -> None:
    text = HEAD + line("0100007F:0016", "00000000:0000", "0A") + line("0A7100CB:0016", "076433C6:BBBB", "01")
    assert parse_table("sockets/tcp", text) == [Socket(TCP, 4, 0x7F000001, 22)]


def test_only_udp_without_a_peer() -> None:
    text = HEAD + line("00000000:0035", "00000000:0000", "07") + line("0100007F:0036", "0100007F:0035", "01")
    assert parse_table("sockets/udp", text) == [Socket(UDP, 4, 0, 53)]


@pytest.mark.parametrize(("words", "address"), [
    ("B80D0120000001000000000010000000", "2001:db8:1::10"), ("00000000000000000000000001000000", "::1"),
    ("0000000000000000FFFF00000100007F", "127.0.0.1"),  # an IPv4-mapped socket serves IPv4
])
def test_ipv6_words(words: str, address: str) -> None:
    family, value = parse_address(address)
    assert parse_table("sockets/tcp6", line(f"{words}:0016", f"{ANY6}:0000", "0A")) == [Socket(TCP, family, value, 22)]


@pytest.mark.parametrize("text", ["1: nonsense", line("0100007F:16", "00000000:0000", "0A"), "x y z 0A"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ParseError, match="sockets/tcp line 1"):
        parse_table("sockets/tcp", text)


def test_owners_and_devices() -> None:
    found = [Socket(TCP, 4, 0x7F000035, 53), Socket(TCP, 6, 0, 80)]
    first, second = with_owners(found, [owner("127.0.0.53%lo:53", "resolved"), owner("[::]:80", exe="/usr/bin/x"),
                                        owner("[::]:80", "late")])
    assert (first.owner, first.device, first.pid) == ("resolved", "lo", 7)
    assert (second.owner, second.exe, second.argv) == ("x", "/usr/bin/x", ())


@pytest.mark.parametrize(("others", "owners", "v6only", "want"), [
    ([], [], False, None),                                              # /proc does not tell
    ([Socket(TCP, 4, 0, 80)], [], False, False),                        # IPv4 has its own socket
    ([Socket(TCP, 4, 0, 81), Socket(UDP, 4, 0, 80)], [], False, None),  # that is another port, another protocol
    ([Socket(TCP, 4, 0x7F000001, 80)], [], False, None),
    ([], [owner("[::]:80", v6only=True)], False, False),
    ([], [owner("[::]:80", v6only=False)], False, True),
    ([], [owner("*:80", "nginx", v6only=False)], False, True),
    ([], [owner("[::]:80", "docker-proxy", argv=["/p", "-proto", "tcp", "-host-ip", "::"])], False, False),
    ([], [owner("[::]:80", "docker-proxy", argv=["/p", "-host-ip", "0.0.0.0"])], True, True),
    ([], [owner("[::]:80", "docker-proxy")], True, False),
    ([], [owner("[::]:80", "docker-proxy")], False, None),
    ([], [owner("[::]:80", "nginx")], True, None),
])
def test_whether_a_wildcard_takes_ipv4(others: list[Socket], owners: list[Record], v6only: bool,
                                       want: bool | None) -> None:
    assert with_owners([*others, Socket(TCP, 6, 0, 80)], owners, v6only)[-1].accepts_v4 is want


def test_a_bound_ipv6_socket_takes_no_ipv4() -> None:
    assert with_owners([Socket(TCP, 6, 1, 80)], [])[0].accepts_v4 is False


@pytest.mark.parametrize("local", ["80", "[::]:", "[::]:99999", "eth0:80", "1.2.3.4:٣"])
def test_a_bad_owner_is_refused(local: str) -> None:
    with pytest.raises(ParseError):
        with_owners([], [owner(local)])


def test_listeners() -> None:
    entries = [{"proto": "tcp", "address": "0.0.0.0", "port": 80}, {"proto": "tcp6", "address": "::", "port": 80},
               {"proto": "udp", "address": "::", "port": 53}, {"proto": "tcp", "address": "::ffff:10.0.0.1", "port": 9}]
    found = parse_listeners(Record("docker/listeners.json", entry) for entry in entries)
    assert [(each.proto, each.family, each.port, each.accepts_v4) for each in found] == [
        (TCP, 4, 80, None), (TCP, 6, 80, False), (UDP, 6, 53, None), (TCP, 4, 9, None)]

"""tcp, udp, udplite, sctp and dccp: ports and flags (iptables-extensions(8)). ``-p`` of the rule names the protocol."""

from __future__ import annotations

from fwaudit.model.condition import Condition, Masked, Unknown
from fwaudit.netfilter.matches._option import Match, Reader, by_option, ports_in

FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}


def _flags(text: str) -> int:
    bits = 0
    for name in text.split(","):
        if name.upper() not in FLAGS:
            raise ValueError(f"not a TCP flag: {name!r}")
        bits |= FLAGS[name.upper()]
    return bits


def _tcp_flags(arguments: tuple[str, ...], family: int) -> Condition:
    return Masked("tcp_flags", _flags(arguments[0]), _flags(arguments[1]))


def _syn(arguments: tuple[str, ...], family: int) -> Condition:
    return Masked("tcp_flags", 0x17, 2)


def _undecided(name: str, why: str) -> Reader:
    def read(arguments: tuple[str, ...], family: int) -> Condition:
        return Unknown(" ".join((name, *arguments)), why)

    return Reader(1, read)


_SPORT, _DPORT = Reader(1, ports_in("sport")), Reader(1, ports_in("dport"))
_PORTS = {
    "--sport": _SPORT, "--source-port": _SPORT, "--dport": _DPORT, "--destination-port": _DPORT,
}
_CHUNKS = Reader(2, lambda arguments, family: Unknown("--chunk-types " + " ".join(arguments), "SCTP chunks"))

UDP: Match = by_option(_PORTS)
TCP: Match = by_option({
    **_PORTS, "--tcp-flags": Reader(2, _tcp_flags), "--syn": Reader(0, _syn),
    "--tcp-option": _undecided("--tcp-option", "TCP options"),
})
SCTP: Match = by_option({**_PORTS, "--chunk-types": _CHUNKS})
DCCP: Match = by_option({
    **_PORTS, "--dccp-types": _undecided("--dccp-types", "DCCP packet types"),
    "--dccp-option": _undecided("--dccp-option", "DCCP options"),
})

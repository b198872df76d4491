"""Matches on what a snapshot does not hold: time, payload, hardware addresses, other tables of the kernel."""

from __future__ import annotations

from collections.abc import Mapping

from fwaudit.netfilter.matches._option import Match, undecided

_PAYLOAD = "contents of the packet"

UNDECIDABLE: Mapping[str, Match] = {
    "bpf": undecided("a program that looks at the packet (bpf)",
                     {"--bytecode": 1, "--object-pinned": 1}, "bpf"),
    "cluster": undecided("share of this cluster node",
                         {"--cluster-total-nodes": 1, "--cluster-local-node": 1, "--cluster-local-nodemask": 1,
                          "--cluster-hash-seed": 1}, "cluster"),
    "condition": undecided("a switch in /proc", None, "condition"),
    "cpu": undecided("which processor handles it", {"--cpu": 1}, "cpu"),
    "fuzzy": undecided("rate limit", None, "fuzzy"),
    "geoip": undecided("country of the address (geoip)",
                       {"--src-cc": 1, "--source-country": 1, "--dst-cc": 1, "--destination-country": 1}, "geoip"),
    "helper": undecided("whether a conntrack helper expects it", {"--helper": 1}, "helper"),
    "ipp2p": undecided(_PAYLOAD, None, "ipp2p"),
    "ipvs": undecided("load balancing (ipvs)",
                      {"--ipvs": 0, "--vproto": 1, "--vaddr": 1, "--vport": 1, "--vdir": 1, "--vmethod": 1,
                       "--vportctl": 1}, "ipvs"),
    "layer7": undecided(_PAYLOAD, None, "layer7"),
    "mac": undecided("hardware address of the sender", {"--mac-source": 1}, "mac"),
    "ndpi": undecided(_PAYLOAD, None, "ndpi"),
    "osf": undecided("operating system of the sender (osf)",
                     {"--genre": 1, "--ttl": 1, "--log": 1}, "osf"),
    "realm": undecided("routing realm", {"--realm": 1}, "realm"),
    "socket": undecided("whether a local socket waits for it",
                        {"--transparent": 0, "--nowildcard": 0, "--restore-skmark": 0}, "socket"),
    "string": undecided(_PAYLOAD, {"--from": 1, "--to": 1, "--algo": 1, "--string": 1, "--hex-string": 1,
                                   "--icase": 0}, "string"),
    "time": undecided("time of day",
                      {"--datestart": 1, "--datestop": 1, "--timestart": 1, "--timestop": 1, "--monthdays": 1,
                       "--weekdays": 1, "--contiguous": 0, "--kerneltz": 0, "--utc": 0, "--localtz": 0}, "time"),
    "u32": undecided(_PAYLOAD, {"--u32": 1}, "u32"),
}

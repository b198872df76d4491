"""Synthetic rulesets for scripts/bench: always the same text for the same kind and size.

``block``: a long list of networks in DOCKER-USER in front of some containers. ``f2b``: four fail2ban jails. ``kube``:
kube-proxy's services, 11 rules and 4 chains each. ``docker``: published containers alone. ``mixed``: all of it, and
ufw. ``office``: a router of 20 networks, with a chain for each, servers that a few networks may use, machines let in by
their hardware address, and addresses locked out for a while. Addresses come from a fixed random seed.

usage: scripts/benchgen.py KIND SIZE      prints the text
"""

from __future__ import annotations

import random
import sys
from typing import NamedTuple

from benchverdicts import FIRST_PORT

KINDS = ("mixed", "block", "f2b", "kube", "docker", "office")
FIRST_CONTAINER = 0xAC110002  # 172.17.0.2
JAILS = {"f2b-sshd": 22, "f2b-nginx": 443, "f2b-postfix": 25, "f2b-dovecot": 143}


class Made(NamedTuple):
    """An iptables-save text, how many rules it has, and the published ports."""

    text: str
    rules: int
    published: tuple[int, ...]


def make(kind: str, size: int) -> Made:
    """A ruleset of about ``size`` rules."""
    rng = random.Random(f"{kind} {size}")  # noqa: S311 - not for secrets
    if kind == "office":
        return _office(size, rng)
    containers = {"mixed": size // 100, "block": size // 100, "docker": size // 3}.get(kind, 10) or 1
    blocked = {"mixed": size * 3 // 10, "block": size * 97 // 100}.get(kind, 0)
    bans = {"mixed": size * 4 // 10, "f2b": size}.get(kind, 0)
    services = {"mixed": size * 26 // 1000, "kube": size // 11}.get(kind, 0)
    allowed = size // 100 if kind == "mixed" else 20
    jails = JAILS if bans else {}
    chains, kube = _kube(services, rng)
    published = tuple(FIRST_PORT + i for i in range(containers))
    nat = ["*nat", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]",
           ":POSTROUTING ACCEPT [0:0]", ":DOCKER - [0:0]", *(f":{chain} - [0:0]" for chain in chains)]
    if services:
        nat.append("-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES")
    nat += ["-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
            "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
            "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"]
    nat += [f"-A DOCKER ! -i docker0 -p tcp -m tcp --dport {port} -j DNAT --to-destination {_text(container)}:80"
            for container, port in enumerate(published, FIRST_CONTAINER)]
    rules = ["*raw", ":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"]
    rules += [f"-A PREROUTING -d {_text(FIRST_CONTAINER + i)}/32 ! -i docker0 -j DROP" for i in range(containers)]
    rules += ["COMMIT", "*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]",
              ":DOCKER - [0:0]", ":DOCKER-USER - [0:0]", ":ufw-user-input - [0:0]",
              *(f":{jail} - [0:0]" for jail in jails)]
    rules += [f"-A INPUT -p tcp -m multiport --dports {port} -j {jail}" for jail, port in jails.items()]
    rules += ["-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
              "-A INPUT -j ufw-user-input", "-A FORWARD -j DOCKER-USER",
              "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
              "-A FORWARD -o docker0 -j DOCKER", "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT"]
    rules += [f"-A DOCKER -d {_text(FIRST_CONTAINER + i)}/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT"
              for i in range(containers)]
    rules += ["-A DOCKER ! -i docker0 -o docker0 -j DROP"]
    rules += [f"-A DOCKER-USER -s {_network(rng)} -i eth0 -j DROP" for _ in range(blocked)]
    names = list(jails)
    rules += [f"-A {names[i % 4]} -s {_text(rng.getrandbits(32))}/32 -j REJECT --reject-with icmp-port-unreachable"
              for i in range(bans)]
    rules += [f"-A ufw-user-input -p tcp -m tcp --dport {20000 + 2 * i} -j ACCEPT" for i in range(allowed)]
    lines = [*nat, *kube, "COMMIT", *rules, "COMMIT", ""]
    return Made("\n".join(lines), sum(line.startswith("-A") for line in lines), published)


def _kube(services: int, rng: random.Random) -> tuple[list[str], list[str]]:
    """What kube-proxy writes into nat: chains and rules, three endpoints for each service."""
    if not services:
        return [], []
    chains, rules = ["KUBE-SERVICES", "KUBE-MARK-MASQ"], ["-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000"]
    for i in range(services):
        service, address = f"KUBE-SVC-{rng.getrandbits(64):016X}", _text(0x0A600000 + i)
        name, port = f"ns{i % 50}/service{i}:http", rng.choice((80, 443, 8080))
        rules.append(f'-A KUBE-SERVICES -d {address}/32 -p tcp -m comment --comment "{name} cluster IP" '
                     f"-m tcp --dport {port} -j {service}")
        rules.append(f'-A {service} ! -s 10.244.0.0/16 -d {address}/32 -p tcp -m comment --comment "{name} cluster IP" '
                     f"-m tcp --dport {port} -j KUBE-MARK-MASQ")
        chains.append(service)
        for chance in ("-m statistic --mode random --probability 0.33333333349 ",
                       "-m statistic --mode random --probability 0.50000000000 ", ""):
            endpoint, pod = f"KUBE-SEP-{rng.getrandbits(64):016X}", _text(0x0AF40000 + rng.getrandbits(16))
            chains.append(endpoint)
            rules.append(f'-A {service} -m comment --comment "{name} -> {pod}:8080" {chance}-j {endpoint}')
            rules.append(f'-A {endpoint} -s {pod}/32 -m comment --comment "{name}" -j KUBE-MARK-MASQ')
            rules.append(f'-A {endpoint} -p tcp -m comment --comment "{name}" -m tcp '
                         f"-j DNAT --to-destination {pod}:8080")
    return chains, rules


OFFICE_NETWORKS = 20
OFFICE = 0x0A140000
"""10.20.0.0: the office's networks are the /24s from here on, on vlan0, vlan1, …; the rest is behind uplink."""


def _office(size: int, rng: random.Random) -> Made:
    """FORWARD of a router: spoofed sources, then a chain for each network with what may come into it."""
    chains = [f"to-vlan{i}" for i in range(OFFICE_NETWORKS)]
    rules = ["-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
             "-A FORWARD -m recent --rcheck --seconds 600 --name locked-out --mask 255.255.255.255 --rsource -j DROP"]
    for i in range(OFFICE_NETWORKS):
        network = f"{_text(OFFICE + 256 * i)}/24"
        rules += [f"-A FORWARD ! -s {network} -i vlan{i} -j DROP", f"-A FORWARD -s {network} -i uplink -j DROP",
                  f"-A FORWARD -d {network} -o vlan{i} -j to-vlan{i}"]
    rules.append("-A FORWARD -o uplink -j ACCEPT")
    services = ("22", "80,443", "25,465,587,993", "445,139", "3389", "5900:5910", "53", "8000:8080")
    for _ in range(size - len(rules) - OFFICE_NETWORKS):
        i = rng.randrange(OFFICE_NETWORKS)
        server = _text(OFFICE + 256 * i + rng.randint(10, 30))
        ports, choice = rng.choice(services), rng.random()
        if choice < 0.6:
            source = f"-s {_text(OFFICE + 256 * rng.randrange(OFFICE_NETWORKS))}/24 " if choice < 0.45 else ""
            match = f"multiport --dports {ports}" if "," in ports else f"tcp --dport {ports}"
            rules.append(f"-A to-vlan{i} {source}-d {server}/32 -p tcp -m {match} -j ACCEPT")
        elif choice < 0.8:
            rules.append(f"-A to-vlan{i} -s {_network(rng)} -d {server}/32 -p tcp -m tcp --dport 22 -j ACCEPT")
        elif choice < 0.9:
            hardware = ":".join(f"{rng.getrandbits(8):02x}" for _ in range(6))
            rules.append(f"-A to-vlan{i} -d {server}/32 -m mac --mac-source {hardware} -j ACCEPT")
        else:
            rules.append(f"-A to-vlan{i} -s {_network(rng)} -j DROP")
    rules += [f"-A {chain} -j REJECT --reject-with icmp-admin-prohibited" for chain in chains]
    heads = ["*filter", ":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]",
             *(f":{chain} - [0:0]" for chain in chains)]
    return Made("\n".join([*heads, *rules, "COMMIT", ""]), len(rules), ())


def _text(address: int) -> str:
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


def _network(rng: random.Random) -> str:
    length = rng.randint(16, 28)
    return f"{_text(rng.getrandbits(32) >> (32 - length) << (32 - length))}/{length}"


if __name__ == "__main__":
    sys.stdout.write(make(sys.argv[1], int(sys.argv[2])).text)

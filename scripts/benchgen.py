"""Synthetic rulesets for scripts/bench: always the same text for the same kind and size.

``mixed`` is shaped like a busy host: one hundredth as many published containers as rules, a DOCKER-USER block list of
networks, fail2ban jails, and ufw. Addresses come from a fixed random seed.
"""

from __future__ import annotations

import random


def mixed(size: int) -> tuple[str, list[tuple[int, int]]]:
    """An iptables-save text of about ``size`` rules, and the published ports: (host port, container address)."""
    rng = random.Random(size)  # noqa: S311 - not for secrets
    containers = max(size // 100, 1)
    blocks, bans, allowed = size * 30 // 100, size * 60 // 100, max(size // 100, 1)
    published = [(10000 + i, 0xAC110002 + i) for i in range(containers)]
    nat = ["*nat", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]",
           ":POSTROUTING ACCEPT [0:0]", ":DOCKER - [0:0]",
           "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
           "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
           "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"]
    nat += [f"-A DOCKER ! -i docker0 -p tcp -m tcp --dport {port} -j DNAT --to-destination {_text(address)}:80"
            for port, address in published]
    chains = [f"f2b-{name}" for name in ("sshd", "nginx", "postfix", "dovecot")]
    rules = ["*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]", ":DOCKER - [0:0]",
             ":DOCKER-USER - [0:0]", ":ufw-user-input - [0:0]", *(f":{chain} - [0:0]" for chain in chains)]
    ports = (22, 443, 25, 143)
    rules += [f"-A INPUT -p tcp -m multiport --dports {port} -j {chain}"
              for chain, port in zip(chains, ports, strict=True)]
    rules += ["-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
              "-A INPUT -j ufw-user-input", "-A FORWARD -j DOCKER-USER",
              "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
              "-A FORWARD -o docker0 -j DOCKER", "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT"]
    rules += [f"-A DOCKER -d {_text(address)}/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT"
              for _, address in published]
    rules += [f"-A DOCKER-USER -s {_network(rng)} -i eth0 -j DROP" for _ in range(blocks)]
    rules += [f"-A {chains[i % 4]} -s {_text(rng.getrandbits(32))}/32 -j REJECT --reject-with icmp-port-unreachable"
              for i in range(bans)]
    rules += [f"-A ufw-user-input -p tcp -m tcp --dport {20000 + i} -j ACCEPT" for i in range(allowed)]
    return "\n".join([*nat, "COMMIT", *rules, "COMMIT", ""]), published


def _text(address: int) -> str:
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


def _network(rng: random.Random) -> str:
    length = rng.randint(16, 28)
    return f"{_text(rng.getrandbits(32) >> (32 - length) << (32 - length))}/{length}"

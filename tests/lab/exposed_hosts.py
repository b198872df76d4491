#!/usr/bin/env python3
"""Record the hosts that tests of findings about containers and what is exposed need (docs/testing.md).

usage: python tests/lab/exposed_hosts.py [NAME ...]     as root; without names, all of them

They go to tests/data/findings/exposed.tar.xz, in the form of record_hosts.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import record_hosts  # noqa: E402
from machine import Machine  # noqa: E402

_COMPOSE = """\
services:
  db:
    image: postgres:16
    environment:
      POSTGRES_PASSWORD: postgres
    ports:
      - "5432:5432"
  web:
    image: nginx:1.27
    ports:
      - "80:80"
"""


def weak_password(machine: Machine) -> None:
    """The story with its second cause: a published database whose password is the default, and one that is not reached.

    The web server has the same variable, as containers do that share a file of settings; it is no door of its own.
    """
    machine.ufw("allow 22/tcp", "allow 80/tcp", "deny 5432")
    (machine.root / "srv/shop").mkdir(parents=True)
    (machine.root / "srv/shop/compose.yaml").write_text(_COMPOSE)
    machine.docker.start()
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.project.config_files": "/srv/shop/compose.yaml"}
    machine.docker.run("shop-db-1", "5432:5432", image="postgres:16", env=["POSTGRES_PASSWORD=postgres"],
                       labels={**labels, "com.docker.compose.service": "db"})
    machine.docker.run("shop-web-1", "80:80", image="nginx:1.27", env=["POSTGRES_PASSWORD=postgres"],
                       labels={**labels, "com.docker.compose.service": "web"})
    machine.docker.run("inner-db", listen=["tcp:3306"], image="mysql:8", env=["MYSQL_ROOT_PASSWORD=kV9q"])


def good_password(machine: Machine) -> None:
    """The same database, published, with a password that nobody guesses."""
    machine.ufw("allow 22/tcp", "deny 5432")
    machine.docker.start()
    machine.docker.run("shop-db-1", "5432:5432", image="postgres:16", env=["POSTGRES_PASSWORD=k9Vq2Lx7TzP4"])


def weak_and_allowed(machine: Machine) -> None:
    """Policy opens a Redis that asks for no password, and a PostgreSQL that does."""
    machine.ufw("allow 22/tcp", "allow 6379/tcp", "allow 5432/tcp")
    machine.docker.start()
    machine.docker.run("cache", "6379:6379", image="redis:7", env=["ALLOW_EMPTY_PASSWORD=yes"])
    machine.docker.run("pg", "5432:5432", image="postgres:16", env=["POSTGRES_PASSWORD=k9Vq2Lx7TzP4"])


def api_open(machine: Machine) -> None:
    """The engine's API for everybody, and ufw lets them in."""
    machine.ufw("allow 22/tcp", "allow 2375/tcp")
    machine.docker.start("-H", "tcp://0.0.0.0:2375")
    machine.docker.run("web", "8080:80")


def api_local(machine: Machine) -> None:
    """The engine's API on 127.0.0.1, without a password."""
    machine.ufw("allow 22/tcp")
    machine.docker.start("-H", "tcp://127.0.0.1:2375")


def api_with_certificates(machine: Machine) -> None:
    """The engine's API for those who have a certificate; ufw lets in nobody."""
    machine.ufw("allow 22/tcp")
    machine.sh("cd /root && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30"
               " -subj /CN=lab -addext subjectAltName=IP:127.0.0.1 2>/dev/null")
    machine.docker.start("-H", "tcp://0.0.0.0:2376", "--tlsverify", "--tlscacert", "/root/cert.pem",
                         "--tlscert", "/root/cert.pem", "--tlskey", "/root/key.pem")


def socket_mounted(machine: Machine) -> None:
    """Two containers that hold the engine's socket, one of them published."""
    machine.ufw("allow 22/tcp", "allow 9001/tcp")
    machine.docker.start()
    socket = "/run/docker.sock:/var/run/docker.sock:ro"
    machine.docker.run("panel", "9001:9001", Binds=["/usr:/usr:ro", "/lab:/lab:ro", socket])
    machine.docker.run("updater", Binds=["/usr:/usr:ro", "/lab:/lab:ro", socket])


def other_interface(machine: Machine) -> None:
    """Published on the inner address and allowed on the inner interface; a neighbour at the outer one gets in."""
    machine.ufw("allow 22/tcp", "allow in on eth1 to any port 5432 proto tcp")
    machine.docker.start()
    machine.docker.run("pg", "192.168.50.10:5432:5432")


def other_interface_closed(machine: Machine) -> None:
    """The same, with a rule that names the interface."""
    other_interface(machine)
    machine.sh("iptables -t raw -I PREROUTING 1 -i eth0 -d 192.168.50.10 -p tcp --dport 5432 -j DROP")


def icc_void(machine: Machine) -> None:
    """icc=false, and ufw forwards everything."""
    machine.ufw("allow 22/tcp", "default allow routed")
    machine.docker.start("--icc=false")
    machine.docker.run("one", listen=["tcp:80"])
    machine.docker.run("two", listen=["tcp:80"])


def ipv6_forgotten(machine: Machine) -> None:
    """IPv6 is published as IPv4 is, and DOCKER-USER closes IPv4 alone."""
    machine.ufw("allow 22/tcp")
    machine.docker.start("--experimental", "--ip6tables")
    machine.docker.network("six", "172.28.0.0/24", "fd00:28::/64", EnableIPv6=True)
    machine.docker.run("pg", "5432:5432", network="six")
    machine.sh("iptables -I DOCKER-USER -p tcp -m conntrack --ctorigdstport 5432 --ctdir ORIGINAL -j DROP")


def ipv6_open(machine: Machine) -> None:
    """An IPv6 network, an engine that writes no IPv6 rules, and no firewall besides."""
    machine.docker.start()
    machine.docker.network("six", "172.28.0.0/24", "fd00:28::/64", EnableIPv6=True)
    machine.docker.run("pg", "127.0.0.1:5432:5432", listen=["tcp:9200"], network="six")


def source_port(machine: Machine) -> None:
    """A published resolver is closed in DOCKER-USER, but for what comes from port 53: so answers were let in. And a
    process of the host, with a rule of ufw's of the same kind."""
    machine.ufw("allow 22/tcp", "allow in proto udp from any port 53")
    machine.listen("udp:9999")
    machine.docker.start()
    machine.docker.run("dns", "5353:5353/udp")
    closed = "-p udp -m conntrack --ctorigdstport 5353 --ctdir ORIGINAL -j DROP"
    machine.sh(f"iptables -I DOCKER-USER {closed}; iptables -I DOCKER-USER -p udp --sport 53 -j RETURN")


def source_port_closed(machine: Machine) -> None:
    """The same, with answers let in by their connection."""
    source_port(machine)
    machine.ufw("delete allow in proto udp from any port 53", enable=False)
    machine.sh("iptables -D DOCKER-USER -p udp --sport 53 -j RETURN;"
               "iptables -I DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN")


HOSTS: tuple[Callable[[Machine], None], ...] = (
    weak_password, good_password, weak_and_allowed, api_open, api_local, api_with_certificates, socket_mounted,
    other_interface, other_interface_closed, icc_void, ipv6_forgotten, ipv6_open, source_port, source_port_closed,
)


if __name__ == "__main__":
    record_hosts.ARCHIVE = record_hosts.ARCHIVE.with_name("exposed.tar.xz")
    record_hosts.HOSTS = HOSTS
    record_hosts.main(*sys.argv[1:])

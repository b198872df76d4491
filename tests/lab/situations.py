"""Situations of the live lab: what an administrator did, what must then answer, and what a report has to say of it.

Every function makes one situation and returns what is known about it beforehand. Engines differ (docs/engines.md), so
what depends on the version is said here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from machine import Machine


@dataclass(frozen=True)
class Known:
    """What is known beforehand.

    ``answers``: "SOURCE ADDRESS PORT/PROTOCOL" → who replies, or None; SOURCE is a place or one source address.
    ``verdicts``: "CONTAINER PORT/PROTOCOL FAMILY" → the report's verdict on that published port.
    """

    answers: Mapping[str, str | None]
    verdicts: Mapping[str, str]


def denied_but_published(machine: Machine) -> Known:
    """The story: ufw denies 5432, Docker publishes it, and everybody gets in."""
    machine.ufw("allow 22/tcp", "deny 5432")
    machine.listen("tcp:22", "tcp:9100")
    machine.docker.start()
    machine.docker.run("pg", "5432:5432")
    return _DENIED_BUT_PUBLISHED


_DENIED_BUT_PUBLISHED = Known(
    {"pub 203.0.113.10 5432/tcp": "pg", "lan 192.168.50.10 5432/tcp": "pg", "pub 2001:db8:1::10 5432/tcp": None,
     "pub 203.0.113.10 22/tcp": "HOST", "pub 203.0.113.10 9100/tcp": None},
    {"pg 5432/tcp 4": "bypass", "pg 5432/tcp 6": "blocked"})


def ufw_reload(machine: Machine) -> Known:
    """A reload of ufw changes nothing."""
    known = denied_but_published(machine)
    machine.ufw("reload", enable=False)
    return known


def docker_restart(machine: Machine) -> Known:
    """Nor does a restart of Docker."""
    known = denied_but_published(machine)
    machine.docker.stop()
    machine.docker.start()
    machine.docker.start_container("pg")
    return known


def docker_before_ufw(machine: Machine) -> Known:
    """Nor does the order in which the two are started."""
    machine.listen("tcp:22", "tcp:9100")
    machine.docker.start()
    machine.docker.run("pg", "5432:5432")
    machine.ufw("allow 22/tcp", "deny 5432")
    return _DENIED_BUT_PUBLISHED


def loopback(machine: Machine) -> Known:
    """Published on 127.0.0.1: before Docker 28 a neighbour who sends to 127.0.0.1 gets in all the same."""
    machine.ufw("allow 22/tcp")
    machine.docker.start()
    machine.docker.run("pg", "127.0.0.1:5432:5432")
    old = machine.docker.major < 28
    return Known({"pub 203.0.113.10 5432/tcp": None, "host 127.0.0.1 5432/tcp": "pg",
                  "lan 127.0.0.1 5432/tcp": "pg" if old else None},
                 {"pg 5432/tcp 4": "neighbours" if old else "blocked"})


def ipv6_through_proxy(machine: Machine) -> Known:
    """IPv6 to a container that has none goes by docker-proxy, so through INPUT: here, ufw's word counts."""
    machine.ufw("allow 22/tcp", "allow 8080/tcp", "deny 9000/tcp")
    machine.docker.start()
    machine.docker.run("web", "8080:80", "9000:9000")
    return Known({"pub 2001:db8:1::10 8080/tcp": "web", "pub 2001:db8:1::10 9000/tcp": None,
                  "pub 203.0.113.10 8080/tcp": "web", "pub 203.0.113.10 9000/tcp": "web"},
                 {"web 8080/tcp 6": "as-intended", "web 9000/tcp 6": "blocked",
                  "web 8080/tcp 4": "as-intended", "web 9000/tcp 4": "bypass"})


def allowed_from_one_network(machine: Machine) -> Known:
    """ufw allows one network; Docker lets in all of them."""
    machine.ufw("allow 22/tcp", "allow proto tcp from 198.51.100.0/24 to any port 8080",
                "allow proto tcp from 192.168.50.0/24 to any port 9100")
    machine.listen("tcp:9100")
    machine.docker.start()
    machine.docker.run("web", "8080:80")
    return Known({"198.51.100.7 203.0.113.10 8080/tcp": "web", "203.0.113.50 203.0.113.10 8080/tcp": "web",
                  "192.168.50.20 192.168.50.10 9100/tcp": "HOST", "10.77.0.5 192.168.50.10 9100/tcp": None},
                 {"web 8080/tcp 4": "bypass", "web 8080/tcp 6": "blocked"})


def docker_user_drop(machine: Machine) -> Known:
    """Rules in DOCKER-USER that name the port as the client sees it do close it, on the interfaces they name."""
    machine.ufw("allow 22/tcp")
    machine.docker.start()
    machine.docker.run("pg", "5432:5432", "5433:5433")
    for iif, port in (("eth0", 5432), ("eth1", 5432), ("eth0", 5433)):
        machine.sh(f"iptables -I DOCKER-USER -i {iif} -p tcp"
                   f" -m conntrack --ctorigdstport {port} --ctdir ORIGINAL -j DROP")
    return Known({"pub 203.0.113.10 5432/tcp": None, "lan 192.168.50.10 5432/tcp": None,
                  "pub 203.0.113.10 5433/tcp": None, "lan 192.168.50.10 5433/tcp": "pg"},
                 {"pg 5432/tcp 4": "blocked", "pg 5433/tcp 4": "bypass"})


def host_network(machine: Machine) -> Known:
    """A container in the host's network is a process of the host: ufw's rules hold."""
    machine.ufw("allow 22/tcp", "allow 8080/tcp")
    machine.listen("tcp:22")
    machine.docker.start()
    machine.docker.run("web", listen=["tcp:8080", "tcp:5432"], network="host")
    return Known({"pub 203.0.113.10 8080/tcp": "web", "pub 203.0.113.10 5432/tcp": None}, {})


def unpublished_by_route(machine: Machine) -> Known:
    """Where forwarding is allowed, and before Docker 28, a port that nobody published is reached by route."""
    machine.ufw("allow 22/tcp", "default allow routed")
    machine.docker.start()
    machine.docker.run("web", "8080:80", listen=["tcp:9200"])
    return Known({"pub 172.17.0.2 9200/tcp": "web" if machine.docker.major < 28 else None,
                  "pub 203.0.113.10 8080/tcp": "web"},
                 {"web 8080/tcp 4": "bypass"})


def user_defined_network(machine: Machine) -> Known:
    """A network of one's own is no different."""
    machine.ufw("allow 22/tcp")
    machine.docker.start()
    machine.docker.network("app", "172.30.0.0/24")
    machine.docker.run("web", "8080:80", listen=["tcp:9200"], network="app")
    return Known({"pub 203.0.113.10 8080/tcp": "web", "pub 172.30.0.2 9200/tcp": None}, {"web 8080/tcp 4": "bypass"})


def two_networks(machine: Machine) -> Known:
    """Two networks are kept apart, whatever is published."""
    machine.ufw("allow 22/tcp")
    machine.docker.start()
    machine.docker.network("front", "172.30.0.0/24")
    machine.docker.network("back", "172.31.0.0/24")
    machine.docker.run("web", "8080:80", network="front")
    machine.docker.run("pg", listen=["tcp:5432"], network="back")
    return Known({"web 172.31.0.2 5432/tcp": None, "pub 203.0.113.10 8080/tcp": "web"}, {"web 8080/tcp 4": "bypass"})


def udp(machine: Machine) -> Known:
    """UDP goes the same ways."""
    machine.ufw("allow 22/tcp")
    machine.listen("udp:161")
    machine.docker.start()
    machine.docker.run("dns", "5353:53/udp", "5353:53")
    return Known({"pub 203.0.113.10 5353/udp": "dns", "pub 203.0.113.10 5353/tcp": "dns",
                  "pub 203.0.113.10 161/udp": None},
                 {"dns 5353/udp 4": "bypass", "dns 5353/tcp 4": "bypass", "dns 5353/udp 6": "blocked"})


def port_range(machine: Machine) -> Known:
    """A range is so many ports, one of which ufw allows."""
    machine.ufw("allow 22/tcp", "allow 7001/tcp")
    machine.docker.start()
    machine.docker.run("app", "7000-7002:7000-7002")
    return Known({f"pub 203.0.113.10 {port}/tcp": "app" for port in (7000, 7001, 7002)},
                 {"app 7000/tcp 4": "bypass", "app 7001/tcp 4": "as-intended", "app 7002/tcp 4": "bypass"})


def one_address(machine: Machine) -> Known:
    """Published on the address in the LAN alone: who routes that address here from elsewhere gets in, too."""
    machine.ufw("allow 22/tcp", "allow proto tcp from 192.168.50.0/24 to any port 5432")
    machine.docker.start()
    machine.docker.run("pg", "192.168.50.10:5432:5432")
    return Known({"lan 192.168.50.10 5432/tcp": "pg", "pub 192.168.50.10 5432/tcp": "pg",
                  "pub 203.0.113.10 5432/tcp": None}, {"pg 5432/tcp 4": "bypass"})


def ufw_off(machine: Machine) -> Known:
    """No firewall, no policy that could be passed by."""
    machine.listen("tcp:22", "tcp:9100")
    machine.docker.start()
    machine.docker.run("web", "8080:80")
    return Known({"pub 203.0.113.10 8080/tcp": "web", "pub 203.0.113.10 9100/tcp": "HOST",
                  "pub 2001:db8:1::10 8080/tcp": "web"},
                 {"web 8080/tcp 4": "as-intended", "web 8080/tcp 6": "as-intended"})


def no_traffic_between_containers(machine: Machine) -> Known:
    """--icc=false keeps containers apart, and nobody else."""
    machine.ufw("allow 22/tcp")
    machine.docker.start("--icc=false")
    machine.docker.run("web", "8080:80")
    machine.docker.run("peer", listen=["tcp:7000"])
    return Known({"peer 172.17.0.2 80/tcp": None, "pub 203.0.113.10 8080/tcp": "web"}, {"web 8080/tcp 4": "bypass"})


def docker_without_iptables(machine: Machine) -> Known:
    """--iptables=false leaves all to docker-proxy, so ufw decides."""
    machine.ufw("allow 22/tcp", "allow 8080/tcp")
    machine.docker.start("--iptables=false")
    machine.docker.run("web", "8080:80", "5432:5432")
    return Known({"pub 203.0.113.10 8080/tcp": "web", "pub 203.0.113.10 5432/tcp": None},
                 {"web 8080/tcp 4": "as-intended", "web 5432/tcp 4": "blocked"})


def ipv6_network(machine: Machine) -> Known:
    """With ip6tables, what holds for IPv4 holds for a container's IPv6."""
    machine.ufw("allow 22/tcp", "deny 5432")
    machine.docker.start("--experimental", "--ipv6", "--fixed-cidr-v6", "fd00:d0c:1::/64", "--ip6tables=true")
    machine.docker.run("pg", "5432:5432")
    return Known({"pub 203.0.113.10 5432/tcp": "pg", "pub 2001:db8:1::10 5432/tcp": "pg"},
                 {"pg 5432/tcp 4": "bypass", "pg 5432/tcp 6": "bypass"})


def without_proxy(machine: Machine) -> Known:
    """--userland-proxy=false: rules alone carry IPv4, from 127.0.0.1 and from containers, too, and nothing IPv6."""
    machine.ufw("allow 22/tcp", "deny 5432")
    machine.listen("tcp:22", "tcp:9100")
    machine.docker.start("--userland-proxy=false")
    machine.docker.run("pg", "5432:5432", "127.0.0.1:8080:80")
    machine.docker.run("peer", listen=["tcp:7000"])
    return Known({"pub 203.0.113.10 5432/tcp": "pg", "pub 2001:db8:1::10 5432/tcp": None,
                  "host 127.0.0.1 5432/tcp": "pg", "peer 172.17.0.1 5432/tcp": "pg"},
                 {"pg 5432/tcp 4": "bypass"})


def internal_network(machine: Machine) -> Known:
    """What stands in an internal network is reached from nowhere else, whatever it publishes."""
    machine.ufw("allow 22/tcp")
    machine.listen("tcp:22")
    machine.docker.start()
    machine.docker.network("app", "172.30.0.0/24", Internal=True)
    machine.docker.run("pg", "5432:5432", network="app")
    machine.docker.run("web", "8080:80")
    return Known({"pub 203.0.113.10 8080/tcp": "web", "pub 172.30.0.2 5432/tcp": None, "web 172.30.0.2 5432/tcp": None,
                  "host 172.30.0.2 5432/tcp": "pg"}, {"web 8080/tcp 4": "bypass"})


SITUATIONS: tuple[Callable[[Machine], Known], ...] = (
    denied_but_published, ufw_reload, docker_restart, docker_before_ufw, loopback, ipv6_through_proxy,
    allowed_from_one_network, docker_user_drop, host_network, unpublished_by_route, user_defined_network, two_networks,
    udp, port_range, one_address, ufw_off, no_traffic_between_containers, docker_without_iptables, ipv6_network,
    without_proxy, internal_network,
)

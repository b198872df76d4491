#!/usr/bin/env python3
"""Record the hosts that tests of findings need and that are not among the captures (docs/testing.md).

usage: python tests/lab/record_hosts.py [NAME ...]     as root; without names, all of them

Each is a machine of the lab on which an administrator did one thing. The snapshots go to
tests/data/findings/hosts.tar.xz, the files of one kind side by side, since most of what two hosts say is the same.
"""

from __future__ import annotations

import io
import json
import lzma
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import Machine  # noqa: E402

ARCHIVE = Path(__file__).parents[1] / "data" / "findings" / "hosts.tar.xz"
_SNAPSHOT = "/root/host.tar"

OLD_BLOCK = """
# BEGIN UFW AND DOCKER
*filter
:ufw-user-forward - [0:0]
:DOCKER-USER - [0:0]
-A DOCKER-USER -j RETURN -s 10.0.0.0/8
-A DOCKER-USER -j RETURN -s 172.16.0.0/12
-A DOCKER-USER -j RETURN -s 192.168.0.0/16
-A DOCKER-USER -p udp -m udp --sport 53 --dport 1024:65535 -j RETURN
-A DOCKER-USER -j ufw-user-forward
-A DOCKER-USER -j DROP -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -d 192.168.0.0/16
-A DOCKER-USER -j DROP -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -d 10.0.0.0/8
-A DOCKER-USER -j DROP -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -d 172.16.0.0/12
-A DOCKER-USER -j DROP -p udp -m udp --dport 0:32767 -d 192.168.0.0/16
-A DOCKER-USER -j DROP -p udp -m udp --dport 0:32767 -d 10.0.0.0/8
-A DOCKER-USER -j DROP -p udp -m udp --dport 0:32767 -d 172.16.0.0/12
-A DOCKER-USER -j RETURN
COMMIT
# END UFW AND DOCKER
"""
"""What ufw-docker wrote into after.rules before 2022."""


def plain(machine: Machine) -> None:
    """ufw, Docker, and a published web server and database: what the others differ from."""
    machine.ufw("allow 22/tcp", "deny 5432")
    machine.listen("tcp:22", "tcp:9100")
    machine.docker.start()
    machine.docker.run("web", "8080:80", listen=["tcp:9200"])
    machine.docker.run("pg", "5432:5432")


def cuts_replies(machine: Machine) -> None:
    """The example of Docker's documentation, without the rule for replies."""
    plain(machine)
    machine.sh("iptables -I DOCKER-USER -i eth0 ! -s 198.51.100.7 -j DROP")


def cuts_clients(machine: Machine) -> None:
    """All but one client are kept out, and his answers as well: --ctdir ORIGINAL was left out."""
    plain(machine)
    machine.sh("iptables -I DOCKER-USER ! -s 198.51.100.7 -p tcp -m conntrack --ctorigdstport 5432 -j DROP")


def jumps_to_ufw(machine: Machine) -> None:
    """DOCKER-USER asks ufw's own chain."""
    plain(machine)
    machine.sh("iptables -I DOCKER-USER -i eth0 -j ufw-user-input")


def jumps_to_ufw_reloaded(machine: Machine) -> None:
    """The same, after a reload of ufw."""
    jumps_to_ufw(machine)
    machine.run("ufw", "reload")


def input_flushed(machine: Machine) -> None:
    """INPUT was flushed and opened; ufw status still says active."""
    plain(machine)
    machine.sh("iptables -P INPUT ACCEPT; iptables -F INPUT")


def stale(machine: Machine) -> None:
    """Rules for a container that is gone, and for the bridge of a network that is gone."""
    plain(machine)
    machine.docker.run("old", "8081:80")
    machine.docker.network("gone", "172.30.0.0/24")
    bridge = machine.sh("ip -br link | grep -o '^br-[0-9a-f]*'").strip()
    machine.sh("iptables -I DOCKER-USER -i eth0 -d 172.17.0.4 -p tcp --dport 80 -j DROP;"
               "iptables -I DOCKER-USER -i eth0 -d 172.17.0.2 -p tcp --dport 80 -j DROP;"
               f"iptables -I DOCKER-USER -i eth0 -o {bridge} -j DROP")
    machine.docker.api("DELETE", "/containers/old?force=true")
    machine.docker.api("DELETE", "/networks/gone")


def empty_set(machine: Machine) -> None:
    """A rule drops whoever is on a list, and nobody is."""
    plain(machine)
    machine.sh("ipset create blocked hash:net; ipset create trusted hash:net; ipset add trusted 198.51.100.0/24;"
               "iptables -I DOCKER-USER -i eth0 -m set --match-set blocked src -j DROP;"
               "iptables -I DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 5432 --ctdir ORIGINAL"
               " -m set ! --match-set trusted src -j DROP")


def ufw_docker_old(machine: Machine) -> None:
    """The block that ufw-docker wrote in its first years; UDP published high and low."""
    with (machine.root / "etc/ufw/after.rules").open("a") as rules:
        rules.write(OLD_BLOCK)
    machine.ufw("allow 22/tcp")
    machine.docker.start()
    machine.docker.run("web", "8080:80")
    machine.docker.run("game", "34000:34000/udp", "5353:5353/udp")
    machine.ufw("reload", enable=False)


def ufw_docker_wrong_port(machine: Machine) -> None:
    """A route rule that names the host's port, where the container's is asked for."""
    ufw_docker_old(machine)
    machine.ufw("route allow proto tcp from any to any port 8080", enable=False)


def manage_builtins(machine: Machine) -> None:
    """ufw was told to manage the built-in chains; Docker was started after it."""
    machine.sh("sed -i s/MANAGE_BUILTINS=no/MANAGE_BUILTINS=yes/ /etc/default/ufw")
    plain(machine)


def edited_rules(machine: Machine) -> None:
    """A rule was written into user.rules by hand, and ufw was not reloaded."""
    plain(machine)
    machine.sh("sed -i 's|^### END RULES ###|### tuple ### deny tcp 9100 0.0.0.0/0 any 0.0.0.0/0 in\\n"
               "-A ufw-user-input -p tcp --dport 9100 -j DROP\\n\\n### END RULES ###|' /etc/ufw/user.rules;"
               "grep -q 9100 /etc/ufw/user.rules")


def forward_accept(machine: Machine) -> None:
    """What is forwarded is let through, and a container listens on a port that it does not publish."""
    machine.ufw("default allow routed")
    plain(machine)


def both_backends(machine: Machine) -> None:
    """Docker and ufw write nftables; a rule of somebody's stands in the legacy tables."""
    plain(machine)
    machine.sh("iptables-legacy -A INPUT -p tcp --dport 9100 -j DROP")


def saved(machine: Machine) -> None:
    """A rule in DOCKER-USER that netfilter-persistent loads at boot."""
    plain(machine)
    machine.sh("iptables -I DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 5432 --ctdir ORIGINAL -j DROP;"
               "mkdir -p /etc/iptables; iptables-save > /etc/iptables/rules.v4")


def not_saved(machine: Machine) -> None:
    """The same rule, and an older file without it."""
    plain(machine)
    machine.sh("mkdir -p /etc/iptables; iptables-save > /etc/iptables/rules.v4;"
               "iptables -I DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 5432 --ctdir ORIGINAL -j DROP")


def loaded_by_unit(machine: Machine) -> None:
    """The same rule, written by a unit that runs at boot."""
    not_saved(machine)
    rule = "iptables -I DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 5432 --ctdir ORIGINAL -j DROP"
    (machine.root / "etc/systemd/system/close-pg.service").write_text(
        f"[Unit]\nAfter=docker.service\n[Service]\nType=oneshot\nExecStart={rule}\n[Install]\n"
        "WantedBy=multi-user.target\n")
    machine.sh("mkdir -p /etc/systemd/system/multi-user.target.wants; ln -s ../close-pg.service"
               " /etc/systemd/system/multi-user.target.wants/")


HOSTS: tuple[Callable[[Machine], None], ...] = (
    plain, cuts_replies, cuts_clients, jumps_to_ufw, jumps_to_ufw_reloaded, input_flushed, stale, empty_set,
    ufw_docker_old, ufw_docker_wrong_port, manage_builtins, edited_rules, forward_accept, both_backends, saved,
    not_saved, loaded_by_unit,
)


def record(make: Callable[[Machine], None]) -> dict[str, bytes]:
    """The files of a snapshot that was taken on such a machine."""
    with Machine() as machine:
        make(machine)
        taken = machine.fwaudit("snapshot", "-o", _SNAPSHOT)
        assert taken.returncode == 0, taken.stderr
        with tarfile.open(machine.root / _SNAPSHOT.lstrip("/")) as archive:
            return {member.name.removeprefix("./"): stream.read() for member in archive
                    if (stream := archive.extractfile(member)) is not None}


def unpack() -> dict[str, dict[str, bytes]]:
    """NAME → files, of what was recorded before."""
    found: dict[str, dict[str, bytes]] = {}
    if ARCHIVE.exists():
        with tarfile.open(ARCHIVE) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                host, _, name = member.name.partition("/")
                if stream is not None:
                    found.setdefault(host, {})[name] = stream.read()
    return found


def pack(hosts: dict[str, dict[str, bytes]]) -> None:
    """Write all of them; the same input gives the same archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, host in sorted((name, host) for host, files in hosts.items() for name in files):
            member = tarfile.TarInfo(f"{host}/{name}")
            member.size = len(hosts[host][name])
            archive.addfile(member, io.BytesIO(hosts[host][name]))
    ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
    ARCHIVE.write_bytes(lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME))


def main(*wanted: str) -> None:
    hosts = {} if not wanted else unpack()
    for make in HOSTS:
        if not wanted or make.__name__ in wanted:
            hosts[make.__name__] = record(make)
            json.loads(hosts[make.__name__]["meta.json"])
            print(make.__name__, flush=True)
    pack(hosts)
    print(f"{len(hosts)} hosts, {ARCHIVE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])

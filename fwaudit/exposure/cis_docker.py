"""The CIS Docker Benchmark 1.6.0 as far as this host's facts decide it: which recommendations pass, fail, do not
apply, or cannot be told.

Numbers and meaning as in the benchmark's table of contents; 1.6.0 counts section 5 from swarm mode (5.1) on, so that
capabilities are 5.4, privileged containers 5.5 and the socket 5.32, one more than in 1.5.0 (5.3, 5.4, 5.31:
https://tenable.com/audits/CIS_Docker_v1.5.0_L1_Docker_Linux; ``exec --privileged`` is 5.22 there and 5.23 in
https://tenable.com/audits/CIS_Docker_v1.6.0_L2_Docker_Linux). What counts as failed is what docker-bench-security
looks at (https://github.com/docker/docker-bench-security, tests/). What the host's facts do not tell is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fwaudit.model.compliance import Checked, Control
from fwaudit.model.host import Container, Host
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.records import dataclass

NAME = "CIS Docker Benchmark 1.6.0"
_CITED = "CIS Docker"
_DEFAULT_CAPABILITIES = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"})
"""What every container has (moby's oci/caps/defaults.go): to add one of them adds nothing."""
_SOCKETS = ("/docker.sock", "/containerd.sock")
_SWARM_PORT = 2377
_BY_SOCKETS = ("2.7", "2.16", "7.2")


@dataclass(frozen=True, slots=True)
class _Facts:
    """``wrong``: what shows that it fails; empty: it passes. ``unknown``: why it cannot be told, where nothing is
    wrong; ``applies``: False where there is nothing that it speaks of."""

    wrong: tuple[str, ...] = ()
    unknown: str = ""
    applies: bool = True


_NOTHING = _Facts(applies=False)


def controls(host: Host, checked: Checked) -> tuple[Control, ...]:
    """Every recommendation that can be judged, in the order of their numbers."""
    return tuple(_control(host, checked, *each) for each in _CONTROLS)


def _control(host: Host, checked: Checked, number: str, title: str, judge: Callable[[Host, Checked], _Facts],
             purpose: bool) -> Control:
    """``purpose``: findings that cite it show that what it is for is missed, whatever its letter says."""
    shown = [each for each in checked.report.every_finding if f"{_CITED} {number}" in each.references]
    facts = judge(host, checked)
    if host.engine.unread:
        facts = _Facts(unknown=f"the engine could not be asked: {host.engine.unread}")
    elif not host.engine.version or host.engine.name != "docker":
        facts = _NOTHING
    elif not facts.wrong and not facts.unknown and (unread := _unread(host, number)):
        facts = _Facts(unknown=unread)
    by = tuple(dict.fromkeys((each.id, each.subject) for each in shown))
    if facts.wrong or (purpose and any(each.certain for each in shown)):
        return Control(number, title, "fail", facts.wrong, by)
    if facts.unknown:
        return Control(number, title, "undetermined", (facts.unknown,), by)
    if not facts.applies:
        return Control(number, title, "not-applicable")
    return Control(number, title, "pass", (), by)


def _unread(host: Host, number: str) -> str:
    """What could not be read of what decides it, and why; empty where all could."""
    sources = ("docker", "sockets") if number in _BY_SOCKETS else ("docker",)
    return next((f"{name} could not be read: {why}" for name, why in host.unread if name.startswith(sources)), "")


def _running(host: Host) -> list[Container]:
    return [each for each in host.engine.containers if each.running]


def _each_container(wrong: Callable[[Container], str]) -> Callable[[Host, Checked], _Facts]:
    """Judged container by container: what is wrong with one, in words."""
    def judge(host: Host, checked: Checked) -> _Facts:
        running = _running(host)
        return _Facts(tuple(filter(None, map(wrong, running)))) if running else _NOTHING
    return judge


def _between_containers(host: Host, checked: Checked) -> _Facts:
    bridge = next((each for each in host.engine.networks if each.name == "bridge" and each.driver == "bridge"), None)
    if bridge is None:
        return _NOTHING
    void = any((each.id, each.subject) == ("icc-void", "network bridge") for each in checked.report.every_finding)
    return _Facts(("containers on the default bridge reach one another",) if bridge.icc or void else ())


def _rules(host: Host, checked: Checked) -> _Facts:
    if any(each.id == "iptables-false" for each in checked.report.every_finding):
        return _Facts(("no chain of Docker's is in the kernel",))
    if any(name.startswith(("iptables", "nft")) for name, _ in host.unread):
        return _Facts(unknown="the rules could not be read")
    if any(name.startswith("DOCKER") for table in host.ruleset.tables for name in table.chains) or any(
            table.name == "docker-bridges" for table in host.ruleset.tables):
        return _Facts()
    return _Facts(unknown="no chain of Docker's is in the kernel, and no container publishes a port")


def _api(host: Host, checked: Checked) -> _Facts:
    found = [each for each in checked.report.every_finding if each.id == "docker-api-on-tcp"]
    open_to_all = [each.what for each in found if "asks for a client certificate" not in each.what]
    if open_to_all:
        return _Facts(tuple(open_to_all))
    if host.sockets is None:
        return _Facts(unknown="what listens on this host could not be read")
    return _Facts() if found else _NOTHING


def _proxy(host: Host, checked: Checked) -> _Facts:
    published = [port for each in _running(host) for port in each.published if port.host_port]
    if host.sockets is None:
        return _Facts(unknown="what listens on this host could not be read")
    if any(each.owner == "docker-proxy" for each in host.sockets):
        return _Facts(("docker-proxy serves published ports",))
    ports = {(port.proto, port.host_port) for port in published}
    if any(not each.owner and (each.proto, each.port) in ports for each in host.sockets):
        return _Facts(unknown="it is not known which program serves published ports")
    return _Facts() if published else _Facts(unknown="no container publishes a port, so it does not show")


def _swarm(host: Host, checked: Checked) -> _Facts:
    if not host.engine.swarm:
        return _NOTHING
    if host.sockets is None:
        return _Facts(unknown="what listens on this host could not be read")
    managers = [each for each in host.sockets if (each.proto, each.port) == (6, _SWARM_PORT)]
    if not managers:
        return _NOTHING  # a worker
    return _Facts(tuple(f"{_SWARM_PORT}/tcp listens on every address (IPv{each.family})" for each in managers
                        if not each.address))


def _overlays(host: Host, checked: Checked) -> _Facts:
    found = [each for each in host.engine.networks if each.driver == "overlay"]
    return _Facts(tuple(f"the network {each.name} is not encrypted" for each in found
                        if "encrypted" not in each.options)) if found else _NOTHING


def _needed(host: Host, checked: Checked) -> _Facts:
    """Who decides what is needed is the firewall policy, and the policy file."""
    names = {each.name for each in _running(host)}
    if not names:
        return _NOTHING
    of_containers = [each for each in checked.judged if each.exposure.service.container in names]
    wrong = dict.fromkeys(f"nobody answers for {_port(each.exposure.service.proto, each.exposure.service.port)} of "
                          f"{each.exposure.service.container}" for each in of_containers if each.standing == "breach")
    doubt = any(each.standing == "undecided" for each in of_containers)
    return _Facts(tuple(wrong), "who reaches a port could not be decided" if doubt else "")


def _capabilities(container: Container) -> str:
    added = sorted({name for each in container.capabilities if (name := each.upper().removeprefix("CAP_"))
                    not in _DEFAULT_CAPABILITIES})
    return f"{container.name} has {', '.join(added)}" if added else ""


def _privileged(container: Container) -> str:
    return f"{container.name} is privileged" if container.privileged else ""


def _host_network(container: Container) -> str:
    return f"{container.name} shares the host's network" if container.shares_host_network else ""


def _socket(container: Container) -> str:
    held = [source for source, _ in container.mounts if source.rstrip("/").endswith(_SOCKETS)]
    return f"{container.name} holds {held[0]}" if held else ""


def _low_ports(container: Container) -> str:
    return _listed(container, "publishes", (_port(each.proto, each.host_port) for each in container.published
                                            if 0 < each.host_port < 1024))


def _every_address(container: Container) -> str:
    return _listed(container, "publishes on every address", (
        f"{_port(each.proto, each.host_port)} ({format_address(each.family, 0)})" for each in container.published
        if each.host_port and not each.host_address))


def _listed(container: Container, does: str, what: Iterable[str]) -> str:
    found: Sequence[str] = list(dict.fromkeys(what))
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    return f"{container.name} {does}: {', '.join(found[:4])}{more}" if found else ""


def _port(proto: int, port: int) -> str:
    return f"{port}/{PROTOCOL_NAMES.get(proto, proto)}"


_CONTROLS: tuple[tuple[str, str, Callable[[Host, Checked], _Facts], bool], ...] = (
    ("2.2", "Traffic between containers on the default bridge is restricted", _between_containers, False),
    ("2.4", "Docker may change iptables", _rules, True),
    ("2.7", "The daemon asks for TLS authentication", _api, False),
    ("2.16", "The userland proxy is disabled", _proxy, False),
    ("5.4", "Kernel capabilities of containers are restricted", _each_container(_capabilities), False),
    ("5.5", "No container is privileged", _each_container(_privileged), False),
    ("5.8", "No privileged port is published", _each_container(_low_ports), False),
    ("5.9", "Only needed ports of containers are open", _needed, False),
    ("5.10", "No container shares the host's network", _each_container(_host_network), False),
    ("5.14", "Published ports are bound to one address of the host", _each_container(_every_address), True),
    ("5.32", "No container holds the engine's socket", _each_container(_socket), True),
    ("7.2", "Swarm listens on one address of the host", _swarm, False),
    ("7.3", "Overlay networks are encrypted", _overlays, False),
)

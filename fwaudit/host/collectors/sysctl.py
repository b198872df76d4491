"""The kernel settings that decide about packets, as ``key = value`` lines."""

from __future__ import annotations

from collections.abc import Iterable

from fwaudit.host.run import Collected, Machine, missing
from fwaudit.model.snapshot import Source

FILE = "sysctl"
_ROOT = "/proc/sys"
_LIMIT = 1 << 16

# Below /proc/sys; Documentation/networking/ip-sysctl.rst. ``*`` is an interface, ``all`` or ``default``.
PATTERNS = (
    "net/ipv4/ip_forward", "net/ipv4/ip_local_port_range", "net/ipv4/ip_nonlocal_bind",
    "net/ipv4/tcp_l3mdev_accept", "net/ipv4/udp_l3mdev_accept",
    *(f"net/ipv4/conf/*/{key}" for key in (
        "forwarding", "route_localnet", "rp_filter", "accept_local", "src_valid_mark", "bc_forwarding",
        "arp_ignore", "proxy_arp")),
    "net/ipv6/bindv6only", "net/ipv6/ip_nonlocal_bind",
    *(f"net/ipv6/conf/*/{key}" for key in ("forwarding", "force_forwarding", "disable_ipv6")),
    "net/bridge/bridge-nf-*",
    "net/netfilter/nf_conntrack_tcp_loose", "net/netfilter/nf_conntrack_helper",
)


def collect(machine: Machine) -> Iterable[Collected]:
    """``sysctl``: the settings that exist. An interface ``eth0.5`` is spelled ``eth0/5``, as sysctl(8) does."""
    root = machine.path(_ROOT)
    lines = []
    for pattern in PATTERNS:
        for path in sorted(root.glob(pattern)):
            parts = path.relative_to(root).parts
            answer = machine.read("/".join((_ROOT, *parts)), _LIMIT)
            if answer.data is not None:
                key = ".".join(part.replace(".", "/") for part in parts)
                lines.append(f"{key} = {answer.data.decode('ascii', 'replace').strip()}\n")
    if not lines:
        yield missing(f"no such directory: {_ROOT}/net").named(FILE)
        return
    yield Collected(FILE, "".join(lines).encode(), Source())

"""What dockerd was told: its settings that decide about packets, from its configuration file and its command line.

Only keys by a list are kept: registries, proxies and log drivers may have passwords in them. Source: dockerd(8), and
moby's daemon/config. Most of it shows in what the engine has written; this tells where nothing is written yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fwaudit.host.redact import network_options
from fwaudit.host.run import Answer, Collected, Machine, missing
from fwaudit.model.snapshot import Source

FILE = "docker/daemon.json"
_PID, _CONFIG = "/run/docker.pid", "/etc/docker/daemon.json"
_SWITCHES = frozenset({"allow-direct-routing", "icc", "ip-forward", "ip-forward-no-drop", "ip6tables", "iptables",
                       "ipv6", "userland-proxy"})
_WORDS = frozenset({"bridge-accept-fwmark", "firewall-backend", "ip"})
_NO_RAW = "DOCKER_INSECURE_NO_IPTABLES_RAW"
_NETWORKS = "default-network-opts"
_LIMIT = 1 << 20


def settings(machine: Machine) -> Collected | None:
    """``{"iptables": false, "default-network-opts": {"bridge": {…}}, …}``; what is absent is as it is by default.
    None where no dockerd runs here."""
    argv, environment = _process(machine)
    if argv is None:
        return None
    path = next((value for key, value in _options(argv) if key == "config-file"), _CONFIG)
    found: dict[str, Any] = {}
    answer = machine.read(path, _LIMIT)
    if answer.data is not None:
        try:
            read = json.loads(answer.data)
        except (ValueError, RecursionError):
            return missing(f"{path} is no JSON").named(FILE)
        found = _kept(read) if isinstance(read, dict) else {}
    elif not answer.source.missing.startswith("no such file"):
        return missing(answer.source.missing).named(FILE)
    found |= _told(argv, found.get(_NETWORKS, {}))
    if environment.get(_NO_RAW) == "1":
        found[_NO_RAW] = True
    return Answer(json.dumps(found, indent=1, sort_keys=True).encode() + b"\n", Source()).named(FILE)


def _process(machine: Machine) -> tuple[list[str] | None, dict[str, str]]:
    pid = (machine.read(_PID, 64).data or b"").strip().decode("ascii", "replace")
    argv = machine.read(f"/proc/{pid}/cmdline", _LIMIT).data if pid.isdigit() else None
    if not argv:
        return None, {}
    environment = (machine.read(f"/proc/{pid}/environ", _LIMIT).data or b"").decode("utf-8", "replace").split("\0")
    pairs = (each.partition("=") for each in environment)
    return argv.decode("utf-8", "replace").rstrip("\0").split("\0")[1:], {
        key: value for key, _, value in pairs if key == _NO_RAW}


def _kept(read: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {key: read[key] for key in _SWITCHES if isinstance(read.get(key), bool)}
    found |= {key: read[key][:100] for key in _WORDS if isinstance(read.get(key), str)}
    networks = read.get(_NETWORKS)
    if isinstance(networks, dict):
        found[_NETWORKS] = {str(driver)[:100]: network_options(options) for driver, options in networks.items()}
    return found


def _told(argv: Sequence[str], networks: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    drivers = {driver: dict(options) for driver, options in networks.items()}
    for key, value in _options(argv):
        if key in _SWITCHES:
            found[key] = value.lower() in ("", "1", "t", "true")
        elif key in _WORDS:
            found[key] = value[:100]
        elif key == "default-network-opt":
            driver, _, option = value.partition("=")
            name, _, text = option.partition("=")
            drivers.setdefault(driver, {}).update(network_options({name: text}))
    return found | ({_NETWORKS: drivers} if drivers else {})


def _options(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """``--key=value``, ``--key value`` and ``--key``; a switch takes no value from the next word."""
    for place, word in enumerate(argv):
        key, sign, value = word.partition("=")
        key = key.lstrip("-")
        if not word.startswith("-"):
            continue
        following = argv[place + 1] if place + 1 < len(argv) else ""
        yield key, value if sign or key in _SWITCHES or following.startswith("-") else following

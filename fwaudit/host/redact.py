"""What of the engine's answers may be kept: lists of allowed keys, so that what is not known is not kept.

Environment, command lines, health check commands and their output, log and volume driver options, proxies and
unknown labels hold passwords on real hosts; none of them is needed to say who can reach a port.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Judge = Callable[[Sequence[str], str], list[dict[str, Any]]]
"""Looks at a container's environment (``["KEY=value", …]``) and image here at the edge, and returns verdicts that hold
no value of it."""

JUDGED = "EnvironmentVerdicts"

Shape = Callable[[Any], Any]

_LABELS = frozenset({
    "com.docker.compose.project", "com.docker.compose.service", "com.docker.compose.project.config_files",
    "com.docker.compose.project.working_dir", "com.docker.compose.container-number", "com.docker.compose.network",
    "com.docker.swarm.service.name", "com.docker.swarm.task.name", "com.docker.stack.namespace",
    "org.opencontainers.image.title", "org.opencontainers.image.version",
})
_LABEL_PREFIXES = ("io.podman.compose.",)
_NETWORK_OPTIONS = frozenset({
    "parent", "macvlan_mode", "ipvlan_mode", "ipvlan_flag", "encrypted", "isolate", "mode", "mtu", "vlan", "vrf",
    "no_default_route", "metric",
})
_NETWORK_OPTION_PREFIX = "com.docker.network."


def _one(value: Any) -> Any:
    """A single value: text, number, truth value or nothing."""
    return value if isinstance(value, str | int | float) else None


def _short(value: Any) -> Any:
    """A single text cut short: a security option may carry a whole seccomp profile."""
    return value[:200] if isinstance(value, str) else None


def _empty(_: Any) -> dict[str, Any]:
    """The engine's way to write a set: keys with empty objects."""
    return {}


def _nothing(_: Any) -> None:
    """A key that readers look for, without its value."""


def _list(shape: Shape = _one) -> Shape:
    return lambda value: [shape(item) for item in value] if isinstance(value, list) else None


def _map(shape: Shape = _one) -> Shape:
    return lambda value: {str(key): shape(item) for key, item in value.items()} if isinstance(value, dict) else None


def _fields(**shapes: Shape) -> Shape:
    """An object of which only the given keys are kept."""
    def keep(value: Any) -> Any:
        if not isinstance(value, dict):
            return None
        return {key: shape(value[key]) for key, shape in shapes.items() if key in value}
    return keep


def _ones(*keys: str) -> dict[str, Shape]:
    return dict.fromkeys(keys, _one)


def _labels(value: Any) -> Any:
    if not isinstance(value, dict):
        return {}
    return {key: _one(text) for key, text in value.items() if key in _LABELS or key.startswith(_LABEL_PREFIXES)}


def network_options(value: Any) -> dict[str, Any]:
    """A network's driver options, by the list of those that are allowed."""
    if not isinstance(value, dict):
        return {}
    return {key: _one(text) for key, text in value.items()
            if key in _NETWORK_OPTIONS or key.startswith(_NETWORK_OPTION_PREFIX)}


_BINDINGS = _map(_list(_fields(**_ones("HostIp", "HostPort"))))
_POOL = _fields(**_ones("Subnet", "IPRange", "Gateway"), AuxiliaryAddresses=_map())

_CONTAINER = _fields(
    **_ones("Id", "Name", "Created", "Image", "Driver", "Platform", "RestartCount", "AppArmorProfile", "ProcessLabel",
            "Pod", "IsInfra"),
    Path=_nothing, Args=_nothing,
    State=_fields(**_ones("Running", "Status", "Pid", "Paused", "Restarting", "Dead", "ExitCode", "StartedAt",
                          "FinishedAt", "OOMKilled"),
                  Health=_fields(**_ones("Status"))),
    Config=_fields(**_ones("Image", "User", "Hostname"), Labels=_labels, ExposedPorts=_map(_empty),
                   Env=_nothing, Cmd=_nothing, Entrypoint=_nothing),
    HostConfig=_fields(
        **_ones("NetworkMode", "PublishAllPorts", "Privileged", "PidMode", "IpcMode", "UTSMode", "UsernsMode",
                "CgroupnsMode", "ReadonlyRootfs", "Runtime", "AutoRemove", "Isolation"),
        PortBindings=_BINDINGS, CapAdd=_list(), CapDrop=_list(), SecurityOpt=_list(_short), Binds=_list(),
        RestartPolicy=_fields(**_ones("Name", "MaximumRetryCount")),
        Mounts=_list(_fields(**_ones("Type", "Source", "Target", "ReadOnly"))),
        LogConfig=_fields(**_ones("Type")),
    ),
    NetworkSettings=_fields(
        **_ones("Bridge", "SandboxKey", "IPAddress", "IPPrefixLen", "Gateway", "MacAddress", "GlobalIPv6Address",
                "GlobalIPv6PrefixLen", "IPv6Gateway"),
        Ports=_BINDINGS,
        Networks=_map(_fields(
            **_ones("NetworkID", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway",
                    "GlobalIPv6Address", "GlobalIPv6PrefixLen", "MacAddress", "GwPriority"),
            Aliases=_list(),
            IPAMConfig=_fields(**_ones("IPv4Address", "IPv6Address")),
        )),
    ),
    Mounts=_list(_fields(**_ones("Type", "Name", "Source", "Destination", "Driver", "Mode", "RW", "Propagation"))),
    GraphDriver=_fields(**_ones("Name"), Data=_fields(**_ones("UpperDir", "MergedDir"))),
)

_NETWORK = _fields(
    **_ones("Id", "Name", "Created", "Driver", "Scope", "EnableIPv4", "EnableIPv6", "Internal", "Attachable", "Ingress",
            "ConfigOnly"),
    ConfigFrom=_fields(**_ones("Network")),
    IPAM=_fields(**_ones("Driver"), Config=_list(_POOL)),
    Containers=_map(_fields(**_ones("Name", "EndpointID", "MacAddress", "IPv4Address", "IPv6Address"))),
    Options=network_options, Labels=_labels,
)

_INFO = _fields(
    **_ones("ID", "Name", "ServerVersion", "Driver", "OSType", "OperatingSystem", "OSVersion", "KernelVersion",
            "Architecture", "Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images",
            "BridgeNfIptables", "BridgeNfIp6tables", "IPv4Forwarding", "LiveRestoreEnabled", "ExperimentalBuild",
            "CgroupDriver", "CgroupVersion", "DefaultRuntime", "DockerRootDir", "LoggingDriver", "Isolation"),
    SecurityOptions=_list(), Warnings=_list(),
    FirewallBackend=_fields(**_ones("Driver"), Info=_list(_list())),
    Plugins=_fields(Network=_list()),
    Swarm=_fields(**_ones("NodeID", "LocalNodeState", "ControlAvailable")),
    DefaultAddressPools=_list(_fields(**_ones("Base", "Size"))),
)

_VERSION = _fields(
    **_ones("Version", "ApiVersion", "MinAPIVersion", "Os", "Arch", "KernelVersion", "GitCommit", "BuildTime",
            "GoVersion"),
    Platform=_fields(**_ones("Name")),
    Components=_list(_fields(**_ones("Name", "Version"),
                             Details=_fields(**_ones("ApiVersion", "MinAPIVersion", "KernelVersion", "Os", "Arch")))),
)


def redact_container(raw: Mapping[str, Any], judge: Judge | None = None) -> dict[str, Any]:
    """One ``GET /containers/{id}/json`` without what may be secret.

    ``Env``, ``Cmd``, ``Entrypoint``, ``Path`` and ``Args`` stay as keys with null. ``judge``, where given, sees the
    environment before it goes; its verdicts are kept under ``EnvironmentVerdicts``.
    """
    kept: dict[str, Any] = _CONTAINER(dict(raw))
    if judge is not None:
        config = raw.get("Config")
        environment = config.get("Env") if isinstance(config, dict) else None
        image = config.get("Image") if isinstance(config, dict) else ""
        kept[JUDGED] = judge([item for item in environment or [] if isinstance(item, str)], str(image or ""))
    return kept


def redact_network(raw: Mapping[str, Any]) -> dict[str, Any]:
    """One ``GET /networks/{id}``: options and labels by allow-list."""
    kept: dict[str, Any] = _NETWORK(dict(raw))
    return kept


def redact_info(raw: Mapping[str, Any]) -> dict[str, Any]:
    """``GET /info`` without proxies, registries, labels and the swarm's addresses."""
    kept: dict[str, Any] = _INFO(dict(raw))
    return kept


def redact_version(raw: Mapping[str, Any]) -> dict[str, Any]:
    """``GET /version``: versions alone."""
    kept: dict[str, Any] = _VERSION(dict(raw))
    return kept

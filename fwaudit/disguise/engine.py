"""The engine's answers: each key that may be kept, and what becomes of its value. A key that is not named here goes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fwaudit.disguise.words import Words
from fwaudit.model.services import WELL_KNOWN

Shape = Callable[[Any, Words], Any]

_IMAGES = frozenset(word for each in WELL_KNOWN for word in each.words)
_SECRETS = frozenset(name for each in WELL_KNOWN for name in each.secrets)
_TAG = re.compile(r"v?\d+(\.\d+){0,3}(-(alpine|slim|bookworm|bullseye|trixie|jammy|noble)\d*)?|latest|stable|edge")
_OWN_NETWORKS = frozenset({"bridge", "host", "none", "ingress", "docker_gwbridge", "podman", "default"})
_COMPOSE_NAMES = {"project": "project", "service": "service"}


def _same(value: Any, words: Words) -> Any:
    """A value of a short list of the engine's own, a number or a version."""
    return value if isinstance(value, int | float | type(None)) else value[:200] if isinstance(value, str) else None


def _text(value: Any, words: Words) -> Any:
    return words.text(value) if isinstance(value, str) else _same(value, words)


def _named(kind: str) -> Shape:
    def name(value: Any, words: Words) -> Any:
        if not isinstance(value, str):
            return _same(value, words)
        bare = value.removeprefix("/")
        return value[:len(value) - len(bare)] + words.name(bare, kind)
    return name


def _network(value: Any, words: Words) -> Any:
    return value if value in _OWN_NETWORKS else words.name(value, "network") if isinstance(value, str) else None


def _mode(value: Any, words: Words) -> Any:
    """``host``, ``bridge``, a network, or ``container:ID``."""
    if isinstance(value, str) and value.startswith("container:"):
        other = value.removeprefix("container:")
        return "container:" + (_id(other, words) if re.fullmatch("[0-9a-f]{12,64}", other) else
                               words.name(other, "container"))
    return _network(value, words) if value not in ("", "private", "shareable") else value


def _id(value: Any, words: Words) -> Any:
    """Hexadecimal ids, with ``sha256:`` in front or not; anything else is a name."""
    if not isinstance(value, str):
        return None
    found = re.fullmatch(r"(sha256:)?([0-9a-f]{12,64})", value)
    return (found[1] or "") + words.id(found[2]) if found else words.name(value, "x")


def _path(value: Any, words: Words) -> Any:
    return words.path(value) if isinstance(value, str) else None


def _bind(value: Any, words: Words) -> Any:
    """``source:target:options``; a source without a slash is a volume."""
    if not isinstance(value, str):
        return None
    parts = value.split(":")
    return ":".join(words.path(part) if number < 2 else words.text(part) for number, part in enumerate(parts))


def _image(value: Any, words: Words) -> Any:
    """The last part of an image's name stays where it tells a well-known service, and a tag that is a version."""
    if not isinstance(value, str):
        return None
    rest, at, digest = value.partition("@")
    if re.fullmatch(r"(sha256:)?[0-9a-f]{12,64}", rest):
        return _id(rest, words)
    folder, _, name = rest.rpartition("/")
    name, colon, tag = name.partition(":")
    service = name.lower() if name.lower() in _IMAGES else name.lower().split("-", 1)[0]
    kept = name if name.lower() in _IMAGES else f"{service}-{words.name(name, 'x')}" if service in _IMAGES else \
        words.name(name, "image")
    places = [each if each in ("docker.io", "library", "localhost", "bitnami") else words.name(each, "x")
              for each in folder.split("/")] if folder else []
    tag = tag if _TAG.fullmatch(tag) else words.name(tag, "x")
    return "/".join([*places, kept]) + colon + tag + at + (_id(digest, words) if digest else "")


def _labels(value: Any, words: Words) -> Any:
    """What tells the compose project and service, and where its file is; the others go."""
    out = {}
    for key, text in value.items() if isinstance(value, dict) else ():
        last = str(key).removeprefix("com.docker.compose.")
        if isinstance(text, str) and str(key).startswith("com.docker.compose."):
            if last in _COMPOSE_NAMES:
                out[key] = words.name(text, _COMPOSE_NAMES[last])
            elif last in ("project.config_files", "project.working_dir"):
                out[key] = ",".join(words.path(part) for part in text.split(","))
            elif last == "container-number":
                out[key] = words.text(text)
            elif last == "network":
                out[key] = _network(text, words)
    return out


def _options(value: Any, words: Words) -> Any:
    return {key: _text(text, words) for key, text in value.items() if _is_option(str(key))} \
        if isinstance(value, dict) else {}


def _is_option(key: str) -> bool:
    return key in ("parent", "macvlan_mode", "ipvlan_mode", "ipvlan_flag", "encrypted", "isolate", "mode", "mtu",
                   "vlan", "vrf", "no_default_route", "metric") or re.fullmatch(
        r"com\.docker\.network\.[a-z0-9_.]{1,60}", key) is not None


def _variable(value: Any, words: Words) -> Any:
    return value if value in _SECRETS else words.name(str(value), "VARIABLE")


def _empty(value: Any, words: Words) -> Any:
    return {}


def _list(shape: Shape = _text) -> Shape:
    return lambda value, words: [shape(each, words) for each in value] if isinstance(value, list) else None


def _map(shape: Shape, keys: Shape = _text) -> Shape:
    return lambda value, words: {keys(str(key), words): shape(each, words) for key, each in value.items()} \
        if isinstance(value, dict) else None


def _fields(**shapes: Shape) -> Shape:
    def keep(value: Any, words: Words) -> Any:
        if not isinstance(value, dict):
            return None
        return {key: shape(value[key], words) for key, shape in shapes.items() if key in value}
    return keep


def _each(shape: Shape, *keys: str) -> dict[str, Shape]:
    return dict.fromkeys(keys, shape)


_BINDINGS = _map(_list(_fields(HostIp=_text, HostPort=_text)))
_ADDRESSES = _each(_text, "IPAddress", "Gateway", "MacAddress", "GlobalIPv6Address", "IPv6Gateway", "IPv4Address",
                   "IPv6Address")
_LENGTHS = _each(_same, "IPPrefixLen", "GlobalIPv6PrefixLen", "GwPriority")

_STATE = _fields(**_each(_same, "Running", "Pid", "Paused", "Restarting", "Dead", "ExitCode", "OOMKilled"),
                 Status=_text, Health=_fields(Status=_text))


def _state(value: Any, words: Words) -> Any:
    return words.text(value) if isinstance(value, str) else _STATE(value, words)


_CAPABILITY = re.compile(r"[A-Z_]{1,40}")


def _capability(value: Any, words: Words) -> Any:
    return value if isinstance(value, str) and _CAPABILITY.fullmatch(value) else _text(value, words)


containers = _list(_fields(
    Id=_id, Name=_named("container"), Names=_list(_named("container")), Image=_image, Driver=_text, Platform=_text,
    State=_state,
    **_each(_same, "Created", "RestartCount", "IsInfra"), Pod=_named("x"),
    Config=_fields(Image=_image, User=_text, Hostname=_named("host"), Labels=_labels, ExposedPorts=_map(_empty)),
    HostConfig=_fields(
        NetworkMode=_mode, PortBindings=_BINDINGS, Binds=_list(_bind), CapAdd=_list(_capability),
        CapDrop=_list(_capability),
        **_each(_mode, "PidMode", "IpcMode", "UTSMode", "UsernsMode"),
        **_each(_same, "Privileged", "PublishAllPorts", "ReadonlyRootfs", "AutoRemove", "CgroupnsMode"),
        RestartPolicy=_fields(Name=_text, MaximumRetryCount=_same),
        Mounts=_list(_fields(Type=_text, Source=_path, Target=_path, ReadOnly=_same)),
        SecurityOpt=_list()),
    NetworkSettings=_fields(
        **_ADDRESSES, **_LENGTHS, Bridge=_text, Ports=_BINDINGS,
        Networks=_map(_fields(**_ADDRESSES, **_LENGTHS, NetworkID=_id, EndpointID=_id,
                              IPAMConfig=_fields(**_ADDRESSES)), _network)),
    Mounts=_list(_fields(Type=_text, Name=_path, Source=_path, Destination=_path, Driver=_text, Mode=_text, RW=_same,
                         Propagation=_text)),
    GraphDriver=_fields(Name=_text, Data=_fields(UpperDir=_path, MergedDir=_path)),
    EnvironmentVerdicts=_list(_fields(variable=_variable, verdict=_same)),
))
networks = _list(_fields(
    Id=_id, Name=_network, Driver=_text, Scope=_text,
    **_each(_same, "Created", "EnableIPv4", "EnableIPv6", "Internal", "Attachable", "Ingress", "ConfigOnly"),
    ConfigFrom=_fields(Network=_network),
    IPAM=_fields(Driver=_text, Config=_list(_fields(**_each(_text, "Subnet", "IPRange", "Gateway"),
                                                    AuxiliaryAddresses=_map(_text, _named("x"))))),
    Containers=_map(_fields(**_ADDRESSES, Name=_named("container"), EndpointID=_id), _id),
    Options=_options, Labels=_labels,
))

info = _fields(
    Name=_named("host"), DockerRootDir=_path, SecurityOptions=_list(), Warnings=_list(),
    **_each(_same, "ServerVersion", "Driver", "OSType", "OSVersion", "OperatingSystem", "KernelVersion", "Architecture",
            "Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images", "BridgeNfIptables",
            "BridgeNfIp6tables", "IPv4Forwarding", "LiveRestoreEnabled", "ExperimentalBuild", "CgroupDriver",
            "CgroupVersion", "DefaultRuntime", "LoggingDriver", "Isolation"),
    FirewallBackend=_fields(Driver=_same, Info=_list(_list())),
    Plugins=_fields(Network=_list()),
    Swarm=_fields(NodeID=_named("x"), LocalNodeState=_same, ControlAvailable=_same),
    DefaultAddressPools=_list(_fields(Base=_text, Size=_same)),
)

version = _fields(
    **_each(_same, "Version", "ApiVersion", "MinAPIVersion", "Os", "Arch", "KernelVersion", "GitCommit", "BuildTime",
            "GoVersion"),
    Platform=_fields(Name=_same),
    Components=_list(_fields(Name=_same, Version=_same)),
)

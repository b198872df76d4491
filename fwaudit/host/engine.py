"""Where the container engine answers: which socket or address to ask, and whether it may be asked at all.

The order is Docker's own: DOCKER_HOST, the current context, the default socket; then Podman's; then a user's own
(rootless) engine. An engine on another machine is none of this host's, and is refused in words.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from fwaudit.host.run import NOT_INSTALLED, Machine
from fwaudit.records import dataclass

DOCKER_SOCKET = "/var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"
_USERS = "/run/user"
_PROGRAMS = ("dockerd", "docker", "podman")
_CONNECT_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask. ``url`` is a base URL as the docker SDK takes it; ``missing`` is why there is nobody to ask.

    ``certificates``: the folder with ca.pem, cert.pem and key.pem for a TLS address; ``verify``: check the other side.
    """

    url: str = ""
    missing: str = ""
    certificates: str = ""
    verify: bool = True

    @property
    def socket_path(self) -> str:
        """The path of a unix socket, empty for a network address."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""


def find(machine: Machine, environment: Mapping[str, str] = os.environ) -> Endpoint:
    """The engine to ask. Raises nothing: trouble is ``Endpoint.missing``."""
    chosen = _chosen(environment)
    if chosen is not None:
        return _checked(machine, chosen)
    for path in (DOCKER_SOCKET, PODMAN_SOCKET, *_users_sockets(machine)):
        if _is_socket(machine, path):
            return _checked(machine, Endpoint(f"unix://{machine.path(path)}"))
    if any(machine.which(program) for program in _PROGRAMS):
        return Endpoint(missing=f"installed but not running: no {DOCKER_SOCKET}")
    return Endpoint(missing=f"{NOT_INSTALLED}: no {DOCKER_SOCKET} and no docker or podman command")


def _chosen(environment: Mapping[str, str]) -> Endpoint | None:
    """What DOCKER_HOST or the current context say; None where they leave it at the default."""
    host = environment.get("DOCKER_HOST", "")
    if host:
        certificates = environment.get("DOCKER_CERT_PATH") or str(Path(environment.get("HOME", "/")) / ".docker")
        verify = environment.get("DOCKER_TLS_VERIFY", "") not in ("", "0")
        return Endpoint(host, certificates=certificates if verify else "", verify=verify)
    try:
        name = _context_name(environment)
        if name in ("", "default"):
            return None
        from docker.context import ContextAPI  # late: it takes 0.1 s, and few have a context

        context = ContextAPI.get_context(name)
    except Exception as error:  # files written by hand, read by somebody else's code
        return Endpoint(missing=f"the docker context cannot be read: {error}"[:200])
    if context is None:
        return Endpoint(missing="the current docker context does not exist; see `docker context ls`")
    if not context.Host:
        return None
    tls = context.TLSConfig
    folder = str(Path(tls.ca_cert).parent) if tls and tls.ca_cert else ""
    return Endpoint(str(context.Host), certificates=folder, verify=bool(tls.verify) if tls else True)


def _context_name(environment: Mapping[str, str]) -> str:
    """The current context: DOCKER_CONTEXT, else what ``docker context use`` wrote; empty where there is neither."""
    folder = environment.get("DOCKER_CONFIG") or str(Path(environment.get("HOME", "/")) / ".docker")
    try:
        settings = json.loads(Path(folder, "config.json").read_bytes())
    except FileNotFoundError:
        settings = {}
    current = settings.get("currentContext", "") if isinstance(settings, dict) else ""
    return environment.get("DOCKER_CONTEXT") or str(current)


def _checked(machine: Machine, endpoint: Endpoint) -> Endpoint:
    if endpoint.missing:
        return endpoint
    if endpoint.url.startswith("unix://"):
        reason = _why_silent(machine, endpoint.socket_path)
        return Endpoint(missing=reason) if reason else endpoint
    address = urlsplit(endpoint.url)
    shown = f"{address.scheme}://{address.hostname or ''}"  # without what may stand before an @
    if address.scheme in ("tcp", "http", "https"):
        return endpoint
    if address.scheme == "ssh":
        return Endpoint(missing=f"the engine at {shown} is on another machine: run fwaudit there")
    return Endpoint(missing=f"no way to ask an engine at {shown}")


def _why_silent(machine: Machine, path: str) -> str:
    """Knock on a unix socket: empty where somebody opens, else the reason in plain words."""
    starts = _would_start(machine, path)
    if starts:
        return starts
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as knock:
        knock.settimeout(min(_CONNECT_TIMEOUT, max(machine.left(), 0.01)))
        try:
            knock.connect(path)
        except PermissionError:
            return f"permission denied: {path}; run as root"
        except FileNotFoundError:
            return f"installed but not running: no {path}"
        except ConnectionRefusedError:
            return f"installed but not running: nobody answers at {path}"
        except TimeoutError:
            return f"no answer within {_CONNECT_TIMEOUT:g} s: {path}"
        except OSError as error:
            if error.errno == errno.EAGAIN:  # the queue of a unix socket is full
                return f"no answer, too many are waiting: {path}"
            return f"{error.strerror or error}: {path}"
    return ""


def _would_start(machine: Machine, path: str) -> str:
    """Why not even to knock: systemd listens in the place of a stopped Docker, and would start it.

    A started Docker writes its rules, so looking would change what is looked at (docker.socket; systemd.socket(5)).
    """
    if os.path.realpath(path) != os.path.realpath(DOCKER_SOCKET) or machine.which("systemctl") is None:
        return ""
    answer = machine.run(["systemctl", "show", "-p", "ActiveState", "--value", "docker.socket", "docker.service"],
                         timeout=5.0)
    states = (answer.data or b"").decode("ascii", "replace").split()
    if len(states) == 2 and states[0] == "active" and states[1] in ("inactive", "failed"):
        return "installed but not running: docker.service is stopped, and asking its socket would start it"
    return ""


def _users_sockets(machine: Machine) -> list[str]:
    """Sockets of engines that users run for themselves."""
    found = []
    for name in ("docker.sock", "podman/podman.sock"):
        found += [f"/{path.relative_to(machine.root)}" for path in sorted(machine.path(_USERS).glob(f"[0-9]*/{name}"))]
    return found


def _is_socket(machine: Machine, path: str) -> bool:
    try:
        return stat.S_ISSOCK(machine.path(path).stat().st_mode)
    except OSError:
        return False

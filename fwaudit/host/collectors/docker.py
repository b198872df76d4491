"""The container engine, asked over its own API with the docker SDK: the only place that imports it.

Engine API as of Docker 20.10 (1.41) and later; Podman answers the same questions. What is kept passes ``redact``.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fwaudit.host import engine, redact
from fwaudit.host.collectors import daemon
from fwaudit.host.collectors.compose import ports_in_compose
from fwaudit.host.collectors.listeners import inside
from fwaudit.host.credentials import judge
from fwaudit.host.engine import Endpoint
from fwaudit.host.parallel import side_by_side, spread
from fwaudit.host.run import Collected, Machine, missing
from fwaudit.model.snapshot import Source
from fwaudit.records import dataclass

if TYPE_CHECKING:
    from docker import APIClient

CONTAINERS = "docker/containers.json"
NETWORKS = "docker/networks.json"
_THREADS = 4
_ANSWER_TIMEOUT = 10.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class _Gone:
    """A container or network that went away between being listed and being asked for."""


def collect(machine: Machine, find: Callable[[Machine], Endpoint] = engine.find) -> Iterable[Collected]:
    """The ``docker/*`` files; or one source ``docker`` with the reason why there are none.

    The reason begins with "not installed" where there is no engine at all, with "installed but not running",
    "permission denied", "no answer", or is the engine's own words.
    """
    endpoint = find(machine)
    if endpoint.missing:
        yield missing(endpoint.missing).named("docker")
        return
    try:
        client = _connect(machine, endpoint)
        version = client.version(api_version=False)
        info = client.info()
        if not isinstance(version, dict) or not isinstance(info, dict):
            raise ValueError("not an object")
    except Exception as error:  # the SDK, requests and urllib3 have a dozen families of errors between them
        yield missing(_reason(error, endpoint)).named("docker")
        return
    elsewhere = _elsewhere(endpoint, info)
    if elsewhere:
        yield missing(elsewhere).named("docker")
        return
    said = f"{version.get('Version', '')}"[:100]
    yield _file("docker/version.json", redact.redact_version(version), said)
    yield _file("docker/info.json", redact.redact_info(info), said)
    if endpoint.socket_path and (told := daemon.settings(machine)):
        yield told
    yield from _networks(machine, endpoint, client, said)
    yield from _containers(machine, endpoint, client, said)


def engine_version(machine: Machine, find: Callable[[Machine], Endpoint] = engine.find) -> str:
    """``Docker 28.2.2, API 1.50``, as the engine calls itself; empty where none answers. Without addresses."""
    endpoint = find(machine)
    if endpoint.missing:
        return ""
    try:
        said = _connect(machine, endpoint).version(api_version=False)
        parts = {str(part.get("Name", "")) for part in said.get("Components") or ()}
        name = "Podman" if any("podman" in part.lower() for part in parts) else "Docker"
        return f"{name} {said['Version']}, API {said['ApiVersion']}"
    except Exception:  # as in collect
        return ""


def _connect(machine: Machine, endpoint: Endpoint, version: str = "auto") -> APIClient:
    from docker import APIClient
    from docker.tls import TLSConfig

    tls: Any = False
    if endpoint.certificates:
        names = [f"{endpoint.certificates}/{name}.pem" for name in ("ca", "cert", "key")]
        tls = TLSConfig(client_cert=(names[1], names[2]), ca_cert=names[0], verify=endpoint.verify)
    seconds = max(0.1, min(_ANSWER_TIMEOUT, machine.left()))
    client = APIClient(base_url=endpoint.url, version=version, timeout=seconds, tls=tls)  # type: ignore[arg-type]
    client.trust_env = False  # proxies and .netrc of the asker have nothing to do with a local engine
    return client


def _elsewhere(endpoint: Endpoint, info: dict[str, Any]) -> str:
    """Why a network address does not lead to this host's engine; its containers would be judged by the wrong rules."""
    if endpoint.socket_path:
        return ""
    host = urlsplit(endpoint.url).hostname or ""
    if host in _LOOPBACK or info.get("Name") == socket.gethostname():
        return ""
    return f"the engine at {host} calls itself {str(info.get('Name'))[:64]!r}, so it is on another machine: run there"


def _networks(machine: Machine, endpoint: Endpoint, client: APIClient, version: str) -> Iterator[Collected]:
    try:
        ids = [str(each["Id"]) for each in client.networks()]
    except Exception as error:  # as in collect
        yield missing(_reason(error, endpoint)).named(NETWORKS)
        return
    found, doubt = _each(machine, endpoint, client, ids, lambda asker, key: asker.inspect_network(key))
    yield _file(NETWORKS, [redact.redact_network(each) for each in found], version, doubt)


def _containers(machine: Machine, endpoint: Endpoint, client: APIClient, version: str) -> Iterator[Collected]:
    try:
        ids = [str(each["Id"]) for each in client.containers(all=True)]
    except Exception as error:  # as in collect
        yield missing(_reason(error, endpoint)).named(CONTAINERS)
        return
    found, doubt = _each(machine, endpoint, client, ids, lambda asker, key: asker.inspect_container(key))
    yield _file(CONTAINERS, [redact.redact_container(each, judge) for each in found], version, doubt)
    if endpoint.socket_path:  # over a network address, a process number or a path may be anybody's
        if lines := ports_in_compose(machine, found):
            yield _file("docker/compose.json", lines)
        listeners, hidden = inside(machine, found)
        yield _file("docker/listeners.json", listeners, doubt=hidden)


def _each(
    machine: Machine, endpoint: Endpoint, client: APIClient, ids: Sequence[str],
    ask: Callable[[APIClient, str], Any],
) -> tuple[list[dict[str, Any]], str]:
    """Ask for each id, several at a time, in the order given. What could not be had is in the second, as a doubt."""
    api = str(client.api_version)

    def several(keys: Sequence[str]) -> list[tuple[str, Any]]:
        asker = client if len(ids) <= _THREADS else _connect(machine, endpoint, api)
        answers: list[tuple[str, Any]] = []
        for key in keys:
            if machine.left() <= 0:
                break
            try:
                answers.append((key, ask(asker, key)))
            except Exception as error:  # as in collect
                answers.append((key, _Gone() if _status(error) == 404 else error))
        return answers

    threads = 1 if len(ids) <= _THREADS else _THREADS
    hands = dict(enumerate(spread(ids, threads)))
    tasks = {number: (lambda keys=keys: several(keys)) for number, keys in hands.items()}
    answers: dict[str, Any] = {}
    for _, result in side_by_side(tasks, machine.left()):
        if not isinstance(result, BaseException):
            answers.update(result)
    found = [answers[key] for key in ids if isinstance(answers.get(key), dict)]
    wrong = [key for key in ids if not isinstance(answers.get(key), dict | _Gone)]
    if not wrong:
        return found, ""
    first = answers.get(wrong[0])
    reason = _reason(first, endpoint) if isinstance(first, Exception) else "no answer in time"
    return found, f"{len(wrong)} of {len(ids)} could not be read, {wrong[0][:12]} first: {reason}"


def _status(error: BaseException) -> int:
    """The HTTP status of an engine's refusal, 0 where it is none."""
    return int(getattr(getattr(error, "response", None), "status_code", 0) or 0)


def _reason(error: BaseException, endpoint: Endpoint) -> str:
    """An error of the SDK in plain words. The operating system's own error is at the bottom of its chain."""
    where = endpoint.socket_path or urlsplit(endpoint.url).hostname or "engine"
    for cause in _chain(error):
        name = type(cause).__name__
        if isinstance(cause, PermissionError):
            return f"permission denied: {where}; run as root"
        if isinstance(cause, ConnectionRefusedError):
            return f"installed but not running: nobody answers at {where}"
        if isinstance(cause, TimeoutError) or name.endswith("Timeout") or name == "ReadTimeoutError":
            return f"no answer within {_ANSWER_TIMEOUT:g} s: {where}"
    explanation = getattr(error, "explanation", None)
    text = " ".join("".join(c if c.isprintable() else " " for c in str(explanation or error)).split())
    return f"{where} does not answer as an engine does: {text}"[:300]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(seen) < 50:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and each not in seen:
            seen.append(each)
            yield each
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _file(name: str, value: Any, version: str = "", doubt: str = "") -> Collected:
    raw = json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"
    return Collected(name, raw, Source(version=version, doubt=doubt))

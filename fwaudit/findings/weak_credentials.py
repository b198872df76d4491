"""A weak or default password.

What: a variable of a container's environment sets a password that everybody tries: the image's default, the name of
the user, nothing at all, a common word, or one of fewer than eight characters; or it switches the asking for one off
(``POSTGRES_HOST_AUTH_METHOD=trust``). It was judged where the engine was asked; neither the password nor anything
made from it is in a snapshot or a report.

Why it hurts: an exposed port is found within hours, and a weak password is tried within seconds. PostgreSQL's
superuser runs commands on its host (``COPY … FROM PROGRAM``), and that is how miners come in.

See it yourself: ``docker inspect --format '{{json .Config.Env}}' CONTAINER`` prints the environment, with its
secrets.

Fix: close the port first. Then set a long random password *in the service*: most images read the variable only when
their data folder is empty, so that a new value changes nothing (``ALTER USER postgres PASSWORD '…'``). Keep it in a
file (``POSTGRES_PASSWORD_FILE``, compose ``secrets:``), and rotate everything that the old one gave access to.

Before: ``POSTGRES_PASSWORD: postgres``. After: ``POSTGRES_PASSWORD_FILE: /run/secrets/db``.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fwaudit.exposure.judge import weak_doors
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import about, of_container, project_of
from fwaudit.model.host import Container, WeakCredential
from fwaudit.model.report import Exposure, Finding, Severity
from fwaudit.model.services import guarded_by, identify

KIND = Kind("weak-credentials", "A weak or default password", Severity.CRITICAL,
            ("ATT&CK T1078.001", "ATT&CK T1110.001"))

_SAYS = {
    "default": "is the image's default or its documentation's example",
    "same-as-user": "is the name of the user or the database",
    "empty": "is empty",
    "no-authentication": "switches authentication off",
    "common": "is a word that everybody tries",
    "short": "is shorter than eight characters",
}


def find(audited: Audited) -> Iterator[Finding]:
    """One for each running container with weak credentials, with the worst exposure that they open."""
    running = [each for each in audited.host.engine.containers if each.running]
    doors = {each.variable for container in running for each in container.weak_credentials if _is_own(each, container)}
    for container in running:
        weak = [each for each in container.weak_credentials if each.variable not in doors or _is_own(each, container)]
        if not weak:
            continue
        exposure = _worst(audited, container)
        what = f"{container.name} has a weak password: {_sentence(weak)}"
        if exposure is not None:
            yield about(KIND, audited, exposure, f"{what}; it is reached from outside.", why=_WHY,
                        next=_next(container))
            continue
        yield KIND.finding(container.name, Severity.LOW, f"{what}; it is not reached from outside.", why=_WHY,
                           next=_next(container), owner=project_of(container))


_WHY = ("Judged from the environment; the password in the service may have been changed since.",)


def _is_own(weak: WeakCredential, container: Container) -> bool:
    """Whether the variable is this container's own door. Who only uses the service has the same variable, and is not
    told of once more."""
    guarded, known = guarded_by(weak.variable), identify(0, (), container.image)
    return guarded is not None and known is not None and guarded.name == known.name


def _worst(audited: Audited, container: Container) -> Exposure | None:
    """The worst exposure of a service whose logins these variables set."""
    named = {guarded.name for each in container.weak_credentials if (guarded := guarded_by(each.variable))}
    return next((each for each in of_container(audited, container)
                 if each.service.likely in named or weak_doors(each.service, container)), None)


def _sentence(weak: list[WeakCredential]) -> str:
    said = [f"{each.variable} {_SAYS[each.verdict]}" for each in weak[:3]]
    more = len(weak) - len(said)
    return ", ".join(said) + (f", and {more} more are weak" if more else "")


def _next(container: Container) -> tuple[str, ...]:
    return (f"set a new password in the service itself, then restart {quote(container.name)} with it",)

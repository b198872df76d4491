"""Open in IPv6, closed in IPv4.

What: one and the same port is reached from outside over IPv6 although policy denies it, while over IPv4 nobody gets
in. Rules were written for one family: in DOCKER-USER with ``iptables`` and not with ``ip6tables``, or by a script
that knows IPv4 alone.

Why it hurts: the fix was installed, tested over IPv4, and found to work. Docker 27 and later publish IPv6 as they
publish IPv4, so that an upgrade opens what used to go through docker-proxy and ufw.

See it yourself: ``nc -6vz HOST PORT`` from another machine; compare ``iptables -S DOCKER-USER`` with ``ip6tables -S
DOCKER-USER``.

Fix: write every rule for both families, or publish for one alone: ``-p 203.0.113.10:5432:5432``.

The other way round, open in IPv4 and closed in IPv6, is what Docker's bypass looks like wherever IPv6 goes by
docker-proxy; docker-bypasses-ufw says it, and it is not said again.

Before: ``iptables -I DOCKER-USER …``. After: the same with ``ip6tables`` as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import explained_by
from fwaudit.findings.exposed import about, policy_says, subject
from fwaudit.model.report import Finding, Severity

KIND = Kind("ipv6-differs", "Open in IPv6, closed in IPv4", Severity.CRITICAL,
            ("CIS Docker 5.14", "ATT&CK T1190"))


def find(audited: Audited) -> Iterator[Finding]:
    """One for each port that is reached against policy in IPv6 and closed to everybody in IPv4."""
    for exposure in explained_by(audited, KIND.id):
        yield about(
            KIND, audited, exposure, f"{subject(exposure)} is reached over IPv6 although "
            "it is closed over IPv4.",
            why=(policy_says(exposure),
                 "What closes it in IPv4 has no counterpart in IPv6."),
            next=("ip6tables -S FORWARD; ip6tables -S DOCKER-USER",), explains=True)

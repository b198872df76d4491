"""It cannot be said whether somebody gets in.

What: whether sources that policy denies get through depends on something that was not read, or that no rule tells: a
rate limit, a list of recent sources, a program at the interface, a set that could not be listed, a payload.

Why it hurts: it may be open. fwaudit calls a port closed only where the rules prove it.

See it yourself: ``fwaudit trace`` for the packet in question names the rules that it depends on. From another
machine, ``nc -vz HOST PORT`` asks the kernel.

Fix: run fwaudit as root, so that it can read everything; where a rule is the reason, write one that decides.

Before: ``-m recent --update --hitcount 6 -j DROP`` in front of a port that nobody should reach. After: ``-j DROP``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.cause import explained_by
from fwaudit.findings.exposed import about, subject
from fwaudit.model.report import Finding, Severity

KIND = Kind("undecided", "Not decided whether it is reached", Severity.HIGH)


def find(audited: Audited) -> Iterator[Finding]:
    """One for each exposure that the snapshot does not decide."""
    for exposure in explained_by(audited, KIND.id):
        on = exposure.evidence.trace.undecided_on if exposure.evidence else ()
        yield about(
            KIND, audited, exposure, f"Whether {subject(exposure)} is reached against policy is not decided.",
            why=tuple(f"It depends on {each}" for each in on), explains=True)

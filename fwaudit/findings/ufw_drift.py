"""ufw's rules on disk are not the ones in the kernel.

What: somebody edited /etc/ufw/user.rules or /etc/default/ufw and did not reload, changed ufw's chains with iptables, or
a reload failed half-way.

Why it hurts: ``ufw status`` shows the files; the kernel obeys its own rules. They become the same with the next
reload or boot, so that ports open or close at a time that nobody chose.

See it yourself: ``ufw show raw`` beside /etc/ufw/user.rules.

Fix: make the files say what is meant, then ``ufw reload``.

Before: a rule in user.rules that ``iptables -S ufw-user-input`` does not have. After: both have it.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings._rules import plural
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.ufw_not_hooked import is_unhooked
from fwaudit.model.report import Finding, Severity
from fwaudit.parse.ufw_drift import drift

KIND = Kind("ufw-drift", "ufw's rules on disk are not the ones in the kernel", Severity.MEDIUM)

_MOST = 12
_DOCKERS_DOING = "chain policy of FORWARD is DROP"
"""Docker sets it when it switches forwarding on, whatever ufw says; nothing opens by that."""


def find(audited: Audited) -> Iterator[Finding]:
    """One for each family; none where ufw is not asked at all, which is another finding."""
    host = audited.host
    for family in (4, 6):
        lines = () if is_unhooked(host, family) else tuple(
            line for line in drift(host.ufw, host.ruleset, (family,)) if _DOCKERS_DOING not in line)
        if not lines:
            continue
        more = len(lines) - _MOST
        why = (*lines[:_MOST], f"and {more} more") if more > 0 else lines
        stricter = any("DROP" in line or "REJECT" in line or "does not jump" in line for line in lines
                       if not line.startswith("in the kernel"))
        yield KIND.finding(
            f"IPv{family}", Severity.MEDIUM if stricter else Severity.LOW,
            f"What ufw has on disk for IPv{family} differs from the kernel: {plural(len(lines), 'difference')}.",
            why=why, next=("ufw show raw", "ufw reload"))

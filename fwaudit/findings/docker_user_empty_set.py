"""A rule in DOCKER-USER asks a list that is empty.

What: a rule matches against an ipset with nothing in it. Lists are not kept over a reboot unless something saves
them, and the program that fills one may have failed.

Why it hurts: a list of unwelcome sources keeps nobody out; a list of welcome ones keeps everybody out, those for whom
it was made as well.

See it yourself: ``ipset list NAME``.

Fix: fill the list, and load it at boot before the rules (``ipset-persistent``, or a unit of your own).

Before: ``ipset list blocked`` ends with ``Number of entries: 0``. After: it has the entries that were meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fwaudit.findings._rules import Placed, asked_tables, restricts
from fwaudit.findings.base import Audited, Kind
from fwaudit.model.condition import Condition, InSet, Not
from fwaudit.model.host import Host
from fwaudit.model.report import Finding, Severity

KIND = Kind("docker-user-empty-set", "A rule in DOCKER-USER asks a list that is empty", Severity.LOW)


def find(audited: Audited) -> Iterator[Finding]:
    """One for each such list. One whose entries expire, such as a list of banned addresses, may well be empty."""
    seen: set[str] = set()
    for _, _, rules in asked_tables(audited.host):
        for placed in rules:
            for condition in placed.conditions:
                negated = isinstance(condition, Not)
                name = _empty(audited.host, condition.part if isinstance(condition, Not) else condition,
                              banned=restricts(placed) and not negated)
                if name and name not in seen:
                    seen.add(name)
                    yield KIND.finding(name, Severity.LOW,
                                       f"The set {name} is empty: a rule {_effect(placed, negated)}.",
                                       why=(placed.name,), next=(f"ipset list {quote(name)}",))


def _empty(host: Host, condition: Condition, *, banned: bool) -> str:
    if not isinstance(condition, InSet) or condition.set_key[0] != "ipset":
        return ""
    found = host.ruleset.sets.get(condition.set_key)
    if found is None or found.unread or found.elements or found.members or any(found.values.values()):
        return ""
    return "" if found.dynamic and banned else condition.set_key[-1]


def _effect(placed: Placed, negated: bool) -> str:
    if restricts(placed):
        return "that spares those in it spares nobody" if negated else "that drops those in it drops nobody"
    return "for those that are not in it is for everybody" if negated else "for those in it is for nobody"

"""Docker's nftables backend does not ask DOCKER-USER.

What: Docker Engine 29 and later with ``"firewall-backend": "nftables"`` writes tables of its own, ``ip docker-bridges``
and ``ip6 docker-bridges``, and no DOCKER-USER. One that is filled with iptables is a chain like any other: nothing
jumps to it. After a switch on a running host the old jump stays, so that its rules work until the next reboot.

Why it hurts: what was closed with iptables opens, at the latest with the next boot.

See it yourself: ``docker info`` says ``Firewall Backend: nftables``; ``iptables -S FORWARD`` has no jump to
DOCKER-USER.

Fix: say it in a table of your own, in a chain on the forward hook before Docker's; ``fwaudit fix --dry-run`` prints
one that says what ufw says. In nftables a drop is final, and an accept is not.

Before: ``iptables -I DOCKER-USER -p tcp --dport 5432 -j DROP``. After: ``nft add rule inet admin forward meta l4proto
tcp ct original proto-dst 5432 ct status dnat drop``.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.findings._effect import closed_under, engine_with, first_of, resting, weight
from fwaudit.findings._rules import CHAIN, admin_rules, filter_tables, is_asked, listed, plural, restricts
from fwaudit.findings.base import Audited, Kind
from fwaudit.findings.exposed import subject
from fwaudit.model.report import Exposure, Finding, Severity, Way
from fwaudit.model.ruleset import Jump, Rule

KIND = Kind("docker-user-ignored", "Docker's nftables backend does not ask DOCKER-USER", Severity.HIGH)

_NEXT = ("fwaudit fix --dry-run", "nft add table inet admin",
         "nft add chain inet admin forward '{ type filter hook forward priority filter - 10; }'")


def find(audited: Audited) -> Iterator[Finding]:
    """One for each family that has rules in DOCKER-USER while Docker uses nftables."""
    if audited.host.engine.firewall != "nftables":
        return
    for family, table in filter_tables(audited.host):
        rules, forward = admin_rules(table), table.chains.get("FORWARD")
        if not any(map(restricts, rules)) or forward is None:
            continue
        closed: tuple[tuple[Exposure, Way], ...] = ()
        if is_asked(table):
            what = (f"Docker uses nftables and does not ask {CHAIN}: its rules for IPv{family} work by a jump that was "
                    "left over, until the next reboot.")
        else:
            what = f"Docker uses nftables and does not ask {CHAIN}: its rules for IPv{family} have no effect."
            jump = Rule((), Jump(CHAIN), f"-A FORWARD -j {CHAIN}")
            closed = closed_under(audited, engine_with(audited.host, table, {"FORWARD": (jump, *forward.rules)}),
                                  family)
        why = [f"{plural(len(rules), 'rule')}, the first of them: {rules[0].rule.text}"]
        if closed:
            why.append(f"If it were asked, less would get in to {listed(subject(each) for each, _ in closed)}.")
        yield resting(KIND, audited, first_of(closed), f"{CHAIN} (IPv{family})", weight(closed), what, why=tuple(why),
                      next=_NEXT)

"""Rules in DOCKER-USER that a reboot may take away.

What: rules are in the kernel, and no file that was read loads them at boot: not /etc/iptables/rules.v4, not ufw's
before.rules and after.rules, no unit, cron job or script in the usual places.

Why it hurts: after the next reboot the ports that they close are open, and nobody is told. Docker makes the chain anew,
empty.

See it yourself: ``grep -rl DOCKER-USER /etc /usr/local/sbin``.

Fix: a unit that runs once after docker.service; or ``fwaudit fix --apply``, whose rules can be kept by units of its
own. What another program writes (fail2ban, CrowdSec) it will write again, and it is not counted here. This is never
certain: a program may load rules from a place that nobody looked at.

Before: ``iptables -I DOCKER-USER -i eth0 -j DROP``, typed once. After: the same in a unit with
``After=docker.service`` that is enabled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fwaudit.errors import ParseError
from fwaudit.findings._rules import CHAIN, Placed, admin_rules, filter_tables, meaning, plural, restricts
from fwaudit.findings.base import Audited, Kind
from fwaudit.model.host import BootFile, Host
from fwaudit.model.report import Finding, Severity
from fwaudit.model.ruleset import Goto, Jump, Table
from fwaudit.netfilter import iptables_save

KIND = Kind("docker-user-not-persistent", "Rules in DOCKER-USER that a reboot may take away", Severity.LOW)

_RULE = re.compile(r"(?:-A|-I|--append|--insert) DOCKER-USER(?: \d+)? (.+)$")
_PROGRAMS = re.compile(r"f2b-|fail2ban|crowdsec|sshguard|cali-|KUBE-", re.IGNORECASE)
_OWN = "FWAUDIT"
_SHOWN = 5


def find(audited: Audited) -> Iterator[Finding]:
    """One for each family with such rules."""
    host = audited.host
    for family, table in filter_tables(host):
        rules = [placed for placed in admin_rules(table) if placed.chain == CHAIN and not _is_a_programs(placed)]
        if not any(map(restricts, rules)):
            continue
        kept, unreadable = _loaded(host, family, table)
        lost = [placed for placed in rules if meaning(placed.rule) not in kept and not _is_ours(host, placed)]
        if lost:
            yield _finding(host, family, lost, unreadable)


def _finding(host: Host, family: int, lost: list[Placed], unreadable: list[str]) -> Finding:
    why = [placed.name for placed in lost[:_SHOWN]]
    if len(lost) > _SHOWN:
        why.append(f"and {len(lost) - _SHOWN} more")
    why += [f"{path} writes to {CHAIN} at boot, in words that are not read here." for path in unreadable]
    rules, are, them = (f"{plural(len(lost), 'rule')} in {CHAIN} (IPv{family})", *(
        ("is", "it") if len(lost) == 1 else ("are", "them")))
    save = () if host.ufw.installed else ("netfilter-persistent save",)
    mend = (*save, "systemctl edit --full --force docker-user.service", "fwaudit fix --dry-run")
    what = f"{rules} {are} in no file that was read: a reboot may take {them} away."
    if not host.boot_read:
        what = f"Whether a reboot takes {rules} away is not known: the snapshot does not say what is loaded at boot."
        mend = ("fwaudit snapshot -o host.tar.gz",)
    return KIND.finding(
        f"{CHAIN} (IPv{family})", Severity.LOW if host.boot_read and not unreadable else Severity.INFO, what,
        certain=False, why=tuple(why), next=mend)


def _loaded(host: Host, family: int, table: Table) -> tuple[set[object], list[str]]:
    """What the rules mean that are loaded at boot, and the files whose words are not read here."""
    kept: set[object] = set()
    unreadable: dict[str, None] = {}
    for file, line in _lines(host.boot, family):
        found = _RULE.search(line)
        if found is None or "fwaudit fix" in line:
            continue
        words = re.sub(r'\s*(?:\|\||&&|>|2>|#).*$', "", found[1]).strip().rstrip('"\'')
        try:
            if "$" in words or "`" in words:
                raise ParseError(file, 0, "a shell's words")
            declared = "\n".join(f":{name} - [0:0]" for name in table.chains)
            read = iptables_save.parse(f"*filter\n{declared}\n-A {CHAIN} {words}\nCOMMIT\n", family=family,
                                       backend=table.backend, source=file)
            kept |= {meaning(rule) for rule in read.tables[0].chains[CHAIN].rules}
        except ParseError:
            unreadable[file] = None
    return kept, list(unreadable)


def _lines(files: Iterable[BootFile], family: int) -> Iterator[tuple[str, str]]:
    """(path, command) of the commands that may be about a family."""
    for file in files:
        for line in file.lines:
            about = 6 if "ip6tables" in line or file.path.endswith((".v6", "6.rules", "ip6tables")) else 4 if (
                "iptables" in line or file.path.endswith((".v4", ".rules", "iptables"))) else family
            if about == family:
                yield file.path, line


def _is_a_programs(placed: Placed) -> bool:
    target = placed.rule.target
    return isinstance(target, (Jump, Goto)) and _PROGRAMS.search(target.chain) is not None


def _is_ours(host: Host, placed: Placed) -> bool:
    """Whether it is the jump of ``fwaudit fix``, kept by units of its own."""
    target = placed.rule.target
    return isinstance(target, Jump) and target.chain == _OWN and any(
        "fwaudit fix" in line for file in host.boot for line in file.lines)

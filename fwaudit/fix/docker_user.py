"""The fix where iptables rules stand: a chain of our own, FWAUDIT, and one jump to it.

The jump is the first rule of DOCKER-USER, the chain that Docker leaves to the admin and asks before its own; where
FORWARD does not ask it (Docker 20.10 for IPv6, Podman), the first of FORWARD. A second chain of the same name in table
raw refuses packets from elsewhere to 127.0.0.0/8, which reach ports published there with Docker 27 and before: the
packet is rewritten before the kernel would call it a martian. Docker 28 loads such rules itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from fwaudit.fix import iptables
from fwaudit.fix.lines import Line
from fwaudit.model.plan import Transaction
from fwaudit.model.ruleset import Accept, Backend, Goto, Jump, Rule, Ruleset, Table

CHAIN = iptables.CHAIN
WAIT_SECONDS = 10
_LOOPBACK = f"-A {CHAIN} -d 127.0.0.0/8 ! -i lo -j DROP"


def transactions(ruleset: Ruleset, backend: Backend, family: int, lines: Iterable[Line],
                 loopback: bool) -> list[Transaction]:
    """What loads the lines for one family. Raises CannotSay."""
    ip = "ip" if family == 4 else "ip6"
    filters, raw = find_table(ruleset, backend, ip, "filter"), find_table(ruleset, backend, ip, "raw")
    start = "DOCKER-USER" if asks_docker_user(filters) else "FORWARD"
    found = [_transaction(f"IPv{family}: published ports obey the policy of INPUT", backend, family, filters, "filter",
                          start, iptables.rules(lines, family))]
    if family == 4 and (loopback or _holds(raw)):
        body = [_LOOPBACK] if loopback else []
        found.append(_transaction("IPv4: nobody else sends to 127.0.0.0/8", backend, family, raw, "raw", "PREROUTING",
                                  body))
    return found


def find_table(ruleset: Ruleset, backend: Backend, family: str, name: str) -> Table | None:
    """The table of that backend, None where the kernel has none."""
    for table in ruleset.tables:
        if (table.backend, table.family, table.name) == (backend, family, name):
            return table
    return None


def asks_docker_user(table: Table | None) -> bool:
    """Whether FORWARD jumps to DOCKER-USER before it accepts anything."""
    forward = table.chains.get("FORWARD") if table is not None else None
    for rule in forward.rules if forward is not None else ():
        if isinstance(rule.target, Jump) and rule.target.chain == "DOCKER-USER":
            return not rule.conditions
        if isinstance(rule.target, (Accept, Goto)):
            return False
        if isinstance(rule.target, Jump) and rule.target.chain != CHAIN:
            return False
    return False


def restorer(backend: str, family: int) -> tuple[str, ...]:
    """The iptables-restore of the family and backend, by a name that means only that; it keeps all other chains."""
    return (f"{'iptables' if family == 4 else 'ip6tables'}-{backend}-restore", "--noflush", "--wait",
            str(WAIT_SECONDS))


def _holds(table: Table | None) -> bool:
    return table is not None and CHAIN in table.chains


def _transaction(title: str, backend: Backend, family: int, table: Table | None, name: str, start: str,
                 rules: list[str]) -> Transaction:
    ours = table.chains.get(CHAIN) if table is not None else None
    jumps = [(chain, rule) for chain in (table.chains.values() if table is not None else ()) for rule in chain.rules
             if isinstance(rule.target, (Jump, Goto)) and rule.target.chain == CHAIN]
    jump = f"{start} -j {CHAIN}"
    away = [f"-D {chain.name} {_body(rule)}" for chain, rule in jumps]
    if rules:
        text = _restore(name, [f":{CHAIN} - [0:0]", *rules, *away, f"-I {start} 1 -j {CHAIN}"])
    else:
        text = _restore(name, [f":{CHAIN} - [0:0]", *away, f"-X {CHAIN}"])
    back = [] if not rules else [f"-D {jump}"]
    if ours is None:
        undo = _restore(name, [f":{CHAIN} - [0:0]", *back, f"-X {CHAIN}"])
    else:
        undo = _restore(name, [f":{CHAIN} - [0:0]", *(rule.text for rule in ours.rules), *back,
                               *(f"-I {chain.name} {rule.number} {_body(rule)}" for chain, rule in jumps)])
    return Transaction(title, restorer(backend, family), text, undo, backend, 4 if family == 4 else 6, name, CHAIN,
                       start, ours is not None)


def _body(rule: Rule) -> str:
    """A rule as it stands behind its chain's name."""
    return rule.text.split(" ", 2)[2]


def _restore(table: str, lines: Iterable[str]) -> str:
    return "\n".join([f"*{table}", *lines, "COMMIT", ""])

"""ufw's rules as intent.

For a port of the host, what ufw means is what its INPUT chains do, since ``ufw allow 5432`` speaks of a service on
this machine; the engine asks them. Here is the rest: which of ufw's own rules decided, and what its route rules allow.
"""

from __future__ import annotations

from collections.abc import Iterator

from fwaudit.model.host import Host, UfwPolicy, UfwRule
from fwaudit.model.report import Policy
from fwaudit.model.ruleset import Jump
from fwaudit.model.verdict import Trace
from fwaudit.netfilter.rule_list import texts_of
from fwaudit.packet.fields import PROTOCOLS, max_address
from fwaudit.packet.intervals import IntervalSet

_USER_CHAIN = {4: "ufw-user-input", 6: "ufw6-user-input"}
_BEFORE_CHAIN = {4: "ufw-before-input", 6: "ufw6-before-input"}


def in_force(host: Host, family: int) -> bool:
    """True where INPUT jumps to ufw's chains. ``ufw status`` says *active* also when ``iptables -F`` took them away."""
    wanted = _BEFORE_CHAIN[family]
    for table in host.ruleset.tables:
        if table.family != ("ip" if family == 4 else "ip6") or table.name != "filter":
            continue
        chain = table.chains.get("INPUT")
        if chain is not None and any(isinstance(said.target, Jump) and said.target.chain == wanted
                                     for said in texts_of(chain.rules)):
            return True
    return False


def deciding_rule(ufw: UfwPolicy, trace: Trace, family: int) -> UfwRule | None:
    """The rule, as ``ufw status numbered`` lists it, that a question to INPUT was decided by; None: a default.

    A packet that leaves ufw-user-input by a rule met it there last; rules and lines of the file are in the same order.
    """
    chain = _USER_CHAIN[family]
    met = [step for step in trace.path if step.chain == chain]
    if not met:
        return None
    place = met[-1].rule
    count = 0
    for rule in ufw.rules:
        if rule.family != family:
            continue
        lines = [line for line in rule.lines if line.split()[1:2] == [chain]]
        if count < place <= count + len(lines):
            return rule
        count += len(lines)
    return None


def default_policy(ufw: UfwPolicy) -> Policy:
    """ufw's default for incoming traffic, in its words."""
    word = {"DROP": "deny", "REJECT": "reject", "ACCEPT": "allow"}.get(ufw.default_input.upper(), "")
    if word == "deny":
        return Policy("ufw", "deny", 0, "default deny (incoming)")
    if word == "reject":
        return Policy("ufw", "reject", 0, "default reject (incoming)")
    if word == "allow":
        return Policy("ufw", "allow", 0, "default allow (incoming)")
    return Policy("ufw", "unknown", 0, "default (incoming) not known")


def rule_policy(rule: UfwRule) -> Policy:
    """One rule of ufw as the reason of a verdict."""
    return Policy("ufw", rule.action, rule.number, rule.text)


def route_rules(ufw: UfwPolicy, family: int, iif: str, oif: str, dst: int, proto: int, port: int) -> Iterator[
        tuple[UfwRule, IntervalSet]]:
    """The ``ufw route`` rules about an address behind this host, each with the sources that it is the first to name."""
    return _rules(ufw, "route", family, iif, oif, dst, proto, port)


def input_rules(ufw: UfwPolicy, family: int, iif: str, dst: int, proto: int, port: int) -> Iterator[
        tuple[UfwRule, IntervalSet]]:
    """The rules about a port of this host itself, each with the sources that it is the first to name."""
    return _rules(ufw, "in", family, iif, "", dst, proto, port)


def _rules(ufw: UfwPolicy, direction: str, family: int, iif: str, oif: str, dst: int, proto: int,
           port: int) -> Iterator[tuple[UfwRule, IntervalSet]]:
    left = _network(family, None)
    for rule in ufw.rules:
        if rule.family != family or rule.direction != direction:
            continue
        if rule.interface_in not in ("", iif) or (rule.interface_out and oif and rule.interface_out != oif):
            continue
        if rule.proto not in ("", "any") and PROTOCOLS.get(rule.proto) != proto:
            continue
        if rule.sport not in ("", "any") or not holds(rule.dport, port):
            continue
        if rule.dst is not None and dst not in _network(family, rule.dst):
            continue
        sources = _network(family, rule.src) & left
        left = left - sources
        yield rule, sources


def speaks_of_routes(ufw: UfwPolicy) -> bool:
    """Whether there are ``ufw route`` rules, which most hosts have none of."""
    return any(rule.direction == "route" for rule in ufw.rules)


def allows(rule: UfwRule) -> bool:
    """True for allow and limit."""
    return rule.action in ("allow", "limit")


def _network(family: int, network: tuple[int, int] | None) -> IntervalSet:
    if network is None:
        return IntervalSet((0, max_address(family) + 1))
    low, prefix = network
    return IntervalSet((low, low + (1 << ((32 if family == 4 else 128) - prefix))))


def holds(ports: str, port: int) -> bool:
    """True where ufw's port list (``80,443,8000:8010``; empty or ``any``: all) has the port."""
    if ports in ("", "any"):
        return True
    for part in ports.split(","):
        low, _, high = part.partition(":")
        if low.isdigit() and int(low) <= port <= int(high if high.isdigit() else low):
            return True
    return False

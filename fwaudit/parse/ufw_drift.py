"""Whether the rules that ufw has on disk are the ones in the kernel.

They part when somebody edits user.rules without a reload, flushes chains, runs ``nft flush ruleset``, or when the
reload failed half-way; ``ufw status`` shows the file's rules all the same (it asks the kernel only whether its chains
exist).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

from fwaudit.errors import ParseError
from fwaudit.model.condition import All, Condition, Unknown
from fwaudit.model.host import UfwPolicy
from fwaudit.model.ruleset import Chain, Rule, Ruleset, Table, Target
from fwaudit.netfilter import iptables_save
from fwaudit.netfilter.rule_list import calls

_DIRECTIONS = ("input", "output", "forward")
_FAMILIES = {4: ("ip", "ufw"), 6: ("ip6", "ufw6")}

Key = tuple[tuple[str, ...], Target]


def drift(policy: UfwPolicy, ruleset: Ruleset, families: Sequence[int] = (4, 6)) -> tuple[str, ...]:
    """The differences in plain words, in the order of the rules; none where disk and kernel agree, where ufw is not
    installed, or where its files were not read (that is in ``Host.unread``).

    Rules are compared by what they say (conditions and target), not by spelling: iptables-save adds ``-m tcp`` and
    defaults that ufw does not write. Conditions that cannot be decided are compared by the name of their match.
    """
    if not policy.installed or policy.unread:
        return ()
    return tuple(text for family in families if family == 4 or policy.ipv6
                 for text in _family(policy, ruleset, family))


def _family(policy: UfwPolicy, ruleset: Ruleset, family: int) -> Iterator[str]:
    ip, prefix = _FAMILIES[family]
    if any(source.endswith(f".v{family}") for source, _ in ruleset.unread):
        return
    live = next((table for table in ruleset.tables
                 if table.family == ip and table.name == "filter" and f"{prefix}-user-input" in table.chains), None)
    if live is None:
        if policy.enabled:
            yield f"ufw is enabled in ufw.conf, but its IPv{family} chains are not in the kernel"
        return
    chains = [f"{prefix}-user-{direction}" for direction in _DIRECTIONS]
    if policy.enabled is False:
        if any(live.chains[name].rules for name in chains if name in live.chains):
            yield f"ufw is disabled in ufw.conf, but its IPv{family} rules are in the kernel"
        return
    yield from _hooked(policy, live, prefix, family)
    try:
        on_disk = _on_disk(policy, family, chains)
    except ParseError as error:
        yield f"the IPv{family} rules on disk do not read: {error}"
        return
    for name in chains:
        yield from _compare(name, on_disk[name].rules, live.chains[name].rules if name in live.chains else ())


def _on_disk(policy: UfwPolicy, family: int, chains: Sequence[str]) -> dict[str, Chain]:
    """The user chains as the files would load them. Raises ParseError."""
    lines = [line for of, line in policy.loaded if of == family]
    called = {word for line in lines for word in line.split() if word.startswith(("ufw-", "ufw6-"))}
    declared = [f":{name} - [0:0]" for name in sorted({*chains, *called})]
    text = "\n".join(["*filter", *declared, *lines, "COMMIT", ""])
    found = iptables_save.parse(text, family=family, backend="nft", source="ufw/user.rules")
    return dict(found.tables[0].chains)


def _hooked(policy: UfwPolicy, live: Table, prefix: str, family: int) -> Iterator[str]:
    """Whether the built-in chains still lead into ufw's, and have the policy that ufw gave them."""
    told = {"input": policy.default_input, "output": policy.default_output, "forward": policy.default_forward}
    for direction in _DIRECTIONS:
        chain = live.chains.get(direction.upper())
        if chain is None:
            continue
        first = f"{prefix}-before-{direction}"
        if not calls(chain.rules, first):
            yield f"IPv{family} {chain.name} does not jump to {first} any more: ufw's rules are not asked"
        wanted = "drop" if told[direction] == "reject" else told[direction]
        if wanted in ("accept", "drop") and wanted != chain.policy:
            yield (f"on disk the default for {direction} is {told[direction].upper()}, in the kernel the IPv{family} "
                   f"chain policy of {chain.name} is {chain.policy.upper()}")


def _compare(name: str, disk: Sequence[Rule], live: Sequence[Rule]) -> Iterator[str]:
    ours, theirs = [_key(rule) for rule in disk], [_key(rule) for rule in live]
    if ours == theirs:
        return
    if sorted(map(repr, ours)) == sorted(map(repr, theirs)):
        yield f"{name} holds the same rules on disk and in the kernel, in another order"
        return
    for tag, from_disk, to_disk, from_live, to_live in SequenceMatcher(None, ours, theirs, False).get_opcodes():
        if tag != "equal":
            for rule in disk[from_disk:to_disk]:
                yield f"on disk, not in the kernel: {rule.text}"
            for rule in live[from_live:to_live]:
                yield f"in the kernel, not on disk: {rule.text}"


def _key(rule: Rule) -> Key:
    return tuple(sorted(_flat(rule.conditions))), rule.target


def _flat(conditions: Iterable[Condition]) -> Iterator[str]:
    for condition in conditions:
        if isinstance(condition, All):
            yield from _flat(condition.parts)
        elif isinstance(condition, Unknown):
            yield "unknown " + " ".join(condition.text.split()[:3 if condition.text.startswith("!") else 2])
        else:
            yield repr(condition)

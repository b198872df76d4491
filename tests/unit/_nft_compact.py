"""Print what was read from nft in few words, for goldens and assertions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fwaudit.model.condition import (
    AddressType,
    All,
    AnyOf,
    Condition,
    Exists,
    In,
    InGroup,
    InSet,
    Masked,
    Named,
    Not,
    ReversePath,
    Unknown,
)
from fwaudit.model.ruleset import (
    Continue,
    CopyMark,
    Dnat,
    Goto,
    Inline,
    Jump,
    NamedSet,
    NetmapDnat,
    Redirect,
    Reject,
    Rule,
    SetMark,
    Snat,
    Target,
    Template,
    Undecidable,
)
from fwaudit.netfilter.nft_json import NftRuleset
from fwaudit.packet.address import format_address
from fwaudit.packet.intervals import ALL, IntervalSet

_ADDRESSES = ("src", "dst", "orig_src", "orig_dst", "reply_src", "reply_dst")


def number(value: int, address: bool) -> str:
    if address:
        return format_address(4 if value < 1 << 32 else 6, value)
    return str(value)


def values(found: IntervalSet, address: bool = False) -> str:
    if not found:
        return "nothing"
    if found == ALL:
        return "anything"
    flipped = found.bounds[0] == 0 and len(found.bounds) & 1 == 1
    shown = ~found if flipped else found
    parts = [number(low, address) if low == high else f"{number(low, address)}-{number(high, address)}"
             for low, high in shown.ranges((1 << 128) - 1)]
    if len(shown.bounds) & 1:
        parts[-1] = f"{number(shown.bounds[-1], address)}-"
    more = f",…{len(parts)}" if len(parts) > 6 else ""
    return ("not " if flipped else "") + ",".join(parts[:6]) + more


def condition(found: Condition) -> str:
    if isinstance(found, In):
        return f"{found.field}={values(found.values, found.field in _ADDRESSES)}"
    if isinstance(found, Masked):
        return f"{found.field}&{found.mask:#x}={found.value:#x}"
    if isinstance(found, Named):
        return f"{found.field}={found.name}{'*' if found.prefix else ''}"
    if isinstance(found, InGroup):
        return f"{found.field}group&{found.mask:#x}={values(found.values, False)}"
    if isinstance(found, Exists):
        return f"has {found.field}"
    if isinstance(found, AddressType):
        return f"type({found.field}{'.' + found.interface if found.interface else ''})={'|'.join(sorted(found.types))}"
    if isinstance(found, ReversePath):
        return f"route-back({'loose' if found.loose else 'strict'}{',mark' if found.marked else ''})"
    if isinstance(found, InSet):
        return f"{'.'.join(found.fields)}@{'/'.join(found.set_key)}"
    if isinstance(found, Unknown):
        return f"?({found.text}: {found.why})"
    if isinstance(found, Not):
        return f"!{condition(found.part)}"
    if not found.parts:
        return "true" if isinstance(found, All) else "false"
    assert isinstance(found, All | AnyOf)
    return "(" + (" & " if isinstance(found, All) else " | ").join(condition(part) for part in found.parts) + ")"


def span(found: tuple[int, int] | None, address: bool = False) -> str:
    if found is None:
        return ""
    low, high = (number(end, address) for end in found)
    return low if low == high else f"{low}-{high}"


def target(found: Target) -> str:
    if isinstance(found, Jump | Goto):
        return f"{type(found).__name__.lower()} {found.chain}"
    if isinstance(found, Continue):
        return f"continue({found.name})"
    if isinstance(found, Template):
        return f"template({found.name})"
    if isinstance(found, Reject):
        return f"reject({found.how})"
    if isinstance(found, Dnat | Snat):
        name = f"{type(found).__name__.lower()}{found.family or ''}"
        random = " random" if isinstance(found, Dnat) and found.random else ""
        return f"{name}({span(found.addresses, True)}:{span(found.ports)}{random})"
    if isinstance(found, Redirect):
        return f"redirect({span(found.ports)})"
    if isinstance(found, NetmapDnat):
        return f"netmap({format_address(found.family, found.low)}/{found.prefix})"
    if isinstance(found, SetMark):
        return f"{found.field}={found.value:#x}/{found.mask:#x}"
    if isinstance(found, CopyMark):
        return f"{found.to}/{found.to_mask:#x}=other/{found.from_mask:#x}"
    if isinstance(found, Undecidable):
        return f"undecidable{'' if found.terminal else '-goes-on'}({found.text}: {found.why})"
    return type(found).__name__.lower()


def rule(found: Rule) -> str:
    """Conditions -> target, in one line."""
    parts = [condition(part) for part in found.conditions]
    if isinstance(found.target, Inline):
        inner = "; ".join(rule(each) for each in found.target.rules)
        return " & ".join(parts) + (" -> " if parts else "-> ") + "{" + inner + "}"
    return " & ".join(parts) + (" -> " if parts else "-> ") + target(found.target)


def rule_lines(rules: Iterable[Rule], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for found in rules:
        yield f"{indent}{found.number}. {found.text}"
        parts = " & ".join(condition(part) for part in found.conditions)
        if isinstance(found.target, Inline):
            yield f"{indent}   {parts + ' ' if parts else ''}->"
            yield from rule_lines(found.target.rules, depth + 2)
        else:
            yield f"{indent}   {parts + ' ' if parts else ''}-> {target(found.target)}"


def named_set(found: NamedSet) -> str:
    listed = [f"{family or 'n'}:{values(held, family in (4, 6))}" for family, held in sorted(found.values.items())]
    for element in found.elements:
        listed.append(" . ".join(part if isinstance(part, str) else values(part) for part in element.values)
                      + (" expires" if element.expires else ""))
    return (f"set {'/'.join(found.key)} {'.'.join(found.kinds)}{' dynamic' if found.dynamic else ''}"
            f"{' unread ' + found.unread if found.unread else ''}: {'; '.join(listed)}")


def ruleset(found: NftRuleset) -> str:
    lines: list[str] = []
    for table in found.tables:
        lines.append(f"table {table.family} {table.name}{' dormant' if table.dormant else ''}")
        for chain in table.chains.values():
            base = f" {chain.kind} {chain.hook} {chain.priority} {chain.policy}" if chain.hook else ""
            lines.append(f"  chain {chain.name}{base}{' ' + ','.join(chain.devices) if chain.devices else ''}")
            lines += rule_lines(chain.rules, 2)
    lines += [named_set(each) for each in found.sets.values()]
    lines += [f"note: {note}" for note in found.notes]
    return "\n".join(lines) + "\n"

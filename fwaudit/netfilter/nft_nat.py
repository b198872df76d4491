"""nft statements that rewrite: dnat, snat, masquerade, redirect, and setting marks or header fields.

Kernel claims: ``dnat ip to`` in an inet table leaves packets of the other family alone (nft_nat.c nft_nat_inet_eval);
nat statements end the chain with accept (nft_nat.c, nft_masq.c, nft_redir.c).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from fwaudit.model.condition import TRUE, Condition, In, Unknown
from fwaudit.model.ruleset import (
    Continue,
    CopyMark,
    Dnat,
    Inline,
    NetmapDnat,
    Redirect,
    Rule,
    SetMark,
    Snat,
    Target,
    Template,
    Undecidable,
)
from fwaudit.netfilter.nft_condition import either, negated
from fwaudit.netfilter.nft_expression import family_is
from fwaudit.netfilter.nft_match import Scope, key_is, read_bits, read_key
from fwaudit.netfilter.nft_operand import Number, Operand
from fwaudit.netfilter.nft_sets import RATED
from fwaudit.netfilter.nft_text import expression_text, statement_text
from fwaudit.netfilter.nft_values import Unreadable, address, number, read_number, read_range, unwrap
from fwaudit.records import NamedTuple

MOST_BRANCHES: Final = 50_000
"""Ways that one map may branch into; beyond, the statement is undecidable."""


class Branch(NamedTuple):
    """One thing that a statement may do: where ``conditions`` hold, ``target``. Conditions of branches are disjoint.

    ``goes_on``: the statements behind it are executed afterwards.
    """

    conditions: tuple[Condition, ...]
    target: Target
    text: str
    goes_on: bool = False


class Effect(NamedTuple):
    """A statement with an effect: what it implies, and its branches in order."""

    implied: tuple[Condition, ...]
    branches: tuple[Branch, ...]


def undecidable(statement: Any, why: str, terminal: bool = True, implied: tuple[Condition, ...] = ()) -> Effect:
    """The effect of a statement whose outcome the ruleset does not tell."""
    text = statement_text(statement)
    return Effect(implied, (Branch((), Undecidable(text, why, terminal), text, goes_on=not terminal),))


# ---- maps -----------------------------------------------------------------------------------------------------------


class MapEntry(NamedTuple):
    """One element of a map: when it is the one, its value, and the condition as nft would print it."""

    condition: Condition
    value: Any
    text: str


def map_entries(body: Any, scope: Scope, known: tuple[Condition, ...]) -> tuple[Operand, list[MapEntry]] | str:
    """The elements of ``{"key": …, "data": …}`` with their conditions, or in words why they are not known."""
    if not isinstance(body, dict) or not {"key", "data"} <= body.keys():
        return "a map that is not understood"
    data = body["data"]
    if isinstance(data, str) and data.startswith("@"):
        raw = scope.sets.get(data[1:])
        if raw is None or not raw.is_map:
            return "the map is not in the snapshot"
        if raw.dynamic:
            return "packets add to the map"
        if raw.rated:
            return RATED
        elements = list(raw.elements)
    elif isinstance(data, dict) and isinstance(data.get("set"), list):
        elements = data["set"]
    else:
        return "a map that is not understood"
    if len(elements) > MOST_BRANCHES:
        return "a map of very many elements"
    key = read_key(body["key"], scope)
    entries: list[MapEntry] = []
    default: MapEntry | None = None
    text = expression_text(body["key"])
    for element in elements:
        if not isinstance(element, list) or len(element) != 2:
            return "a map element that is not understood"
        label = f"{text} {expression_text(element[0], body['key'])}"
        if unwrap(element[0]) == "*":
            default = MapEntry(TRUE, element[1], label)
        else:
            entries.append(MapEntry(key_is(key, element[0], label, known), element[1], label))
    if default is not None:
        entries.append(default._replace(condition=negated(either([entry.condition for entry in entries]))))
    return key, entries


def covers_all(key_expression: Any, data: Any) -> bool:
    """Whether a map by ``numgen`` or a hash has an element for every outcome, so that one of them is certain."""
    if not isinstance(key_expression, dict) or len(key_expression) != 1 or not isinstance(data, dict):
        return False
    kind, body = next(iter(key_expression.items()))
    elements = data.get("set")
    if kind not in ("numgen", "jhash", "symhash") or not isinstance(body, dict) or not isinstance(elements, list):
        return False
    modulus, offset = body.get("mod"), body.get("offset", 0)
    if not isinstance(modulus, int) or not isinstance(offset, int) or offset < 0 or not 0 < modulus < 1 << 32:
        return False
    try:
        ranges = sorted(read_range(element[0], 32, number) for element in elements if isinstance(element, list))
    except (Unreadable, IndexError):
        return False
    reached = offset
    for low, high in ranges:
        if low > reached:
            return False
        reached = max(reached, high + 1)
    return reached >= offset + modulus


# ---- nat ------------------------------------------------------------------------------------------------------------


def nat_effect(kind: str, body: Any, scope: Scope, known: tuple[Condition, ...]) -> Effect:
    """dnat, snat, masquerade or redirect. Values from maps become one branch per element."""
    statement = {kind: body}
    body = {} if body is None else body
    if not isinstance(body, dict) or not body.keys() <= {"addr", "port", "family", "flags", "type_flags"}:
        return undecidable(statement, "an address translation that is not understood")
    try:
        family = _nat_family(body, scope)
        implied = (family_is(family),) if family and scope.family not in ("ip", "ip6") else ()
        branches = tuple(_nat_branches(kind, body, family, scope, known))
    except Unreadable as error:
        return undecidable(statement, f"not understood: {error}")
    return Effect(implied, branches)


def _nat_family(body: dict[str, Any], scope: Scope) -> int:
    family = body.get("family", scope.family if scope.family in ("ip", "ip6") else None)
    if family in ("ip", "ip6"):
        return 4 if family == "ip" else 6
    if "addr" in body:
        raise Unreadable("no family")
    return 0


def _nat_branches(kind: str, body: dict[str, Any], family: int, scope: Scope,
                  known: tuple[Condition, ...]) -> Iterator[Branch]:
    """Resolve the maps of ``addr`` and ``port``, one after the other, into branches."""
    for name in ("addr", "port"):
        value = body.get(name)
        if not isinstance(value, dict) or "map" not in value:
            continue
        found = map_entries(value["map"], scope, known)
        if isinstance(found, str):
            yield Branch((), Undecidable(statement_text({kind: body}), found), statement_text({kind: body}))
            return
        key, entries = found
        certain = covers_all(value["map"].get("key"), value["map"].get("data"))
        for i, entry in enumerate(entries):
            condition = TRUE if certain and i == len(entries) - 1 else entry.condition
            for branch in _nat_branches(kind, {**body, name: entry.value}, family, scope, known):
                conditions = tuple(part for part in (*key.implied, condition) if part != TRUE)
                yield Branch((*conditions, *branch.conditions), branch.target, f"{entry.text} {branch.text}")
        return
    yield Branch((), _nat_target(kind, body, family), statement_text({kind: body}))


def _words(value: Any) -> list[Any]:
    """Flags, which nft 1.0 prints as one word where there is one and newer versions always as a list."""
    return value if isinstance(value, list) else [value]


def _nat_target(kind: str, body: dict[str, Any], family: int) -> Target:
    address_value, port_value = unwrap(body.get("addr")), unwrap(body.get("port"))
    if isinstance(address_value, dict) and isinstance(address_value.get("concat"), list):
        if len(address_value["concat"]) != 2 or port_value is not None:
            raise Unreadable("address . port expected")
        address_value, port_value = address_value["concat"]
    random = any(flag in ("random", "fully-random") for flag in _words(body.get("flags")))
    ports = None if port_value is None else read_range(port_value, 16, number)
    width = 32 if family == 4 else 128
    addresses = None if address_value is None else read_range(address_value, width, address(family))
    if kind == "redirect":
        return Redirect(ports)
    if kind == "masquerade":
        return Snat(None, ports)
    if kind == "snat":
        if addresses is None:
            raise Unreadable("no address")
        return Snat(addresses, ports, family)
    is_prefix = "prefix" in _words(body.get("type_flags")) or "netmap" in _words(body.get("flags"))
    if is_prefix and addresses is not None:
        size = addresses[1] - addresses[0] + 1
        if size & (size - 1) == 0 and addresses[0] & (size - 1) == 0 and ports is None:
            return NetmapDnat(family, addresses[0], width - (size.bit_length() - 1))
        raise Unreadable("a prefix expected")
    return Dnat(addresses, ports, family, random)


# ---- marks and header fields ----------------------------------------------------------------------------------------


_HARMLESS_HEADERS: Final = frozenset({"dscp", "ecn", "ttl", "hoplimit", "flowlabel", "checksum", "priority", "tos"})
_HARMLESS_META: Final = frozenset({"priority", "nftrace", "pkttype", "secmark", "rtclassid"})
_HARMLESS_CT: Final = frozenset({"event", "label", "helper", "secmark", "timeout", "expectation"})


def mangle_effect(body: Any, scope: Scope, known: tuple[Condition, ...]) -> Effect:
    """``KEY set VALUE``."""
    statement = {"mangle": body}
    if not isinstance(body, dict) or body.keys() != {"key", "value"}:
        return undecidable(statement, "an assignment that is not understood")
    key, value = body["key"], body["value"]
    kind, inner = next(iter(key.items())) if isinstance(key, dict) and len(key) == 1 else ("", None)
    name, header = (str(inner.get(each)) if isinstance(inner, dict) else "" for each in ("key", "field"))
    implied = read_key(key, scope).implied if kind in ("payload", "exthdr", "tcp option") else ()
    quiet = Effect(implied, (Branch((), Continue(expression_text(key)), statement_text(statement), goes_on=True),))
    if kind == "meta" and name == "mark":
        return _set_mark("mark", statement, value, scope, known)
    if kind == "ct" and name == "zone":  # of its own: the first packet of a connection is new there as well
        target = Template("ct zone set", anew=True, zone=True)
        return Effect(implied, (Branch((), target, statement_text(statement), goes_on=True),))
    if kind == "ct" and name == "mark":
        return _set_mark("ct_mark", statement, value, scope, known)
    if (kind == "meta" and name in _HARMLESS_META) or (kind == "ct" and name in _HARMLESS_CT):
        if kind == "meta" and name == "pkttype":
            return undecidable(statement, "it changes the packet's type")
        return quiet
    if header in ("ttl", "hoplimit") and not (isinstance(value, int) and value > 1):
        return undecidable(statement, "the packet may have no hop left", implied=implied)
    if kind == "tcp option" or (kind == "payload" and header in _HARMLESS_HEADERS):
        return quiet
    return undecidable(statement, "it rewrites the packet", implied=implied)


def _set_mark(field: Any, statement: dict[str, Any], value: Any, scope: Scope,
              known: tuple[Condition, ...]) -> Effect:
    key = statement["mangle"]["key"]
    if isinstance(value, dict) and "map" in value:
        return _mapped(statement, value["map"], scope, known, lambda each: _mark_target(field, each, scope))
    try:
        target = _mark_target(field, value, scope)
    except Unreadable:
        return undecidable(statement, f"{expression_text(key)} becomes a value that is not known", terminal=False)
    implied: tuple[Condition, ...] = ()
    if not isinstance(value, int | str):
        implied = read_bits(value, scope.family).base.implied
    return Effect(implied, (Branch((), target, statement_text(statement), goes_on=True),))


def _mapped(statement: dict[str, Any], body: Any, scope: Scope, known: tuple[Condition, ...],
            target_of: Callable[[Any], Target]) -> Effect:
    found = map_entries(body, scope, known)
    if isinstance(found, str):
        return undecidable(statement, found, terminal=False)
    key, entries = found
    try:
        branches = tuple(
            Branch((entry.condition,) if entry.condition != TRUE else (), target_of(entry.value),
                   f"{entry.text} {statement_text({'mangle': {**statement['mangle'], 'value': entry.value}})}",
                   goes_on=True)
            for entry in entries)
    except Unreadable as error:
        return undecidable(statement, f"not understood: {error}", terminal=False)
    if any(isinstance(entry.condition, Unknown) for entry in entries):
        return undecidable(statement, key.why, terminal=False, implied=key.implied)
    return Effect(key.implied, branches)


def _mark_target(field: Any, value: Any, scope: Scope) -> Target:
    """SetMark or CopyMark of an assigned value. Raises Unreadable for one that is not known."""
    value = unwrap(value)
    if isinstance(value, int | str):
        return SetMark(field, read_number(value, 32, number))
    base, mask, flip = read_bits(value, scope.family)
    bits = 0xFFFFFFFF if mask is None else mask
    if not isinstance(base, Number) or base.field not in ("mark", "ct_mark"):
        raise Unreadable(base.text)
    if base.field == field:
        return SetMark(field, flip, ~bits & 0xFFFFFFFF)
    copied = CopyMark(field, 0xFFFFFFFF, bits)
    if not flip:
        return copied
    text = expression_text(value)
    return Inline((Rule((), copied, text), Rule((), SetMark(field, flip, 0), text)))


def fields_read(conditions: tuple[Condition, ...]) -> frozenset[str]:
    """The packet fields that conditions look at."""
    found: set[str] = set()
    work: list[Any] = list(conditions)
    while work:
        condition = work.pop()
        if isinstance(condition, In) or hasattr(condition, "field"):
            found.add(condition.field)
        work += getattr(condition, "parts", ())
        if hasattr(condition, "part"):
            work.append(condition.part)
        found.update(getattr(condition, "fields", ()))
    return frozenset(found)

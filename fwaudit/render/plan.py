"""A plan and its proof: as a shell script that can be read and run as it is, and as JSON.

Everything in the script that is not a comment was made by us from numbers and checked names; comments hold names from
outside, on one line each and with control characters made visible.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from fwaudit.exposure.outside import inside_of, networks_of
from fwaudit.exposure.words import sources_in_words
from fwaudit.model.host import Host
from fwaudit.model.plan import Change, Plan, Proof, Transaction, Witness
from fwaudit.model.report import Exposure, Way
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.render.rows import REDACTED
from fwaudit.render.text import bullet, clean, fold, shorten

SCHEMA_VERSION = 1

_END = "END-OF-RULES"
_WIDTH = 78
_WORDS = {"closed": "closes", "restricted": "restricts", "open": "CANNOT CLOSE", "unchanged": "stays"}
_MANY = 40


def script(host: Host, plan: Plan, proof: Proof | None, snapshot: str = "", redacted: bool = False) -> str:
    """The plan for people and for sh. ``snapshot``: the recorded host that it is for, for the command to type next;
    ``redacted``: its names and addresses are replacements, so that no host may run the text."""
    lines = ["#!/bin/sh", *(f"# {line}".rstrip() for line in summary(host, plan, proof, snapshot, redacted))]
    if plan.refused or proof is None or not proof.holds or not proof.needed:
        return "\n".join([*lines, ""])
    lines += ['echo "the snapshot is redacted: these rules fit no host" >&2; exit 3'] if redacted else []
    lines += ["set -e"]
    for transaction in plan.transactions:
        lines += ["", f"# {transaction.title}", *_fed(transaction, transaction.text)]
    lines += ["", "# To take it back by hand:"]
    for transaction in reversed(plan.transactions):
        lines += [f"# {line}" for line in _fed(transaction, transaction.undo)]
    return "\n".join([*lines, ""])


def summary(host: Host, plan: Plan, proof: Proof | None, snapshot: str = "", redacted: bool = False) -> list[str]:
    """What the plan does, in lines of at most 76 characters."""
    return list(_summary(host, plan, proof, snapshot, redacted))


def _summary(host: Host, plan: Plan, proof: Proof | None, snapshot: str, redacted: bool) -> Iterator[str]:
    if redacted:
        yield from fold(f"Redacted: {REDACTED}.", _WIDTH - 2)
    for note in plan.notes:
        yield from fold(clean(note), _WIDTH - 2)
    if plan.refused or proof is None:
        yield "No plan:" if plan.refused else "Nothing to do."
        for why in plan.refused:
            yield from bullet(clean(why), _WIDTH - 2)
        return
    if not proof.holds:
        yield "No plan: it would move packets that it must not move."
        for witness in proof.moved[:_MANY]:
            yield from bullet(witness_in_words(witness), _WIDTH - 2)
        return
    yield from _headline(host, plan, proof)
    for becomes in ("closed", "restricted", "open", "unchanged"):
        found = [change for change in proof.changes if change.becomes == becomes
                 and (becomes != "unchanged" or any(way.possibly for way in change.before.ways))]
        for change in found[:_MANY]:
            yield from _row(host, change)
        if len(found) > _MANY:
            yield f"  {_WORDS[becomes]} {len(found) - _MANY:,} more"
    yield ""
    yield from fold(f"Proven on {len(proof.changes):,} services and {proof.asked:,} other flows (what containers send, "
                    "what this host serves and forwards), each for every source: nothing else moves.", _WIDTH - 2)
    if proof.needed:
        yield ""
        named = f" --snapshot {shlex.quote(clean(snapshot))}" if snapshot else ""
        yield "Apply it on that host, as root:" if snapshot else "Apply it, as root; unconfirmed, it is taken back:"
        yield "    fwaudit fix --apply"
        if not redacted:  # its rules would fit no host
            yield "Or run this text yourself:"
            yield f"    fwaudit fix --dry-run{named} | sh"


def _headline(host: Host, plan: Plan, proof: Proof) -> Iterator[str]:
    shut = len({(c.before.service.container, c.before.service.port, c.before.service.proto) for c in proof.closes})
    if not proof.needed:
        yield f"{clean(host.name)}: nothing to fix." if not proof.closes else (
            f"{clean(host.name)}: nothing to fix; the fix that is loaded does this:")
        return
    yield f"{clean(host.name)}: {plan.rules} rules close or restrict {shut} port{'' if shut == 1 else 's'}."
    yield ""


def _row(host: Host, change: Change) -> Iterator[str]:
    before = from_where(host, change.before, change.before.ways)
    after = from_where(host, change.before, change.after.ways if change.after else ())
    arrow = before if change.becomes == "unchanged" else f"{before} -> {after}"
    head = f"  {_WORDS[change.becomes]:<13}{port_in_words(change.before)}  "
    lines = fold(arrow, _WIDTH - 6)
    if len(head) + len(arrow) <= _WIDTH - 2:
        yield head + arrow
        return
    yield head.rstrip()
    yield from (f"      {line}" for line in lines)


def port_in_words(exposure: Exposure) -> str:
    """``5432/tcp v4 of shop-db-1``."""
    service = exposure.service
    bound = "" if service.bound == "*" else f"{service.bound} port "
    who = shorten(clean(service.who), 40)
    return f"{bound}{service.port}/{PROTOCOL_NAMES.get(service.proto, service.proto)} v{exposure.family} of {who}"


def from_where(host: Host, exposure: Exposure, ways: tuple[Way, ...]) -> str:
    """Who gets in, in words."""
    networks, inside = networks_of(host), inside_of(host)
    by_words: dict[str, list[str]] = {}
    afar = any(way.possibly for way in exposure.ways if not way.neighbours_only)
    for way in ways:
        area = way.possibly
        if area and not (way.neighbours_only and afar):
            words = sources_in_words(exposure.family, area, networks.get(way.iif, ()), inside)
            if way.neighbours_only:
                words = "neighbours" if words == "anywhere" else f"neighbours as {words}"
            by_words.setdefault(words, []).append(clean(way.iif))
    return "; ".join(f"{words} ({', '.join(dict.fromkeys(names))})" for words, names in by_words.items()) or "nobody"


def witness_in_words(witness: Witness) -> str:
    """``eth0: 198.51.100.7 -> 203.0.113.10:22/tcp is delivered, and would be dropped``."""
    query = witness.query
    source = format_address(query.family, query.sources.lowest()) if query.sources else "a source"
    target = format_address(query.family, query.dst)
    target = f"[{target}]" if query.family == 6 else target
    proto = PROTOCOL_NAMES.get(query.proto, str(query.proto))
    return (f"{clean(query.iif or 'this host')}: {source} -> {target}:{query.dport}/{proto} is {witness.before}, and "
            f"would be {witness.after}")


def _fed(transaction: Transaction, text: str) -> list[str]:
    return [f"{shlex.join(transaction.argv)} <<'{_END}'", *text.rstrip("\n").split("\n"), _END]


# ---- JSON -----------------------------------------------------------------------------------------------------------


def render_json(host: Host, plan: Plan, proof: Proof | None, redacted: bool = False) -> str:
    """The plan and the proof as JSON, with a newline at its end."""
    return json.dumps({
        "schema_version": SCHEMA_VERSION,
        "host": host.name,
        **({"redacted": True} if redacted else {}),
        "needed": bool(proof and proof.needed),
        "refused": list(plan.refused),
        "notes": list(plan.notes),
        "transactions": [_transaction(each) for each in plan.transactions],
        "proof": _proof(host, proof) if proof else None,
    }, indent=2) + "\n"


def _transaction(each: Transaction) -> dict[str, Any]:
    return {"title": each.title, "argv": list(each.argv), "stdin": each.text, "undo": each.undo,
            "backend": each.backend, "family": each.family, "table": each.table, "chain": each.chain,
            "jump_from": each.jump_from, "replaces": each.replaces}


def _proof(host: Host, proof: Proof) -> dict[str, Any]:
    return {
        "holds": proof.holds,
        "flows_asked": proof.asked,
        "changes": [{
            "service": port_in_words(change.before),
            "becomes": change.becomes,
            "verdict_before": change.before.verdict,
            "verdict_after": change.after.verdict if change.after else "blocked",
            "sources_before": from_where(host, change.before, change.before.ways),
            "sources_after": from_where(host, change.before, change.after.ways if change.after else ()),
        } for change in proof.changes],
        "moved": [{"packet": witness_in_words(each), "before": each.before, "after": each.after}
                  for each in proof.moved],
    }


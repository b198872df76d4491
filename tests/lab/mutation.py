"""Rulesets with one rule changed: deleted, put behind its neighbour, or turned round.

Works on what tools read: the text of iptables-restore, and the JSON of nft. A change is drawn, not searched: most have
an effect on some packet, and those that have none are told by the kernel.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_NEGATABLE = frozenset({
    "-s", "-d", "-i", "-o", "--dport", "--sport", "--dports", "--sports", "--ports", "--ctstate", "--mark",
    "--match-set", "--dst-type", "--src-type", "--src-range", "--dst-range", "--ctorigdstport", "--ctorigdst",
    "--icmp-type", "--icmpv6-type", "--pkt-type"})
_TURNED = {"ACCEPT": "DROP", "DROP": "ACCEPT", "RETURN": "DROP", "MASQUERADE": "ACCEPT"}
_NFT_MATCH = re.compile(
    r"(?<!set )\b(saddr|daddr|dport|sport|iifname|oifname|l4proto|ct state) (!= )?(?!vmap|map|set|\.)")
_NFT_VERDICT = re.compile(r"\b(?:accept|drop|return)\b(?!.*})")
_WEIGHT = 12
_BUILTIN_TARGETS = re.compile(r"^[A-Z]+$")


class Mutant(NamedTuple):
    """A changed ruleset. ``rules``: as of a Case; ``how``: delete, swap or flip; ``focus``: the rules touched."""

    rules: dict[str, str]
    how: str
    where: str
    focus: str


Hits = Callable[[str, int], bool]
"""Whether packets were seen to meet a rule: of the ruleset of a name, the rule in a line (of JSON: an entry)."""


def mutants(rules: dict[str, str], rng: random.Random, hits: Hits = lambda name, place: False) -> Iterator[Mutant]:
    """Changes of a ruleset, one after the other, for ever (or none, where it has no rule).

    Rules that packets met are drawn more often, and those that only log less.
    """
    places = [(name, place) for name in sorted(rules) for place in rule_places(name, rules[name])]
    if not places:
        return
    lines = {name: text.splitlines() for name, text in rules.items() if name != "native.json"}
    weights = [_WEIGHT if hits(name, place) and not (name in lines and "log" in lines[name][place].lower()) else 1
               for name, place in places]
    while True:
        name, place = rng.choices(places, weights)[0]
        how = rng.choice(("delete", "swap", "flip"))
        change = _change_json if name == "native.json" else _change_nft if name == "native" else _change_text
        changed = change(rules[name], place, how, rng)
        if changed is not None:
            text, where, focus = changed
            yield Mutant({**rules, name: text}, how, f"{name}: {where}", focus)


def rule_places(name: str, text: str) -> list[int]:
    """The lines (of JSON: the entries) that are rules."""
    if name == "ipset":
        return []
    if name == "native.json":
        return [place for place, entry in enumerate(json.loads(text)["nftables"]) if "rule" in entry]
    lines = text.splitlines()
    if name != "native":
        return [place for place, line in enumerate(lines) if line.startswith("-A ")]
    out, inside = [], False
    for place, line in enumerate(lines):
        bare = line.strip()
        if bare.startswith("chain "):
            inside = True
        elif bare == "}":
            inside = False
        elif inside and bare and not bare.startswith(("type ", "policy ", "comment ", "#")):
            out.append(place)
    return out


# ---- iptables-restore -----------------------------------------------------------------------------------------------


def _change_text(text: str, place: int, how: str, rng: random.Random) -> tuple[str, str, str] | None:
    lines = text.splitlines()
    line = lines[place]
    table = next(each[1:] for each in reversed(lines[:place]) if each.startswith("*"))
    where = f"{table} {line}"
    if how == "delete":
        del lines[place]
    elif how == "swap":
        chain = line.split()[1]
        end = next(at for at in range(place, len(lines)) if lines[at] == "COMMIT")
        after = next((at for at in range(place + 1, end) if lines[at].split()[:2] == ["-A", chain]), None)
        if after is None or _target(lines[after]) == _target(line):
            return None  # their order makes no difference
        lines[place], lines[after] = lines[after], line
        return "\n".join(lines) + "\n", f"{where} <-> {lines[place]}", f"{line}\n{lines[place]}"
    else:
        turned = _turn(line, rng)
        if turned is None:
            return None
        lines[place] = turned
        where += f" -> {turned}"
    return "\n".join(lines) + "\n", where, line


def _target(line: str) -> str:
    found = re.search(r" -[jg] (.*)", line)
    return found[1] if found else ""


def _turn(line: str, rng: random.Random) -> str | None:
    """A match the other way round, or another target; None where the rule has neither."""
    words = line.split(" ")
    matches = [at for at, word in enumerate(words) if word in _NEGATABLE and at > 1]
    targets = [at for at, word in enumerate(words[:-1]) if word in ("-j", "-g")]
    if matches and (not targets or rng.random() < 0.6):
        at = rng.choice(matches)
        if words[at - 1] == "!":
            return " ".join(words[: at - 1] + words[at:])
        return " ".join([*words[:at], "!", *words[at:]])
    if not targets:
        return None
    at = targets[0]
    target = words[at + 1]
    if target in _TURNED:
        return " ".join([*words[:at], "-j", _TURNED[target], *(words[at + 2:] if target != "MASQUERADE" else ())])
    if target == "REJECT":
        return " ".join([*words[:at], "-j", "ACCEPT"])
    if target == "DNAT":
        found = re.search(r":(\d+)$", line)
        return f"{line[: found.start()]}:{int(found[1]) % 65535 + 1}" if found else " ".join([*words[:at], "-j ACCEPT"])
    if _BUILTIN_TARGETS.match(target) and target not in ("DOCKER",):
        return None  # LOG, MARK, …
    return " ".join([*words[:at], "-j", "RETURN"])


# ---- nft's text -----------------------------------------------------------------------------------------------------


def _change_nft(text: str, place: int, how: str, rng: random.Random) -> tuple[str, str, str] | None:
    lines = text.splitlines()
    line = where = focus = lines[place].strip()
    if how == "delete":
        del lines[place]
    elif how == "swap":
        if place + 1 not in rule_places("native", text) or lines[place + 1].split()[-1] == line.split()[-1]:
            return None
        lines[place], lines[place + 1] = lines[place + 1], lines[place]
        where, focus = f"{line} <-> {lines[place].strip()}", f"{line}\n{lines[place].strip()}"
    else:
        turned = _turn_nft(lines[place], rng)
        if turned is None:
            return None
        where += f" -> {turned.strip()}"
        lines[place] = turned
    return "\n".join(lines) + "\n", where, focus


def _turn_nft(line: str, rng: random.Random) -> str | None:
    matches = list(_NFT_MATCH.finditer(line))
    verdicts = list(_NFT_VERDICT.finditer(line))
    if matches and (not verdicts or rng.random() < 0.6):
        match = rng.choice(matches)
        if match[2]:
            return line[: match.start(2)] + line[match.end(2):]
        return f"{line[: match.end(1)]} != {line[match.end():]}"
    if not verdicts:
        return None
    found = verdicts[-1]
    return line[: found.start()] + ("accept" if found[0] == "drop" else "drop") + line[found.end():]


# ---- nft's JSON -----------------------------------------------------------------------------------------------------


def _change_json(text: str, place: int, how: str, rng: random.Random) -> tuple[str, str, str] | None:
    document: dict[str, Any] = json.loads(text)
    entries = document["nftables"]
    places = [place for place, entry in enumerate(entries) if "rule" in entry]
    rule = entries[place]["rule"]
    where = f"{rule['family']} {rule['table']} {rule['chain']} {json.dumps(rule['expr'])}"
    focus = json.dumps(rule["expr"])
    if how == "delete":
        del entries[place]
    elif how == "swap":
        after = next((at for at in places if at > place and _chain(entries[at]) == _chain(entries[place])), None)
        if after is None or entries[after]["rule"]["expr"][-1] == rule["expr"][-1]:
            return None
        entries[place], entries[after] = entries[after], entries[place]
        other = json.dumps(entries[place]["rule"]["expr"])
        where += f" <-> {other}"
        focus += "\n" + other
    else:
        turned = _turn_json(rule["expr"], rng)
        if turned is None:
            return None
        entries[place] = {"rule": {**rule, "expr": turned}}
        where += f" -> {json.dumps(turned)}"
    return json.dumps(document), where, focus


def _chain(entry: dict[str, Any]) -> tuple[str, str, str]:
    rule = entry["rule"]
    return rule["family"], rule["table"], rule["chain"]


def _turn_json(expressions: list[Any], rng: random.Random) -> list[Any] | None:
    out = copy.deepcopy(expressions)
    matches = [each["match"] for each in out
               if isinstance(each, dict) and each.get("match", {}).get("op") in ("==", "!=")]
    verdicts = [at for at, each in enumerate(out)
                if isinstance(each, dict) and each.keys() & {"accept", "drop", "return"}]
    if matches and (not verdicts or rng.random() < 0.6):
        match = rng.choice(matches)
        match["op"] = "!=" if match["op"] == "==" else "=="
        return out
    if not verdicts:
        return None
    at = verdicts[0]
    out[at] = {"accept": None} if "drop" in out[at] else {"drop": None}
    return out

"""Print rules as ``nft list ruleset`` does, from the JSON; what is not understood prints as its JSON.

Counters print without their numbers, as ``nft --stateless`` does, so that a rule's text does not change by the minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fwaudit.netfilter.nft_values import json_text

_BARE_META: Final = frozenset({"iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup"})
_QUOTED_META: Final = _BARE_META | {"day", "hour", "time", "ibrname", "obrname", "ibridgename", "obridgename",
                                    "sdifname"}
_BITWISE: Final = frozenset({"|", "&", "^", "<<", ">>"})


def rule_text(statements: Any, comment: str = "") -> str:
    """A rule's statements in one line."""
    texts = [statement_text(statement) for statement in statements] if isinstance(statements, list) else []
    if comment:
        texts.append(f'comment "{comment}"')
    return " ".join(text for text in texts if text)


def statement_text(statement: Any) -> str:
    """One statement. nft 1.0.6 itself prints some statements as plain text inside the JSON."""
    if isinstance(statement, str):
        return " ".join(statement.split())[:500]
    if not isinstance(statement, dict) or len(statement) != 1:
        return json_text(statement)
    kind, body = next(iter(statement.items()))
    printer = _STATEMENTS.get(kind)
    try:
        if printer is not None:
            return str(printer(body))
        if kind in _NAT:
            return _nat_text(kind, body)
    except (TypeError, AttributeError, KeyError, IndexError, ValueError):
        pass
    if body is None:
        return str(kind)
    return json_text(statement)


def expression_text(expression: Any, left: Any = None) -> str:
    """An expression; ``left`` is the one that it is compared with, which decides how numbers and names look."""
    if expression is True or expression is False:
        return "exists" if expression else "missing"
    if isinstance(expression, str):
        plain = expression.startswith("@") or expression.isdecimal() or not _is_quoted(left)
        return expression if plain else f'"{expression}"'
    if isinstance(expression, int):
        if _is_raw(left):
            return f"0x{expression:x}"
        return f"0x{expression:08x}" if _is_mark(left) else str(expression)
    if isinstance(expression, list):
        return ",".join(expression_text(part, left) for part in expression)
    if isinstance(expression, dict) and len(expression) == 1:
        kind, body = next(iter(expression.items()))
        try:
            printer = _EXPRESSIONS.get(kind)
            if printer is not None:
                return str(printer(body))
            text = _constant_text(kind, body, left)
            if text is not None:
                return text
        except (TypeError, AttributeError, KeyError, IndexError, ValueError):
            pass
    return json_text(expression)


def _constant_text(kind: str, body: Any, left: Any) -> str | None:
    if kind == "prefix":
        return f"{expression_text(body['addr'], left)}/{body['len']}"
    if kind == "range":
        low, high = body
        return f"{expression_text(low, left)}-{expression_text(high, left)}"
    if kind == "elem":
        text = expression_text(body["val"], left)
        return text + (f" timeout {body['timeout']}s" if "timeout" in body else "")
    if kind == "set":
        elements = body if isinstance(body, list) else [body]
        return "{ " + ", ".join(_element_text(element, left) for element in elements) + " }"
    if kind == "concat":
        lefts = left["concat"] if isinstance(left, dict) and isinstance(left.get("concat"), list) else []
        return " . ".join(
            expression_text(part, lefts[i] if i < len(lefts) else None) for i, part in enumerate(body))
    if kind == "map":
        data = body["data"]
        if isinstance(data, dict) and isinstance(data.get("set"), list):
            listed = ", ".join(_element_text(element, body["key"], left) for element in data["set"])
            return f"{expression_text(body['key'])} map {{ {listed} }}"
        return f"{expression_text(body['key'])} map {expression_text(data)}"
    if kind in _BITWISE:
        first = body[0]
        context = left if left is not None else first
        return f" {kind} ".join([expression_text(first, left), *(expression_text(part, context) for part in body[1:])])
    return None


def _element_text(element: Any, left: Any, assigned: Any = None) -> str:
    """An element of a set, or ``key : value`` of a map whose values go to ``assigned``."""
    if isinstance(element, list) and len(element) == 2:
        key, value = element
        return f"{expression_text(key, left)} : {data_text(value, assigned)}"
    return expression_text(element, left)


def data_text(value: Any, assigned: Any = None) -> str:
    """The value side of a map: a verdict or an expression."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _VERDICTS:
        return statement_text(value)
    return expression_text(value, assigned)


def _is_raw(left: Any) -> bool:
    return isinstance(left, dict) and isinstance(left.get("payload"), dict) and "base" in left["payload"]


def _is_mark(left: Any) -> bool:
    if isinstance(left, dict) and len(left) == 1:
        kind, body = next(iter(left.items()))
        if kind in ("meta", "ct", "socket"):
            return isinstance(body, dict) and bool(body.get("key") == "mark")
        if kind in _BITWISE and isinstance(body, list) and body:
            return _is_mark(body[0])
    return False


def _is_quoted(left: Any) -> bool:
    if isinstance(left, dict) and len(left) == 1:
        kind, body = next(iter(left.items()))
        if isinstance(body, dict):
            key = str(body.get("key"))
            return (kind == "meta" and key in _QUOTED_META) or (kind == "ct" and key == "helper") or kind == "osf" or (
                kind == "fib" and body.get("result") in ("oif", "oifname"))
    return False


# ---- expressions ----------------------------------------------------------------------------------------------------


def _meta(body: Mapping[str, Any]) -> str:
    key = body["key"]
    return str(key) if key in _BARE_META else f"meta {key}"


def _payload(body: Mapping[str, Any]) -> str:
    if "base" in body:
        return f"@{body['base']},{body['offset']},{body['len']}"
    inner = f"{body['tunnel']} " if "tunnel" in body else ""
    return f"{inner}{body['protocol']} {body['field']}"


def _ct(body: Mapping[str, Any]) -> str:
    return " ".join(str(part) for part in ("ct", body.get("dir"), body.get("family"), body["key"]) if part)


def _fib(body: Mapping[str, Any]) -> str:
    flags = body["flags"]
    return f"fib {flags if isinstance(flags, str) else ' . '.join(flags)} {body['result']}"


def _header(prefix: str) -> Any:
    def text(body: Mapping[str, Any]) -> str:
        return " ".join(part for part in (prefix, str(body["name"]), str(body.get("field", ""))) if part)

    return text


def _extension_header(body: Mapping[str, Any]) -> str:
    return f"{body['name']} {body['field']}" if "field" in body else f"exthdr {body['name']}"


def _numgen(body: Mapping[str, Any]) -> str:
    offset = f" offset {body['offset']}" if body.get("offset") else ""
    return f"numgen {body['mode']} mod {body['mod']}{offset}"


def _jhash(body: Mapping[str, Any]) -> str:
    return f"jhash {expression_text(body['expr'])} mod {body['mod']}"


_EXPRESSIONS: Final = {
    "meta": _meta,
    "payload": _payload,
    "ct": _ct,
    "fib": _fib,
    "exthdr": _extension_header,
    "ip option": _header("ip option"),
    "tcp option": _header("tcp option"),
    "sctp chunk": _header("sctp chunk"),
    "rt": lambda body: " ".join(str(part) for part in ("rt", body.get("family"), body["key"]) if part),
    "socket": lambda body: f"socket {body['key']}",
    "osf": lambda body: f"osf {body['key']}",
    "ipsec": lambda body: f"ipsec {body['dir']} {body['key']}",
    "numgen": _numgen,
    "jhash": _jhash,
    "symhash": lambda body: f"symhash mod {body['mod']}",
}


# ---- statements -----------------------------------------------------------------------------------------------------


def _match(body: Mapping[str, Any]) -> str:
    left, right, op = body["left"], body["right"], body["op"]
    value = expression_text(right, left)
    if op in ("==", "!=") and isinstance(left, dict) and "&" in left:
        bits, mask = left["&"]
        if _is_flags(bits) and isinstance(mask, list):
            return f"{expression_text(bits)} {'' if op == '==' else '!= '}{value} / {expression_text(mask)}"
        if op == "!=":
            return f"{expression_text(left)} != {value}"
        return f"{expression_text(left)} == {value}"
    if op == "==" and _is_flags(left) and not isinstance(right, dict):
        return f"{expression_text(left)} == {value}"
    return f"{expression_text(left)} {value}" if op in ("==", "in") else f"{expression_text(left)} {op} {value}"


def _is_flags(left: Any) -> bool:
    return bool(left == {"payload": {"protocol": "tcp", "field": "flags"}})


def _limit(body: Any) -> str:
    if isinstance(body, str):
        return f'limit name "{body}"'
    over = "over " if body.get("inv") else ""
    unit = f" {body['rate_unit']}" if body.get("rate_unit", "packets") != "packets" else ""
    burst = f" burst {body['burst']} {body.get('burst_unit', 'packets')}" if body.get("burst", 5) not in (0, 5) else ""
    return f"limit rate {over}{body['rate']}{unit}/{body.get('per', 'second')}{burst}"


def _quota(body: Any) -> str:
    if isinstance(body, str):
        return f'quota name "{body}"'
    return f"quota {'over ' if body.get('inv') else ''}{body['val']} {body.get('val_unit', 'bytes')}"


def _object(kind: str) -> Any:
    def text(body: Any) -> str:
        if isinstance(body, str):
            return f'{kind} name "{body}"' if kind == "counter" else f'{kind} set "{body}"'
        return f"{kind} name {expression_text(body)}" if isinstance(body, dict) and "map" in body else kind

    return text


def _log(body: Any) -> str:
    if not body:
        return "log"
    words = ["log"]
    for key in ("prefix", "group", "snaplen", "queue-threshold", "level", "flags"):
        if key in body:
            value = body[key]
            words.append(f'prefix "{value}"' if key == "prefix" else f"{key} {expression_text(value)}")
    return " ".join(words)


def _reject(body: Any) -> str:
    if not body or (body.get("type") == "icmpx" and body.get("expr") == "port-unreachable"):
        return "reject"
    return f"reject with {body['type']}{' ' + expression_text(body['expr']) if 'expr' in body else ''}"


_NAT: Final = frozenset({"dnat", "snat", "masquerade", "redirect", "tproxy"})


def _nat_text(kind: str, body: Any) -> str:
    if not body:
        return kind
    words = [kind]
    if body.get("family"):
        words.append(str(body["family"]))
    if body.get("type_flags") == "prefix":
        words.append("prefix")
    address = expression_text(body["addr"]) if "addr" in body else ""
    port = f":{expression_text(body['port'])}" if "port" in body else ""
    if port and ":" in address and "map" not in address:
        address = f"[{address}]"
    if address or port:
        words += ["to", address + port]
    for key in ("flags",):
        if key in body:
            words.append(expression_text(body[key]))
    return " ".join(words)


def _set_update(body: Mapping[str, Any]) -> str:
    parts: Iterable[Any] = body.get("stmt", [])
    inside = " ".join([expression_text(body["elem"]), *(statement_text(part) for part in parts)])
    data = f" : {expression_text(body['data'])}" if "data" in body else ""
    return f"{body['op']} {body.get('set', body.get('map'))} {{ {inside}{data} }}"


def _queue(body: Any) -> str:
    if not body:
        return "queue"
    flags = f" flags {expression_text(body['flags'])}" if "flags" in body else ""
    return "queue" + flags + (f" to {expression_text(body['num'])}" if "num" in body else "")


def _dup(kind: str) -> Any:
    def text(body: Mapping[str, Any]) -> str:
        words = [kind]
        if "addr" in body:
            words += [*([str(body["family"])] if "family" in body else []), "to", expression_text(body["addr"])]
            words += ["device", f'"{body["dev"]}"'] if "dev" in body else []
        elif "dev" in body:
            words += ["to", f'"{body["dev"]}"']
        return " ".join(words)

    return text


def _verdict(kind: str) -> Any:
    return lambda body: f"{kind} {body['target']}" if kind in ("jump", "goto") else kind


def _tunables(kind: str) -> Any:
    return lambda body: " ".join([kind, *(f"{key} {value}" for key, value in (body or {}).items() if key != "flags")])


_VERDICTS: Final = ("accept", "drop", "return", "continue", "jump", "goto")

_STATEMENTS: Final = {
    **{kind: _verdict(kind) for kind in _VERDICTS},
    "match": _match,
    "counter": _object("counter"),
    "ct helper": _object("ct helper"),
    "ct timeout": _object("ct timeout"),
    "ct expectation": _object("ct expectation"),
    "limit": _limit,
    "quota": _quota,
    "ct count": lambda body: f"ct count {'over ' if body.get('inv') else ''}{body['val']}",
    "log": _log,
    "reject": _reject,
    "mangle": lambda body: f"{expression_text(body['key'])} set {expression_text(body['value'], body['key'])}",
    "set": _set_update,
    "map": _set_update,
    "meter": lambda body: f"meter {body['name']} {{ {expression_text(body['key'])} {statement_text(body['stmt'])} }}",
    "vmap": lambda body: f"{expression_text(body['key'])} vmap {expression_text(body['data'], body['key'])}",
    "queue": _queue,
    "dup": _dup("dup"),
    "fwd": _dup("fwd"),
    "flow": lambda body: f"flow {body['op']} {body['flowtable']}",
    "synproxy": _tunables("synproxy"),
    "xt": lambda body: f'xt {body["type"]} "{body["name"]}"' if body else "xt",
    "notrack": lambda body: "notrack",
    "last": lambda body: "last",
}

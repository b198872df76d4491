"""What ufw was told: its files → UfwPolicy.

Formats are ufw 0.36's own (``backend_iptables.py`` _read_rules/_write_rules, ``backend.py`` _get_defaults,
``parser.py`` get_command); ``drift`` against the kernel is in ufw_drift.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, cast

from fwaudit.errors import ParseError
from fwaudit.model.host import UfwPolicy, UfwRule
from fwaudit.packet.address import parse_address
from fwaudit.parse.values import TEXT_LIMIT
from fwaudit.records import dataclass

Action = Literal["allow", "deny", "reject", "limit"]
Direction = Literal["in", "out"]

_TUPLE = re.compile(r"### tuple ###\s*(.*)")
_SETTING = re.compile(r"(\w+)=[\"']?(\w+)[\"']?")
_PORTS = re.compile(r"\d{1,5}(:\d{1,5})?(,\d{1,5}(:\d{1,5})?)*")
_ANYWHERE = ("0.0.0.0/0", "::/0")
_ACTIONS = ("allow", "deny", "reject", "limit")


@dataclass(frozen=True, slots=True)
class _Tuple:
    """One tuple line as ufw splits it: still ufw's words, ``any`` and ``0.0.0.0/0`` included."""

    action: str
    log: str
    route: bool
    proto: str
    dport: str
    dst: str
    sport: str
    src: str
    dapp: str
    sapp: str
    direction: str
    interface_in: str
    interface_out: str
    comment: str


def parse_settings(*texts: str) -> dict[str, str]:
    """``KEY=value`` lines of /etc/default/ufw and ufw.conf, lower-cased as ufw does; later files and lines win."""
    out = {}
    for text in texts:
        for line in text.splitlines():
            found = _SETTING.match(line)
            if found:
                out[found[1].lower()] = found[2].lower()
    return out


def uses_ipv6(settings: Mapping[str, str]) -> bool:
    """Whether ufw filters IPv6 by rules: ``IPV6=yes``, which ufw wants in so many words. Where its file was not read,
    yes, as distributions ship it."""
    return settings.get("ipv6", "no" if "default_input_policy" in settings else "yes") == "yes"


def parse_policy(settings: Mapping[str, str], rules: tuple[UfwRule, ...], status: str, version: str = "",
                 unread: str = "", loaded: tuple[tuple[int, str], ...] = ()) -> UfwPolicy:
    """The policy from its parts. ``status``: what ``ufw status verbose`` printed under LC_ALL=C, empty where not asked.

    Defaults are in the file's words, lower case (``drop``, ``reject``, ``accept``), empty where the file has none.
    """
    def yes(key: str) -> bool | None:
        return settings[key] == "yes" if key in settings else None

    first = next((line.strip().lower() for line in status.splitlines() if line.strip()), "")
    active = {"status: active": True, "status: inactive": False}.get(first)
    return UfwPolicy(
        installed=True, enabled=yes("enabled"), active=active, ipv6=uses_ipv6(settings),
        default_input=settings.get("default_input_policy", ""),
        default_output=settings.get("default_output_policy", ""),
        default_forward=settings.get("default_forward_policy", ""), manage_builtins=yes("manage_builtins") is True,
        rules=rules, status=status[:TEXT_LIMIT * 16], version=version, unread=unread,
        loaded=loaded,
    )


def parse_rules(texts: Mapping[int, str]) -> tuple[tuple[UfwRule, ...], tuple[tuple[str, str], ...]]:
    """The rules of ``{4: user.rules, 6: user6.rules}`` in the kernel's order, numbered as ``ufw status numbered`` does,
    and (source, why) for each tuple line that ufw itself would skip as malformed.

    An application rule of several tuples (``80/tcp`` and ``443/udp`` of one profile) is one line there: its tuples
    share a number.
    """
    rules: list[UfwRule] = []
    skipped: list[tuple[str, str]] = []
    numbers: dict[tuple[str, ...], int] = {}
    count = 0
    for family, text in texts.items():
        source = "ufw/user.rules" if family == 4 else "ufw/user6.rules"
        lines = text.splitlines()
        for at, line in enumerate(lines):
            found = _TUPLE.match(line) if line[:1] == "#" else None
            if not found:
                continue
            try:
                fields = _split(found[1], source, at + 1)
                key = _application_key(fields)
                if not key or key not in numbers:
                    count += 1
                number = numbers.setdefault(key, count) if key else count
                rules.append(_rule(fields, family, number, _lines_below(lines, at), source, at + 1))
            except ParseError as error:
                skipped.append((source, str(error)))
    return tuple(rules), tuple(skipped)


def parse_loaded(texts: Mapping[int, str]) -> tuple[tuple[int, str], ...]:
    """(family, line) for each iptables line of the files' RULES sections, with a tuple above it or not.

    The other sections (logging, rate limiting) follow from ``ufw logging``. A file without the marks is one section.
    """
    out = []
    for family, text in texts.items():
        inside = "### RULES ###" not in text
        for line in map(str.strip, text.splitlines()):
            if line in ("### RULES ###", "### END RULES ###"):
                inside = line == "### RULES ###"
            elif inside and line.startswith("-"):
                out.append((family, line))
    return tuple(out)


def _split(text: str, source: str, number: int) -> _Tuple:
    """``[route:]action[_log[-all]] proto dport dst sport src [dapp sapp] [direction[_in][!out_…]] [comment=hex]``."""
    text, _, comment = text.partition(" comment=")
    words = text.split()
    if not 6 <= len(words) <= 9:
        raise ParseError(source, number, f"malformed tuple, ufw skips it: {text[:80]!r}")
    action, _, log = words[0].lower().removeprefix("route:").partition("_")
    direction, interface_in, interface_out = _interfaces(words[-1]) if len(words) in (7, 9) else ("in", "", "")
    if direction not in ("in", "out") or action not in _ACTIONS or log not in ("", "log", "log-all"):
        raise ParseError(source, number, f"malformed tuple, ufw skips it: {text[:80]!r}")
    dapp, sapp = (word.replace("%20", " ") if word != "-" else "" for word in (words[6:8] if len(words) > 7 else "--"))
    proto, dport, dst, sport, src = words[1:6]
    return _Tuple(action, log, words[0].startswith("route:"), proto, dport, dst, sport, src, dapp, sapp,
                  direction, interface_in, interface_out, _comment(comment.strip()))


def _interfaces(word: str) -> tuple[str, str, str]:
    """(direction, interface in, interface out) of ``in``, ``in_eth0``, ``out_eth1``, ``in_eth0!out_docker0``."""
    first, _, second = word.partition("!")
    direction, _, name = first.partition("_")
    if second:
        return direction, name, second.partition("_")[2]
    return (direction, name, "") if direction == "in" else (direction, "", name)


def _comment(hexadecimal: str) -> str:
    try:
        return bytes.fromhex(hexadecimal).decode("utf-8", "replace")
    except ValueError:
        return hexadecimal


def _lines_below(lines: list[str], at: int) -> tuple[str, ...]:
    """The iptables lines that belong to the tuple at ``at``: up to a blank line or the next ``###``."""
    out = []
    for line in lines[at + 1:]:
        if not line.strip() or line.startswith("###"):
            break
        out.append(line.strip())
    return tuple(out)


def _application_key(rule: _Tuple) -> tuple[str, ...]:
    """UFWRule.get_app_tuple: what makes tuples of one application rule the same line of ``ufw status``."""
    if not rule.dapp and not rule.sapp:
        return ()
    ifaces = (rule.interface_in, rule.interface_out) if rule.interface_in or rule.interface_out else (rule.direction,)
    return (rule.dapp or rule.dport, rule.dst, rule.sapp or rule.sport, rule.src, *ifaces)


def _rule(fields: _Tuple, family: int, number: int, lines: tuple[str, ...], source: str, line: int) -> UfwRule:
    def network(text: str) -> tuple[int, int] | None:
        if text in (*_ANYWHERE, "any"):
            return None
        address, _, length = text.partition("/")
        width = 32 if family == 4 else 128
        try:
            found, value = parse_address(address)
            prefix = _prefix(length, width)
        except ValueError:
            raise ParseError(source, line, f"malformed address, ufw skips the tuple: {text[:60]!r}") from None
        if found != family:
            raise ParseError(source, line, f"an address of the other family: {text[:60]!r}")
        return value >> (width - prefix) << (width - prefix), prefix

    def ports(text: str) -> str:
        if text != "any" and not _PORTS.fullmatch(text):
            raise ParseError(source, line, f"malformed port, ufw skips the tuple: {text[:60]!r}")
        return "" if text == "any" else text

    return UfwRule(
        family, number, cast(Action, fields.action), "route" if fields.route else cast(Direction, fields.direction),
        fields.proto, network(fields.dst), ports(fields.dport), network(fields.src), ports(fields.sport),
        fields.interface_in, fields.interface_out, fields.dapp or fields.sapp, fields.log, fields.comment,
        command(fields), lines,
    )


def _prefix(length: str, width: int) -> int:
    """``24``, ``255.255.255.0`` or nothing. Raises ValueError, also for a mask with holes."""
    if not length:
        return width
    if "." in length:
        bits = bin(parse_address(length)[1])[2:].zfill(32)
        if "01" in bits:
            raise ValueError("a mask with holes")
        return bits.count("1")
    prefix = int(length)
    if not 0 <= prefix <= width:
        raise ValueError("prefix length out of range")
    return prefix


# ---- ufw's own spelling ---------------------------------------------------------------------------------------------


def command(rule: _Tuple) -> str:
    """The rule as ``ufw show added`` prints it, without the leading ``ufw`` (UFWCommandRule.get_command)."""
    anywhere = rule.dst in _ANYWHERE and rule.src in _ANYWHERE
    plain = not (rule.sapp or rule.interface_in or rule.interface_out) and rule.sport == "any"
    words = ["route"] if rule.route else []
    words.append(rule.action)
    if anywhere and plain and rule.dport != "any":
        words += ["out"] if rule.direction == "out" else []
        words += [rule.log] if rule.log else []
        words.append(_quoted(rule.dapp) if rule.dapp else rule.dport + _slash(rule.proto))
    else:
        words += _full(rule)
    if rule.comment:
        words.append(f"comment '{rule.comment}'")
    return " ".join(words)


def _full(rule: _Tuple) -> list[str]:
    words = [f"in on {rule.interface_in}"] if rule.interface_in else []
    if rule.interface_out:
        words.append(f"out on {rule.interface_out}")
    elif rule.direction == "out":
        words.append("out")
    words += [rule.log] if rule.log else []
    sides = [side for side in (_side("from", rule.src, rule.sport, rule.sapp),
                               _side("to", rule.dst, rule.dport, rule.dapp)) if side]
    if not sides and not rule.interface_in and not rule.interface_out:
        sides = ["to any"]
    words += sides
    if rule.proto != "any" and not rule.dapp and not rule.sapp:
        words.append(f"proto {rule.proto}")
    return words


def _side(word: str, address: str, port: str, app: str) -> str:
    place = "any" if address in _ANYWHERE else address
    if place == "any" and port == "any" and not app:
        return ""
    what = f" app {_quoted(app)}" if app else f" port {port}" if port != "any" else ""
    return f"{word} {place}{what}"


def _quoted(app: str) -> str:
    return f"'{app}'" if " " in app else app


def _slash(proto: str) -> str:
    return "" if proto == "any" else f"/{proto}"

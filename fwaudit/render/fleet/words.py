"""What all formats for people say of many hosts, as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from fwaudit.model.fleet import Changes, Fleet, Group, HostRow, PortRow
from fwaudit.model.report import Severity
from fwaudit.records import dataclass
from fwaudit.render.rows import REDACTED
from fwaudit.render.text import clean, shorten

_MANY_PORTS = 6


@dataclass(frozen=True, slots=True)
class Block:
    """A table with its title. ``more``: so many lines that are not in it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0


def count(number: int, noun: str) -> str:
    """``1 host``, ``20,000 hosts``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def headline(fleet: Fleet) -> str:
    """How many hosts have something open that nobody answers for; and what could not be looked at."""
    levels = fleet.levels
    bad = levels.get("critical", 0) + levels.get("warning", 0)
    parts = [f"{bad:,} of {count(fleet.total, 'snapshot')} {'has' if bad == 1 else 'have'} ports open that nobody "
             f"answers for" + (f", {levels['critical']:,} of them severely" if levels.get("critical") else "")]
    if fleet.failed:
        parts.append(f"{fleet.failed:,} could not be read")
    unknown = levels.get("unknown", 0) - fleet.failed
    if unknown:
        parts.append(f"{unknown:,} cannot be told for sure")
    return "; ".join(parts) + "."


def summary(fleet: Fleet) -> list[str]:
    """Lines below the headline."""
    lines = [f"{count(fleet.breaches, 'exposure')} that nobody answers for, {fleet.undecided:,} undecided; "
             f"{count(fleet.levels.get('ok', 0), 'snapshot')} as intended."]
    if fleet.incomplete:
        lines.append(f"Of {count(fleet.incomplete, 'snapshot')} not everything could be read.")
    if fleet.redacted:
        verb = "is" if fleet.redacted == 1 else "are"
        lines.append(f"{count(fleet.redacted, 'snapshot')} {verb} redacted: {REDACTED}.")
    if fleet.changes is not None:
        lines.append(changed(fleet.changes))
    return lines


def changed(changes: Changes) -> str:
    """What changed, in a sentence."""
    text = (f"Since {changes.since}: {changes.new:,} new, {changes.gone:,} gone, {changes.changed:,} changed; "
            f"{count(changes.hosts_new, 'host')} new, {changes.hosts_gone:,} missing")
    return text + (f"; {changes.not_compared:,} not compared, since not all of them could be read."
                   if changes.not_compared else ".")


def blocks(fleet: Fleet, top: int) -> Iterator[Block]:
    """The tables, in the order in which they are wanted."""
    rows = tuple(map(_host, islice((host for host in fleet.hosts() if host.level != "ok"), top)))
    wrong = fleet.total - fleet.levels.get("ok", 0)
    yield Block("Worst hosts", ("Level", "Host", "Open", "What is open, or why it is not known"), rows,
                wrong - len(rows))
    if fleet.changes is not None:
        listed = tuple((each.kind, each.host, f"{each.port} {each.who}", each.before or "-", each.after or "-")
                       for each in islice(fleet.changes.listed(), top))
        total = fleet.changes.new + fleet.changes.gone + fleet.changes.changed
        yield Block("What changed", ("Change", "Host", "Port", "Before", "Now"), listed, total - len(listed))
    for title, noun, found in (("By finding", "Finding", fleet.by_finding), ("By service", "Service", fleet.by_service),
                               ("By image", "Image", fleet.by_image)):
        yield Block(title, ("At worst", noun, "Hosts", "Times", "For example"), tuple(map(_group, found[:top])),
                    max(len(found) - top, 0))


def _group(group: Group) -> tuple[str, ...]:
    return (Severity(group.severity).name.lower(), group.name, f"{group.hosts:,}", f"{group.count:,}", group.example)


def _host(host: HostRow) -> tuple[str, ...]:
    return (host.level, named(host), str(host.breaches) if not host.error else "-", why(host))


def named(host: HostRow) -> str:
    """A host's name; whether it is its own."""
    return f"{host.name} (redacted)" if host.redacted else host.name


def why(host: HostRow) -> str:
    """What is wrong with a host, in a few words."""
    if host.error:
        return f"{host.error}" if not host.host else f"{host.source}: {host.error}"
    found = [each for each in host.ports if each.standing in ("breach", "undecided")]
    parts = [", ".join(list(dict.fromkeys(map(port_in_words, found)))[:_MANY_PORTS])] if found else []
    more = len(dict.fromkeys(map(port_in_words, found))) - _MANY_PORTS
    if more > 0:
        parts[0] += f" and {more} more"
    beside = dict.fromkeys(each.id for each in host.findings if each.standing == "breach")
    if beside:
        parts.append(", ".join(list(beside)[:_MANY_PORTS]))
    if host.unread:
        parts.append(f"{count(host.unread, 'source')} not read")
    return "; ".join(parts)


def port_in_words(port: PortRow) -> str:
    """``5432/tcp shop-db-1 · PostgreSQL``; undecided ones say so."""
    name = shorten(clean(port.who), 40) + (f" · {port.likely}" if port.likely else "")
    doubt = " (undecided)" if port.standing == "undecided" else ""
    return f"{port.port}/{port.proto} {name}{doubt}"


def safe(cells: Sequence[str], width: int = 400) -> list[str]:
    """Cells without control characters."""
    return [shorten(clean(cell), width) for cell in cells]

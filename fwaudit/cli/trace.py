"""``fwaudit trace``: what becomes of a packet, rule by rule."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from fwaudit.cli.options import Format, NoColor, Recorded

if TYPE_CHECKING:
    from fwaudit.exposure.words import Networks
    from fwaudit.model.verdict import Answer, Query
    from fwaudit.path.engine import Engine

_MOST_SHOWN = 80
"""Characters of a wrong option that its error shows."""
_EXAMPLES = """Say what becomes of a packet, and which rules it meets.

The packet is the first of a new connection. It comes in by --in (left out: the host itself sends it), from --from (an
address or a network; left out: from anywhere, and the answer names the sources for each outcome), to --to.

Examples:

  fwaudit trace --in eth0 --from 198.51.100.7 --to 203.0.113.10:5432/tcp

  fwaudit trace --in eth0 --to [2001:db8::10]:443/tcp --format json

  fwaudit trace --snapshot host.tar.gz --batch queries.jsonl
"""


def trace(
    to: Annotated[str, typer.Option(
        "--to", metavar="TARGET", help="ADDRESS:PORT/PROTOCOL; [ADDRESS]:PORT for IPv6.")] = "",
    source: Annotated[str, typer.Option("--from", metavar="SOURCE", help="An address or a network.")] = "",
    iif: Annotated[str, typer.Option(
        "--in", metavar="INTERFACE", help="The interface that the packet comes in by.")] = "",
    sport: Annotated[int | None, typer.Option(
        "--sport", metavar="PORT", help="Source port. Left out: any that a client takes.")] = None,
    batch: Annotated[str, typer.Option(
        "--batch", metavar="FILE", help="Answer every line of this JSON Lines file; - is stdin.")] = "",
    explain: Annotated[bool, typer.Option(
        "--explain", help="Say of each fact that would decide an open packet what it leads to.")] = False,
    snapshot: Recorded = None,
    format: Format = "table",
    no_color: NoColor = False,
) -> int:
    from fwaudit.cli.source import load, without_collector
    from fwaudit.errors import UsageError
    from fwaudit.parse.host import parse_host
    from fwaudit.path.engine import Engine

    if bool(to) == bool(batch):
        raise UsageError("give either --to or --batch", "fwaudit trace --help shows examples.")
    if batch and (source or iif or sport is not None):
        raise UsageError("--from, --in and --sport go with --to", "With --batch, each line says its own.")
    if format not in ("table", "json"):
        raise UsageError(f"no such format: {format[:_MOST_SHOWN]}", "trace has the formats table and json.")
    query = None if batch else _query(to, source, iif, sport)
    with without_collector():
        engine = Engine(parse_host(load(snapshot)))
        if query is None:
            return _batch(engine, batch)
        return _single(engine, query, format, explain, no_color)


trace.__doc__ = _EXAMPLES


def _query(to: str, source: str, iif: str, sport: int | None) -> Query:
    """The question that the options ask. Raises UsageError."""
    from fwaudit.errors import UsageError
    from fwaudit.model.verdict import Query
    from fwaudit.packet.address import parse_address, parse_network
    from fwaudit.packet.fields import PORT_PROTOCOLS, PROTOCOLS
    from fwaudit.packet.intervals import ALL

    shown = to if len(to) <= _MOST_SHOWN else to[:_MOST_SHOWN] + "…"
    where, _, protocol = to.partition("/")
    proto = PROTOCOLS.get((protocol or "tcp").lower())
    if proto is None:
        raise UsageError(f"--to: no such protocol: {protocol[:_MOST_SHOWN]}", "For example: --to 203.0.113.10:5432/tcp")
    address, _, port = where.rpartition(":") if proto in PORT_PROTOCOLS else (where, "", "0")
    try:
        family, dst = parse_address(address.strip("[]"))
        dport = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
        if not 0 <= dport <= 65535:
            raise ValueError
    except ValueError:
        raise UsageError(f"--to: not ADDRESS:PORT/PROTOCOL: {shown}",
                         "For example: --to 203.0.113.10:5432/tcp or --to '[2001:db8::10]:443/tcp'") from None
    sources = ALL
    if source:
        try:
            source_family, sources = parse_network(source)
        except ValueError:
            raise UsageError(f"--from: not an address or a network: {source[:_MOST_SHOWN]}",
                             "For example: --from 198.51.100.7 or --from 10.0.0.0/8") from None
        if source_family != family:
            raise UsageError("--from and --to are of different families", "Both IPv4 or both IPv6.")
    if sport is not None and not 0 <= sport <= 65535:
        raise UsageError(f"--sport: not a port: {sport}", "A number from 0 to 65535.")
    return Query(family, "" if iif == "lo" else iif, dst, proto, dport, sources, sport)


def _batch(engine: Engine, path: str) -> int:
    import sys

    from fwaudit.cli import OK, UNKNOWN
    from fwaudit.cli.batch import answers, bounded

    bad = 0
    with _lines(path) as stream:
        for answer, good in answers(engine, bounded(stream)):
            sys.stdout.write(answer + "\n")
            if path == "-":
                sys.stdout.flush()  # whoever writes one question at a time waits for its answer
            bad += not good
    return UNKNOWN if bad else OK


def _lines(path: str) -> AbstractContextManager[TextIO]:
    """The lines of a file, or of stdin for ``-``. Raises UsageError where there is no such file."""
    import io
    import sys
    from contextlib import nullcontext

    from fwaudit.errors import UsageError

    if path == "-":
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        return nullcontext(sys.stdin)
    try:
        return Path(path).open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {path[:_MOST_SHOWN]}: {error.strerror}",
                         "Give a file of JSON Lines, or -.") from error


def _single(engine: Engine, query: Query, format: str, explain: bool, no_color: bool) -> int:
    from fwaudit.cli import OK, UNKNOWN
    from fwaudit.cli.output import screen
    from fwaudit.exposure import inside_of, networks_of
    from fwaudit.path.every_source import trace_all
    from fwaudit.render.trace import trace_table, traces_json

    _check_place(engine, query)
    inside = inside_of(engine.host)
    answers = [_shown(engine, query, answer, inside) for answer in trace_all(engine, query)]
    if format == "json":
        print(traces_json(query, answers, inside))
    else:
        networks = networks_of(engine.host).get(query.iif, ())
        print(trace_table(query, answers, screen(no_color), networks, inside, explain=explain))
    return UNKNOWN if any(answer.trace.disposition == "undecided" for answer in answers) else OK


def _check_place(engine: Engine, query: Query) -> None:
    """Raise UsageError where the packet cannot come in, or be sent, as the options say."""
    from fwaudit.errors import UsageError
    from fwaudit.packet.intervals import ALL, IntervalSet

    interfaces = engine.host.interfaces
    names = [name for name in sorted(interfaces) if name != "lo"]
    listed = f"It has: {', '.join(names[:20])}" + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    if query.iif and query.iif not in interfaces and interfaces:
        raise UsageError(f"--in: this host has no interface {query.iif[:_MOST_SHOWN]}", listed)
    own = {address.value for each in interfaces.values() for address in each.addresses
           if address.family == query.family}
    if not query.iif and query.sources != ALL and interfaces and not any(
            query.sources == IntervalSet.of(value) for value in own) and not _is_loopback(query):
        raise UsageError("--from: this is no address of the host, and without --in the host itself sends the packet",
                         f"Say by which interface it comes in: --in NAME. {listed}")


def _is_loopback(query: Query) -> bool:
    low, high = (127 << 24, 128 << 24) if query.family == 4 else (1, 2)
    return low <= query.sources.lowest() < high and query.sources.size(1 << 128) == 1


def _shown(engine: Engine, query: Query, answer: Answer, inside: Networks) -> Answer:
    """The answer with the way of a packet that speaks for it: 0.0.0.0 is dropped as well, but not for the reason that
    somebody asks for."""
    from dataclasses import replace

    from fwaudit.packet.intervals import IntervalSet
    from fwaudit.render.trace import shown_source

    source = shown_source(query, answer, inside)
    if source is None:
        return answer
    packet = replace(query, sources=IntervalSet.of(source))
    return replace(answer, trace=engine.example(packet, answer.certainly))

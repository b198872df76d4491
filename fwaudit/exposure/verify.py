"""The look from outside: which scan to run on another machine, and what its result says about the verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from fwaudit.exposure.outside import PRIVATE, host_addresses, outside_interfaces
from fwaudit.model.host import Host
from fwaudit.model.report import Exposure
from fwaudit.model.verdict import Query
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import SCTP, TCP, UDP
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.parse.nmap import Scan, Seen
from fwaudit.path.engine import Engine
from fwaudit.records import dataclass

Agreement = Literal["agrees", "tells-nothing", "in-front", "hidden", "changed"]


_HIDDEN = ("the scan got in where the verdict says closed: it came from a source that this host treats otherwise, "
           "something in front of it answered in its place, or the rules have changed since. Look again at once, and "
           "say where the scan came from (--from)")
_IN_FRONT = ("open on this host, and the scan did not get in: a firewall in front of it (of the provider, a router), "
             "or on the scanner's side. That it stays there is not this host's doing")


@dataclass(frozen=True, slots=True)
class Held:
    """One scanned port held against the verdict.

    ``expected``: *open* (whoever asks gets in), *closed*, *depends* (some sources get in), *undecided*. ``agreement``:
    *in-front*: open here, yet the scan did not get in, so something before this host stops it; *hidden*: closed here,
    yet the scan got in; *tells-nothing*: the scan's word fits everything (UDP that does not answer); *changed*: the
    scan was of an address that is not this host's.
    """

    seen: Seen
    expected: Literal["open", "closed", "depends", "undecided"]
    agreement: Agreement
    why: str


def commands(host: Host, exposures: Iterable[Exposure]) -> list[tuple[str, ...]]:
    """nmap command lines for another machine: only ports that matter, for every address that can be reached from afar.

    TCP by connecting, which needs no root there; UDP and SCTP with root.
    """
    found: list[tuple[str, ...]] = []
    listed = list(exposures)
    for family in (4, 6):
        addresses = _addresses(host, family)
        for proto, scan in ((TCP, "-sT"), (UDP, "-sU"), (SCTP, "-sY")):
            ports = sorted({each.service.port for each in listed if each.family == family
                            and each.service.proto == proto and each.service.kind != "container-port"})
            if ports and addresses:
                found.append(("nmap", "-Pn", "-n", *(("-6",) if family == 6 else ()), scan, "-p",
                              ",".join(map(str, ports)), "-oX",
                              f"scan-ipv{family}-{'tcp' if proto == TCP else 'udp' if proto == UDP else 'sctp'}.xml",
                              *addresses))
    return found


def _addresses(host: Host, family: int) -> list[str]:
    """The host's own addresses, those of the internet alone where there are any."""
    own = host_addresses(outside_interfaces(host), family)
    public = [address for address in own if address not in PRIVATE[family]]
    return [format_address(family, address) for address in public or own]


def hold(host: Host, engine: Engine, scan: Scan, source: tuple[int, int] | None = None) -> Iterator[Held]:
    """Every scanned port against the engine. ``source`` (family, address): the machine that scanned, where known."""
    own = {(address.family, address.value) for interface in host.interfaces.values() for address in interface.addresses}
    for seen in scan.ports:
        if (seen.family, seen.address) not in own:
            yield Held(seen, "undecided", "changed", "not an address of this host: another machine may have answered")
            continue
        certainly, possibly = _reached(host, engine, seen, source)
        universe = _asked(seen.family, source)
        expected: Literal["open", "closed", "depends", "undecided"]
        if not (possibly & universe if source else possibly):
            expected = "closed"
        elif universe <= certainly:
            expected = "open"
        elif certainly == possibly and source is None:
            expected = "depends"
        else:
            expected = "undecided"
        yield _held(seen, expected)


def _asked(family: int, source: tuple[int, int] | None) -> IntervalSet:
    """The sources that a scan may have come from."""
    if source is not None and source[0] == family:
        return IntervalSet.of(source[1])
    if family == 4:
        return IntervalSet.from_ranges([(1 << 24, (10 << 24) - 1)])
    return IntervalSet.from_ranges([(0x2000 << 112, (0x2001 << 112) - 1)])


def _reached(host: Host, engine: Engine, seen: Seen, source: tuple[int, int] | None) -> tuple[IntervalSet, IntervalSet]:
    """The sources that get an answer, by any interface that their packets may come in by."""
    certainly = possibly = EMPTY
    interfaces = [each.name for each in outside_interfaces(host)]
    holder = [each.name for each in outside_interfaces(host)
              if any(address.value == seen.address for address in each.addresses)]
    for name in holder or interfaces:
        for outcome in engine.reach(Query(seen.family, name, seen.address, seen.proto, seen.port)).outcomes:
            if outcome.disposition == "delivered":
                certainly, possibly = certainly | outcome.certainly, possibly | outcome.possibly
            elif outcome.disposition == "undecided":
                possibly = possibly | outcome.possibly
    return certainly, possibly


def _held(seen: Seen, expected: Literal["open", "closed", "depends", "undecided"]) -> Held:
    if seen.state in ("open|filtered", "unfiltered", ""):
        return Held(seen, expected, "tells-nothing", "no answer tells nothing here: an open port may be silent as well")
    is_open = seen.state == "open"
    if expected in ("depends", "undecided"):
        return Held(seen, expected, "agrees", "some sources get in" if expected == "depends" else
                    "the verdict is undecided, and the scan shows it for one source")
    if is_open == (expected == "open"):
        return Held(seen, expected, "agrees", "")
    if is_open:
        return Held(seen, expected, "hidden", _HIDDEN)
    return Held(seen, expected, "in-front", _IN_FRONT)

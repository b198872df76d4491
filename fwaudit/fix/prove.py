"""The proof of a plan: walk every packet again with the plan loaded, and compare.

Two things have to hold. What the plan is about closes: sources that policy denies get in no more, and the others do as
before. And nothing else moves: what containers send out and to each other, what the host serves, what it forwards for
others, and the admin's own session. A plan that moves anything else is refused, with a packet that shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from fwaudit.exposure.auditor import exposures
from fwaudit.fix import whatif
from fwaudit.fix.flows import other_flows
from fwaudit.fix.planner import Allowed, Wish
from fwaudit.model.host import Host
from fwaudit.model.plan import Becomes, Change, Plan, Proof, Witness
from fwaudit.model.report import Exposure, Service, Way
from fwaudit.model.verdict import Outcome, Query, Reach
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.path.engine import Engine


def prove(host: Host, plan: Plan, wish: Wish, *, session: Query | None = None,
          progress: Callable[[str], None] = lambda text: None) -> Proof:
    """Compare the host without any fix with the host as the plan would make it; and, where an earlier fix is loaded,
    see that nothing opens that it closes. ``session``: the admin's own connection."""
    ruleset = whatif.loaded(host.ruleset, plan)
    loaded = whatif.ours(host.ruleset)
    bare = replace(host, ruleset=whatif.without_ours(host.ruleset)) if loaded else host
    before, after = Engine(bare), Engine(replace(host, ruleset=ruleset))
    progress("asking about every service, with the plan and without")
    old, new = exposures(bare, before), _by_key(exposures(replace(host, ruleset=ruleset), after))
    moved: list[Witness] = []
    changes = []
    for exposure in old:
        again = new.pop(_key(exposure), None)
        moved += _moved_ways(exposure, again, wish)
        changes.append(Change(exposure, again, _becomes(exposure, again)))
    moved += [Witness(_way_query(each, each.ways[0], each.ways[0].possibly), "not there", "reached")
              for each in new.values() if any(way.possibly for way in each.ways)]
    if loaded:
        moved += _opened_again(exposures(host, Engine(host)), _by_key(each.after for each in changes if each.after))
    progress("asking about everything else that passes")
    asked = 0
    for query in (*other_flows(host), *((session,) if session else ())):
        asked += 1
        moved += _moved(query, before.reach(query), after.reach(query))
    needed = whatif.changes(host.ruleset, ruleset) and (
        bool(loaded) or any(each.becomes in ("closed", "restricted") for each in changes))
    return Proof(tuple(changes), tuple(moved), asked, needed)


def _by_key(found: Iterable[Exposure]) -> dict[tuple[Service, int], Exposure]:
    return {_key(each): each for each in found}


def _opened_again(now: Iterable[Exposure], then: dict[tuple[Service, int], Exposure]) -> Iterator[Witness]:
    """Sources that policy denies, that the loaded fix shuts out, and that would get in again."""
    for exposure in now:
        for way, again in _pairs(exposure, then.get(_key(exposure))):
            sources = again.possibly - way.possibly - again.allowed
            if sources:
                yield Witness(_way_query(exposure, way, sources), "shut out by the fix that is loaded",
                              "let in: the plan would open again what that fix closes")


def _key(exposure: Exposure) -> tuple[Service, int]:
    return exposure.service, exposure.family


def _becomes(before: Exposure, after: Exposure | None) -> Becomes:
    wrong = _denied(before)
    left = _denied(after)
    if not wrong:
        reached = any(way.possibly != other.possibly for way, other in _pairs(before, after))
        return "restricted" if reached else "unchanged"
    if not left:
        return "closed"
    return "restricted" if left != wrong else "open"


def _denied(exposure: Exposure | None) -> dict[tuple[str, int], IntervalSet]:
    """Way → sources that get in, certainly or perhaps, although policy certainly denies them."""
    found = {(way.iif, way.dst): way.bypass | way.doubtful for way in (exposure.ways if exposure else ())}
    return {way: sources for way, sources in found.items() if sources}


def _pairs(before: Exposure, after: Exposure | None) -> Iterator[tuple[Way, Way]]:
    """Each way as it was and as it is; a service that is gone is reached by nobody."""
    again = {(way.iif, way.dst): way for way in after.ways} if after else {}
    for way in before.ways:
        yield way, again.get((way.iif, way.dst)) or replace(way, certainly=EMPTY, possibly=EMPTY)


def _moved_ways(before: Exposure, after: Exposure | None, wish: Wish) -> Iterator[Witness]:
    """Sources that must get in as before and do not, or that get in and did not."""
    for way, again in _pairs(before, after):
        may_close = _may_close(before, way, wish)
        lost = (way.certainly - again.certainly) - may_close
        lost_perhaps = (way.possibly - again.possibly) - may_close
        opened = (again.possibly - way.possibly) | (again.certainly - way.certainly)
        for sources, was, now in ((lost, "delivered", "not for certain"), (lost_perhaps, "perhaps delivered", "lost"),
                                  (opened, "not delivered", "delivered")):
            if sources:
                yield Witness(_way_query(before, way, sources), was, now)


def _may_close(exposure: Exposure, way: Way, wish: Wish) -> IntervalSet:
    """The sources that a plan is free to shut out: those that policy, or ``--allow``, does not let in."""
    own = [each for each in wish.allows if _is(exposure, each)]
    if own:
        named = EMPTY
        for each in own:
            if each.family == exposure.family:
                named = named | each.sources
        return ~named
    return ~way.allowed


def _is(exposure: Exposure, allowed: Allowed) -> bool:
    service = exposure.service
    return service.kind == "published" and (service.proto, service.port) == (allowed.proto, allowed.port)


def _way_query(exposure: Exposure, way: Way, sources: IntervalSet) -> Query:
    service = exposure.service
    return Query(exposure.family, way.iif, way.dst, service.proto, service.port,
                 IntervalSet.of(sources.lowest()) if sources else sources)


def _moved(query: Query, before: Reach, after: Reach) -> Iterator[Witness]:
    """One packet of a question that two rulesets answer differently."""
    old, new = _by_end(before.outcomes), _by_end(after.outcomes)
    sure, still = _by_end(before.outcomes, sure=True), _by_end(after.outcomes, sure=True)
    for end in old:
        # a fate that was certain and is only possible now has moved as well
        gone = (old[end] - new.get(end, EMPTY)) | (sure[end] - still.get(end, EMPTY))
        if gone:
            source = gone.lowest()
            yield Witness(replace(query, sources=IntervalSet.of(source)), end[0], _end_of(new, source))
            return


def _by_end(outcomes: Iterable[Outcome], sure: bool = False) -> dict[tuple[str, object], IntervalSet]:
    found: dict[tuple[str, object], IntervalSet] = {}
    for outcome in outcomes:
        end = (outcome.disposition, outcome.to)
        found[end] = found.get(end, EMPTY) | (outcome.certainly if sure else outcome.possibly)
    return found


def _end_of(ends: dict[tuple[str, object], IntervalSet], source: int) -> str:
    return " or ".join(sorted({end[0] for end, sources in ends.items() if source in sources})) or "nothing"

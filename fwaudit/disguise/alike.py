"""Whether a disguised host gets the verdicts of the original: its report, held against the original's, name by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator

from fwaudit.disguise.words import Words
from fwaudit.model.report import Exposure, Finding, Report
from fwaudit.packet.fields import PROTOCOL_NAMES
from fwaudit.packet.intervals import IntervalSet


def differences(original: Report, disguised: Report, words: Words) -> tuple[str, ...]:
    """What the two reports do not say alike, in a line each, in the words of the original where it has any.

    Compared are every port's verdict, severity and certainty, the policy's word and rule, and for each interface and
    address the exact sets of sources; and which findings there are, of which severity.
    """
    before = Counter(dict(_Mapped(words).exposures(original)))
    after = Counter(dict(_Mapped(None).exposures(disguised)))
    names = {_Mapped(words).exposure(each): _named(each) for each in original.every_exposure}
    lines = [names.get(each, "a port that is not in the original") for each in (before - after) | (after - before)]
    found = Counter(map(_finding, original.every_finding)), Counter(map(_finding, disguised.every_finding))
    lines += [f"finding {each[0]}" for each in (found[0] - found[1]) | (found[1] - found[0])]
    return tuple(sorted(set(lines)))


def _finding(finding: Finding) -> tuple[str, int, bool]:
    return finding.id, finding.severity, finding.certain


def _named(exposure: Exposure) -> str:
    service = exposure.service
    protocol = PROTOCOL_NAMES.get(service.proto, str(service.proto))
    return f"{service.port}/{protocol} v{exposure.family} {service.container or service.process}".strip()


class _Mapped:
    """Exposures as plain values, with what stands for each name and address where ``words`` are given."""

    def __init__(self, words: Words | None) -> None:
        self._words = words
        self._sets: dict[tuple[int, IntervalSet], IntervalSet] = {}

    def exposures(self, report: Report) -> Iterator[tuple[Hashable, int]]:
        yield from Counter(self.exposure(each) for each in report.every_exposure).items()

    def exposure(self, each: Exposure) -> Hashable:
        service, policy, family = each.service, each.policy, each.family
        ways = frozenset(
            (self._interface(way.iif), self._address(family, way.dst), *(self._set(family, some) for some in (
                way.certainly, way.possibly, way.allowed, way.allowed_possibly)), way.neighbours_only, way.sports)
            for way in each.ways)
        return (service.kind, service.proto, service.port, self._text(service.bound), self._name(service.container),
                service.container_port, self._name(service.project), self._name(service.compose_service),
                service.likely, family, each.verdict, each.severity, each.certain, policy.by, policy.says, policy.rule,
                ways)

    def _set(self, family: int, values: IntervalSet) -> IntervalSet:
        if self._words is None:
            return self._bounded(family, values)
        known = self._sets.get((family, values))
        if known is None:
            known = self._sets[family, values] = self._words.addresses.set_of(family, values)
        return known

    def _bounded(self, family: int, values: IntervalSet) -> IntervalSet:
        return IntervalSet.from_ranges(values.ranges((1 << (32 if family == 4 else 128)) - 1))

    def _address(self, family: int, value: int) -> int:
        return value if self._words is None else self._words.addresses.of(family, value)

    def _interface(self, name: str) -> str:
        return name if self._words is None else self._words.interface(name)

    def _name(self, name: str) -> str:
        return name if self._words is None else self._words.given.get(name, name)

    def _text(self, text: str) -> str:
        return text if self._words is None else self._words.text(text)

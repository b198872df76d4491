"""JUnit XML as junit-10.xsd has it: a suite for each family, a case for each port and interface.

A breach is a failure, what could not be decided or read an error, an accepted exposure skipped with its reason.
"""

from __future__ import annotations

import xml.etree.ElementTree as xml

from fwaudit.model.compliance import Checked, Judged
from fwaudit.model.report import Way
from fwaudit.render.check import short_name
from fwaudit.render.rows import where
from fwaudit.render.text import clean
from fwaudit.render.words import sources_in_words


def render_checked(checked: Checked) -> str:
    """The whole document."""
    suites = xml.Element("testsuites", {"name": "fwaudit"})
    for family in (4, 6):
        _suite(checked, family, suites)
    if checked.report.unread:
        _unread(checked, suites)
    xml.indent(suites)
    return xml.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _suite(checked: Checked, family: int, suites: xml.Element) -> None:
    suite = xml.SubElement(suites, "testsuite", {"name": f"IPv{family}", "hostname": _safe(checked.report.host)})
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for each in checked.judged:
        if each.exposure.family != family:
            continue
        for iif, ways in _by_interface(each).items():
            counts["tests"] += 1
            case = xml.SubElement(suite, "testcase", {
                "classname": f"fwaudit.IPv{family}.{_safe(iif)}", "name": _safe(short_name(each.exposure)),
                "time": "0"})
            kind = _outcome(checked, each, ways, case)
            if kind:
                counts[kind] += 1
    for name, count in counts.items():
        suite.set(name, str(count))


def _by_interface(each: Judged) -> dict[str, list[Way]]:
    """The ways in, by the interface that packets come in by: the class of sources that a case is about."""
    found: dict[str, list[Way]] = {}
    for way in each.exposure.ways:
        found.setdefault(way.iif, []).append(way)
    return found or {"any": []}


def _outcome(checked: Checked, each: Judged, ways: list[Way], case: xml.Element) -> str:
    reached = [way for way in ways if way.possibly]
    if not reached or each.standing == "fine":
        return ""
    text = f"reached from {where(checked.report, each.exposure)}; policy: {clean(each.exposure.policy.text)}"
    if each.standing == "accepted":
        reasons = "; ".join(clean(entry.reason) for entry in each.by)
        xml.SubElement(case, "skipped", {"message": _safe(f"accepted: {reasons}")})
        return "skipped"
    if each.standing == "undecided":
        xml.SubElement(case, "error", {"message": _safe(text), "type": "undecided"})
        return "errors"
    areas = ", ".join(dict.fromkeys(
        sources_in_words(each.exposure.family, way.bypass or way.possibly,
                         checked.report.networks.get(way.iif, ()), checked.report.inside) for way in reached))
    failure = xml.SubElement(case, "failure", {"message": _safe(text), "type": each.exposure.severity.name.lower()})
    failure.text = _safe(f"sources: {areas}")
    return "failures"


def _unread(checked: Checked, suites: xml.Element) -> None:
    unread = checked.report.unread
    suite = xml.SubElement(suites, "testsuite", {
        "name": "sources", "tests": str(len(unread)), "failures": "0", "errors": str(len(unread)), "skipped": "0",
        "hostname": _safe(checked.report.host)})
    for source, why in unread:
        case = xml.SubElement(suite, "testcase", {"classname": "fwaudit.sources", "name": _safe(source), "time": "0"})
        xml.SubElement(case, "error", {"message": _safe(why), "type": "unread"})


def _safe(text: str) -> str:
    """Without characters that XML has no place for."""
    return "".join(char if char in "\t\n" or (ord(char) >= 32 and not 0xD800 <= ord(char) <= 0xDFFF
                   and ord(char) not in (0xFFFE, 0xFFFF)) else "?" for char in clean(text))

"""JUnit XML as junit-10.xsd has it: a suite for each family, a case for each port and place outside.

A breach is a failure, what could not be decided or read an error, an accepted exposure skipped with its reason.
"""

from __future__ import annotations

import xml.etree.ElementTree as xml

from fwaudit.model.compliance import Checked, Judged, JudgedFinding
from fwaudit.render.check import finding_name, short_name
from fwaudit.render.places import PLACES, Reached, reached_from, since_in_words
from fwaudit.render.remarks import remarks
from fwaudit.render.rows import where
from fwaudit.render.style import Style
from fwaudit.render.text import clean
from fwaudit.render.trace import path_lines

_KINDS = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def render_checked(checked: Checked) -> str:
    """The whole document."""
    root = xml.Element("testsuites", {"name": "fwaudit"})
    for family in (4, 6):
        suite = _suite(checked, root, f"IPv{family}")
        for each in checked.shown:
            if each.exposure.family == family:
                for reached in reached_from(each):
                    _case(checked, suite, each, reached)
    answered = [each for each in checked.shown_findings if each.standing != "fine"]
    if answered:
        suite = _suite(checked, root, "findings")
        for finding in answered:
            _finding(suite, finding)
    if checked.report.unread:
        suite = _suite(checked, root, "sources")
        for source, why in checked.report.unread:
            case = xml.SubElement(suite, "testcase", {"classname": "fwaudit.sources", "name": safe(source)})
            xml.SubElement(case, "error", {"message": safe(why), "type": "unread"})
    for suite in root:
        suite.set("tests", str(len(suite)))
        for name, tag in _KINDS.items():
            suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    said = remarks(checked.report)
    if said:
        xml.SubElement(root[0], "system-out").text = safe("\n".join(said))
    xml.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml.tostring(root, encoding="unicode")}\n'


def _finding(suite: xml.Element, each: JudgedFinding) -> None:
    case = xml.SubElement(suite, "testcase", {"classname": f"fwaudit.findings.{each.finding.id}",
                                              "name": safe(finding_name(each.finding))})
    if each.standing == "accepted":
        reasons = "; ".join(entry.reason for entry in each.by)
        xml.SubElement(case, "skipped", {"message": safe(f"accepted: {reasons}")})
        return
    found = xml.SubElement(case, "failure", {"type": each.finding.severity.name.lower(),
                                             "message": safe(each.finding.what)})
    found.text = "\n".join(map(safe, (*each.finding.why, *each.finding.next)))


def _suite(checked: Checked, root: xml.Element, name: str) -> xml.Element:
    suite = xml.SubElement(root, "testsuite", {"name": name, "hostname": safe(checked.report.host)})
    if checked.report.taken_at:
        suite.set("timestamp", safe(checked.report.taken_at.removesuffix("Z")))
    return suite


def _case(checked: Checked, suite: xml.Element, each: Judged, reached: Reached) -> None:
    exposure = each.exposure
    case = xml.SubElement(suite, "testcase", {
        "classname": safe(f"fwaudit.{suite.get('name')}.{exposure.service.kind}"),
        "name": safe(f"{short_name(exposure)} from {PLACES[reached.place]}")})
    policy = f"policy: {exposure.policy.text}"
    if reached.certainly:
        found = xml.SubElement(case, "failure", {"type": exposure.severity.name.lower(), "message": safe(
            f"reached by {', '.join(reached.certainly)}, and nobody answers for it; {policy}")})
        lines = [f"reached from {where(checked.report, exposure)}{since_in_words(checked, each, ', ')}"]
        if exposure.evidence is not None:
            lines += path_lines(exposure.evidence, Style(100))
        found.text = "\n".join(map(safe, lines))
    elif reached.perhaps:
        xml.SubElement(case, "error", {"type": "undecided", "message": safe(
            f"not decided whether it is reached by {', '.join(reached.perhaps)}; {policy}")})
    elif each.by:
        reasons = "; ".join(entry.reason for entry in each.by)
        xml.SubElement(case, "skipped", {"message": safe(f"accepted: {reasons}")})


def safe(text: str) -> str:
    """Without characters that XML has no place for."""
    return "".join(char if char in "\t\n" or (ord(char) >= 32 and not 0xD800 <= ord(char) <= 0xDFFF
                   and ord(char) not in (0xFFFE, 0xFFFF)) else "?" for char in clean(text))

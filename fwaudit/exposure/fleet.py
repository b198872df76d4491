"""One host of many as a compact row. Pure."""

from __future__ import annotations

from fwaudit.exposure.words import where_from
from fwaudit.model.compliance import Checked, Judged
from fwaudit.model.fleet import FindingRow, HostRow, PortRow
from fwaudit.model.report import Report
from fwaudit.packet.fields import PROTOCOL_NAMES

_BAD = ("bypass", "neighbours", "undecided")


def row_of(checked: Checked, source: str) -> HostRow:
    """What a summary of many hosts wants of one: counts, reached ports, findings; no evidence and no advice."""
    report = checked.report
    causes = {id(each.exposure): each.id for each in report.findings if each.explains}
    judged = {id(each.finding): each.standing for each in checked.findings}
    standings = [each.standing for each in checked.judged]
    verdicts = [each.exposure.verdict for each in checked.judged]
    open_to = [each for each in checked.judged if each.standing in ("breach", "undecided")]
    return HostRow(
        source, report.host, report.taken_at, checked.level,
        max((int(each.exposure.severity) for each in open_to), default=0), standings.count("breach"),
        standings.count("undecided"), standings.count("accepted"), verdicts.count("as-intended"),
        verdicts.count("blocked"), len(report.unread), report.engine, report.firewall, "", report.redacted,
        tuple(_port(report, each, causes.get(id(each.exposure), "")) for each in checked.judged
              if each.exposure.verdict != "blocked"),
        tuple(FindingRow(each.id, each.subject, int(each.severity), each.certain, judged.get(id(each), ""), each.what)
              for each in report.findings),
    )


def _port(report: Report, judged: Judged, cause: str) -> PortRow:
    exposure, service = judged.exposure, judged.exposure.service
    proto = PROTOCOL_NAMES.get(service.proto, str(service.proto))
    bound = service.bound if service.kind != "container-port" else ""  # a container's address changes
    key = "\0".join((service.kind, service.container or service.process, bound, str(service.port), proto,
                     str(exposure.family)))
    sources = where_from(exposure, report.networks, report.inside) if exposure.verdict in _BAD else ""
    return PortRow(key, service.kind, exposure.family, proto, service.port, service.bound, service.container,
                   service.project, service.compose_service, service.image, service.process, service.likely,
                   exposure.verdict, judged.standing, int(exposure.severity), exposure.certain, cause, sources)

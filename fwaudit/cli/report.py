"""``fwaudit report``: from where every port of this host can be reached, and whether the policy meant it."""

# Annotations are no text here (from __future__): typer would compile each of them, twice, 1.5 ms.

from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import DropPrivileges, Format, NoColor, Recorded, Timeout

if TYPE_CHECKING:
    from fwaudit.cli.deeds import Deeds
    from fwaudit.exposure.selection import Selection
    from fwaudit.model.report import Report

_VERDICTS = ("bypass", "neighbours", "undecided", "as-intended", "blocked")

_HELP = """Say which ports can be reached from outside that the firewall policy does not allow, from where, and why.

Run it as root; it changes nothing. Exit codes: 0 when everything could be looked at, 3 when not; with --exit-code also
2 for a severe exposure that policy does not allow, 1 for a lesser one; --format nagios always has these. They are about
ports alone: check counts other findings as well. What is left out by --only, --min-severity and --container is counted,
and changes neither the first line nor the exit code.

Examples:

  fwaudit report

  fwaudit report --format html -o report.html

  fwaudit report --only bypass --min-severity high

  fwaudit report --snapshot host.tar.gz --exit-code
"""


def report(
    format: Format = "table",
    snapshot: Recorded = None,
    output: Annotated[str, typer.Option(
        "--output", "-o", metavar="FILE", help="Write to this file; - is stdout.")] = "-",
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 or 2 where something is open.")] = False,
    only: Annotated[list[str] | None, typer.Option(
        "--only", metavar="VERDICT", help="Only these verdicts: bypass, neighbours, undecided, as-intended, blocked.",
    )] = None,
    min_severity: Annotated[str, typer.Option(
        "--min-severity", metavar="SEVERITY", help="Nothing below: low, medium, high, critical.")] = "info",
    container: Annotated[list[str] | None, typer.Option(
        "--container", metavar="GLOB", help="Only these containers; may be repeated.")] = None,
    timeout: Timeout = 30.0,
    drop_privileges: DropPrivileges = None,
    no_color: NoColor = False,
) -> int:
    import time

    from fwaudit.audit import audit
    from fwaudit.cli.deeds import Deeds, account_of, without_privileges
    from fwaudit.cli.monitoring import failures_told
    from fwaudit.cli.source import load, without_collector, working
    from fwaudit.exposure.selection import select

    check_format(format)
    account, doing = account_of(drop_privileges), [Deeds([output])]
    start = time.monotonic()
    with without_collector(), failures_told([(format, output)], doing):
        wanted = _selection(only or [], min_severity, container or [])
        taken = load(snapshot, timeout)
        doing.append(without_privileges(doing[0], account))
        with working("working out who can reach what"):
            found = select(audit(taken), wanted)
        show(found, format, output, no_color, str(snapshot or ""), time.monotonic() - start, doing[-1])
    return code_of(found, exit_code or format == "nagios")


report.__doc__ = _HELP


def _selection(only: list[str], min_severity: str, containers: list[str]) -> "Selection":
    from fwaudit.errors import UsageError
    from fwaudit.exposure.selection import Selection
    from fwaudit.model.report import Severity

    verdicts = [each.strip() for value in only for each in value.split(",")]
    for name in verdicts:
        if name not in _VERDICTS:
            raise UsageError(f"no such verdict: {name}", f"There are: {', '.join(_VERDICTS)}.")
    if min_severity.upper() not in Severity.__members__:
        raise UsageError(f"no such severity: {min_severity}",
                         f"There are: {', '.join(each.name.lower() for each in Severity)}.")
    return Selection(tuple(dict.fromkeys(verdicts)), Severity[min_severity.upper()], tuple(containers))


def check_format(format: str) -> None:
    """Raises UsageError for a format that there is not; before the host is asked, since that takes time."""
    if format == "table":
        return
    from fwaudit.errors import UsageError
    from fwaudit.render.checked import FORMATS

    if format not in FORMATS:
        raise UsageError(f"no such format: {format}", f"There are: {', '.join(('table', *FORMATS))}.")


def show(found: "Report", format: str, output: str, no_color: bool, snapshot: str = "",
         seconds: float | None = None, deeds: "Deeds | None" = None) -> None:
    """Print a report, or write it to a file. ``snapshot``: where the recorded host is that it is about; ``seconds``:
    how long it took; ``deeds``: who writes."""
    from fwaudit.cli.deeds import Deeds, put
    from fwaudit.cli.output import READABLE, SECRET, screen
    from fwaudit.records import replace
    from fwaudit.render.style import Style

    deeds = deeds or Deeds([output])

    if format == "json":
        from fwaudit.render.json import render as render_json

        put(deeds, render_json(found), output, SECRET)
        return
    if format != "table":
        from datetime import date

        from fwaudit.exposure.compliance import check
        from fwaudit.model.compliance import Policy
        from fwaudit.render.checked import FORMATS

        held_to = Policy(findings=format != "nagios")  # whose line says what the exit code says: it is about ports
        checked = replace(check(found, held_to, date.min), seconds=seconds)
        put(deeds, FORMATS[format](checked), output, READABLE if format == "prometheus" else SECRET)
        return
    from fwaudit.render.table import render

    style = screen(no_color) if output in ("", "-") else Style()
    put(deeds, render(found, replace(style, snapshot=snapshot)), output, SECRET)


def code_of(found: "Report", wanted: bool) -> int:
    """3 wins over 0 and 1, never over 2 (docs/commands.md)."""
    from fwaudit.cli import CRITICAL, OK, UNKNOWN, WARNING
    from fwaudit.model.report import Severity

    worst = max((e.severity for e in found.every_exposure if e.verdict in ("bypass", "neighbours")),
                default=Severity.INFO)
    if wanted and worst >= Severity.HIGH:
        return CRITICAL
    if not found.complete or (wanted and any(e.verdict == "undecided" for e in found.every_exposure)):
        return UNKNOWN
    return WARNING if wanted and worst > Severity.INFO else OK

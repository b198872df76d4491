"""A part of a report: what is shown, what is counted, and what a part may not change."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from test_formats import TODAY, report

import fwaudit
from fwaudit import cli
from fwaudit.exposure.compliance import check
from fwaudit.exposure.selection import Selection, select
from fwaudit.model.compliance import Policy
from fwaudit.model.report import Severity
from fwaudit.render.checked import FORMATS
from fwaudit.render.table import render

DEMO = Path(fwaudit.__file__).parent / "cli" / "demo.tar.gz"
HOST = "d28/ufw_deny_5432"
_PARTS = [Selection(("as-intended",)), Selection(("blocked",)), Selection((), Severity.CRITICAL),
          Selection((), Severity.INFO, ("no-such*",)), Selection(("bypass", "undecided"), Severity.HIGH, ("pg*",))]


def test_what_is_wanted_is_shown_and_nothing_is_lost():
    whole = report(HOST)
    part = select(whole, Selection(("bypass",)))
    assert {each.verdict for each in part.exposures} == {"bypass"}
    assert "bypass" not in {each.verdict for each in part.hidden.exposures}
    assert sorted(map(id, part.every_exposure)) == sorted(map(id, whole.exposures))
    assert sorted(map(id, part.every_finding)) == sorted(map(id, whole.findings))
    assert all(each.exposure is not None and each.exposure.verdict == "bypass" for each in part.findings)
    assert select(whole, Selection()) is whole


def test_by_severity_and_by_name():
    whole = report(HOST)
    assert {each.severity for each in select(whole, Selection((), Severity.HIGH)).exposures} <= {
        Severity.HIGH, Severity.CRITICAL}
    names = {each.service.container for each in whole.exposures if each.service.container}
    name = sorted(names)[0]
    part = select(whole, Selection((), Severity.INFO, (name[:-1] + "?",)))
    assert {each.service.container for each in part.exposures} == {name}


@pytest.mark.parametrize("wanted", _PARTS)
def test_a_part_never_reads_as_the_whole(wanted):
    """The first line, totals and levels are those of the whole host; what is hidden is said."""
    whole, part = report(HOST), select(report(HOST), wanted)
    assert render(part).split("\n\n")[0] == render(whole).split("\n\n")[0]
    assert " ".join(render(part).split()).count(f"hidden by {wanted.options}.") == 1
    judged, all_judged = (check(each, Policy(), TODAY) for each in (part, whole))
    assert judged.level == all_judged.level == "critical"
    assert len(judged.shown) == len(part.exposures)
    first, full = (FORMATS["nagios"](each).splitlines()[0] for each in (judged, all_judged))
    assert first == full
    for name in FORMATS:
        if name != "ocsf":
            text = FORMATS[name](judged)
            assert wanted.options.replace("'", "_" if name == "nagios" else "'").split()[0].strip("-") in text, name
    said = json.loads(FORMATS["json"](judged))
    assert said["summary"] == json.loads(FORMATS["json"](all_judged))["summary"]
    assert said["hidden"]["exposures"] + len(said["exposures"]) == len(whole.exposures)
    assert len(said["check"]["standings"]) == len(said["exposures"])
    assert "fwaudit_breaches 0" not in FORMATS["prometheus"](judged)


def report_of(*arguments: str) -> int:
    return cli.run(["report", "--snapshot", str(DEMO), *arguments])


def test_on_the_command_line(capsys):
    assert report_of("--only", "as-intended,blocked", "--exit-code") == cli.CRITICAL
    out = capsys.readouterr().out
    assert "BYPASSES" not in out and "can be reached from outside that ufw does not allow" in out
    assert "hidden by --only as-intended --only blocked." in " ".join(out.split())
    assert report_of("--only", "bad") == cli.UNKNOWN
    assert "There are: bypass, neighbours" in capsys.readouterr().err
    assert report_of("--min-severity", "terrible") == cli.UNKNOWN
    assert "There are: info, low" in capsys.readouterr().err


def test_nagios_ends_with_its_status(capsys):
    assert report_of("--format", "nagios") == cli.CRITICAL
    assert capsys.readouterr().out.startswith("FWAUDIT CRITICAL - ")
    assert report_of("--format", "nagios", "--only", "nonsense") == cli.UNKNOWN
    assert capsys.readouterr().out.startswith("FWAUDIT UNKNOWN - no such verdict: nonsense")
    assert cli.run(["report", "--format", "nagios", "--snapshot", "no-such-file"]) == cli.UNKNOWN
    assert capsys.readouterr().out.startswith("FWAUDIT UNKNOWN - ")
    assert cli.run(["check", "--format", "nagios", "--snapshot", "no-such-file"]) == cli.UNKNOWN
    assert capsys.readouterr().out.startswith("FWAUDIT UNKNOWN - ")


def test_metrics_are_readable_and_outlive_a_run_that_failed(tmp_path, capsys):
    file = tmp_path / "fwaudit.prom"
    assert report_of("--format", "prometheus", "-o", str(file)) == 0
    good = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert cli.run(["report", "--format", "prometheus", "-o", str(file), "--snapshot", "no-such-file"]) == cli.UNKNOWN
    assert file.read_text() == good.replace("success 1\n", "success 0\n") != good
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]
    other = tmp_path / "report.json"
    assert cli.run(["report", "--format", "json", "-o", str(other), "--snapshot", "no-such-file"]) == cli.UNKNOWN
    assert not other.exists()
    capsys.readouterr()
    assert cli.run(["check", "-o", f"prometheus={file}", "--snapshot", str(DEMO)]) == cli.CRITICAL
    assert file.read_text() == good

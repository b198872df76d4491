"""What of a report is worked out when somebody asks for it: never too late, never twice, and the same to everybody."""

from __future__ import annotations

import datetime
import pickle

import fleets
import pytest

from fwaudit.audit import audit
from fwaudit.exposure.compliance import check
from fwaudit.exposure.fleet import row_of
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.compliance import Policy
from fwaudit.model.report import Later
from fwaudit.path.engine import Engine
from fwaudit.render.checked import FORMATS


def test_it_is_worked_out_once_and_a_failure_is_told_each_time():
    calls = []

    def work() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError(str(len(calls)))
        return 7

    later = Later(work)
    for said in ("1", "2"):
        with pytest.raises(ValueError, match=said):
            later.get()
    assert [later.get(), later.get(), len(calls)] == [7, 7, 3]


def test_what_counts_is_the_value():
    assert Later(lambda: 7) == Later.of(7) != Later.of(8)
    assert hash(Later(lambda: 7)) == hash(Later.of(7)) and repr(Later.of("a")) == "'a'"
    assert Later.of(7) != 7
    assert pickle.loads(pickle.dumps(Later(lambda: 7))) == Later.of(7)


def test_a_report_crosses_to_another_process_whole():
    report = audit(read_snapshot(fleets.DEMO))
    assert pickle.loads(pickle.dumps(report)).exposures == audit(read_snapshot(fleets.DEMO)).exposures


def test_nobody_walks_a_packet_that_nobody_looks_at(monkeypatch):
    """A row of a fleet tells no packet's way; a finding asks what policy says where it quotes it."""
    walked = []
    trace = Engine.trace
    monkeypatch.setattr(Engine, "trace", lambda self, query, **how: walked.append(query) or trace(self, query, **how))
    checked = check(audit(read_snapshot(fleets.DEMO)), Policy(), datetime.date.min)
    row = row_of(checked, "demo")
    for format in ("nagios", "prometheus"):
        FORMATS[format](checked)
    assert {query.hook for query in walked} == {"input"}
    assert 0 < len(walked) < len(row.ports)
    FORMATS["json"](checked)
    asked = [exposure for exposure in checked.report.exposures if exposure.evidence]
    assert sum(not query.hook for query in walked) == len(asked)

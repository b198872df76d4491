"""The live lab: real engines, real rules, real packets; and fwaudit, asked on the machine itself, has to agree."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import pytest
from machine import Machine
from probes import Outcome, Probe, everything, fire, who_answers
from situations import SITUATIONS, Known

pytestmark = pytest.mark.lab

_SNAPSHOT = "/root/host.tar.gz"


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.__name__)
def test_fwaudit_says_what_the_packets_do(situation: Callable[[Machine], Known], machine: Machine) -> None:
    known = situation(machine)
    probes = everything(machine)
    outcomes = fire(machine, probes)
    _check_known(known.answers, probes, outcomes)
    taken = machine.fwaudit("snapshot", "-o", _SNAPSHOT)
    assert taken.returncode == 0, taken.stderr
    _check_traces(machine, probes, outcomes)
    _check_report(machine, known.verdicts)


def _check_known(answers: Mapping[str, str | None], probes: Sequence[Probe], outcomes: Sequence[Outcome]) -> None:
    """The situation is what it was made to be. Else the rest would prove nothing."""
    for question, by in answers.items():
        source, dst, service = question.split()
        asked = [outcome for probe, outcome in zip(probes, outcomes, strict=True)
                 if source in (probe.place, probe.src) and (probe.dst, f"{probe.port}/{probe.proto}") == (dst, service)]
        assert asked and {outcome.by for outcome in asked} == {by}, (question, asked)


def _check_traces(machine: Machine, probes: Sequence[Probe], outcomes: Sequence[Outcome]) -> None:
    """Probe for probe: *delivered* if and only if there was a reply, and from whom."""
    queries = "".join(json.dumps(probe.query(number)) + "\n" for number, probe in enumerate(probes))
    traced = machine.fwaudit("trace", "--snapshot", _SNAPSHOT, "--batch", "-", stdin=queries)
    assert traced.returncode == 0, traced.stderr
    answers = [json.loads(line) for line in traced.stdout.splitlines()]
    wrong = [(probe, outcome, answer) for probe, outcome, answer in zip(probes, outcomes, answers, strict=True)
             if who_answers(answer) != outcome.by]
    assert not wrong, f"{len(wrong)} of {len(probes)} probes, the first of them: {wrong[0]}"


def _check_report(machine: Machine, verdicts: Mapping[str, str]) -> None:
    """The report, from the snapshot and from the machine as it is, has the verdicts that are known."""
    for arguments in (("--snapshot", _SNAPSHOT), ()):
        reported = machine.fwaudit("report", "--format", "json", *arguments)
        assert reported.returncode == 0, reported.stderr
        report = json.loads(reported.stdout)
        found = {f"{each['container']} {each['host_port']}/{each['protocol']} {each['family']}": each["verdict"]
                 for each in report["exposures"] if each["kind"] == "published"}
        assert {question: found.get(question) for question in verdicts} == dict(verdicts)

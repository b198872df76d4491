"""Every format, for recorded hosts and for hostile names: read again by the programs that it is for."""

from __future__ import annotations

import datetime
import html
import json
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import captures
import pytest

from fwaudit.audit import audit
from fwaudit.exposure.compliance import check
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.compliance import Accepted, Checked, Policy
from fwaudit.model.report import Later, Report
from fwaudit.model.snapshot import Snapshot
from fwaudit.packet.intervals import IntervalSet
from fwaudit.render.check import short_name
from fwaudit.render.checked import FORMATS
from fwaudit.render.picture import picture
from fwaudit.render.places import PLACES
from fwaudit.render.text import clean

SCHEMAS = Path(__file__).resolve().parents[1] / "data/schemas"
HOSTS = ("d20/ufw_deny_5432", "d28/publish_loopback", "d29nft/ufw_off", "d20/host_network", "d20/docker_stopped",
         "d26/ufw_limit", "d20/macvlan", *captures.GOLDEN)
HOSTILE = 'a|b"\n<script>alert(1)</script>]]>&amp;\x1b[2J\u202e`$(id)`{}\\,=*_[x](http://x)'
TODAY = datetime.date(2026, 11, 26)


@lru_cache(maxsize=16)
def report(name: str) -> Report:
    with TemporaryDirectory() as folder:
        return audit(read_snapshot(captures.case(name).write(Path(folder) / "snapshot.tar")))


def checked(name: str, policy: Policy | None = None) -> Checked:
    return check(report(name), policy or Policy(), TODAY)


def hostile() -> Checked:
    """A report in which everything that comes from outside wants to be something else."""
    known = report(HOSTS[0])
    exposures = tuple(replace(each, service=replace(
        each.service, container=HOSTILE, image=HOSTILE, project=HOSTILE, compose_service=HOSTILE, process=HOSTILE),
        policy_later=Later.of(replace(each.policy, text=HOSTILE))) for each in known.exposures)
    findings = tuple(replace(each, subject=HOSTILE, what=HOSTILE, why=(HOSTILE,), next=(HOSTILE,), owner=HOSTILE)
                     for each in known.findings)
    bad = replace(known, host=HOSTILE, exposures=exposures, findings=findings, engine=HOSTILE, firewall=HOSTILE,
                  unread=((HOSTILE, HOSTILE),), notes=(HOSTILE,))
    entry = Accepted(IntervalSet.of(22), 6, HOSTILE, owner=HOSTILE)
    return check(bad, Policy((entry,), strict=True, path=HOSTILE), TODAY)


ALL = [pytest.param(lambda name=name: checked(name), id=name) for name in HOSTS] + [
    pytest.param(lambda: checked(HOSTS[0], Policy((Accepted(IntervalSet.of(5432), 6, "known"),))), id="accepted"),
    pytest.param(hostile, id="hostile")]


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_deterministic_and_holds_no_control_character(name, make):
    text = FORMATS[name](make())
    assert text == FORMATS[name](make())
    assert text.endswith("\n")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", text)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_that_a_host_is_redacted(name):
    known = checked(HOSTS[0])
    shown = FORMATS[name](replace(known, report=replace(known.report, redacted=True)))
    assert "redacted" in shown.lower() and "redacted" not in FORMATS[name](known).lower()


@lru_cache
def _schema(name: str):
    import xmlschema
    from jsonschema.validators import validator_for

    if name.endswith(".xsd"):
        return xmlschema.XMLSchema(str(SCHEMAS / name))
    schema = json.loads((SCHEMAS / name).read_text())
    return validator_for(schema)(schema)


@pytest.mark.parametrize("make", ALL)
def test_junit(make):
    text = FORMATS["junit"](make())
    for schema in ("junit-10.xsd", "junit-10-2019.xsd"):
        _schema(schema).validate(text)
    suites = ElementTree.fromstring(text)
    for suite in suites:
        cases = suite.findall("testcase")
        assert len(cases) == int(suite.get("tests"))
        for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(kind)) == sum(case.find(tag) is not None for case in cases)


@pytest.mark.parametrize("make", ALL)
def test_junit_as_its_readers_count_it(make):
    from junitparser import JUnitXml

    made = make()
    suites = JUnitXml.fromstring(FORMATS["junit"](made).encode())
    results = [result for suite in suites for case in suite for result in case.result]
    failed = {each.message for each in results if type(each).__name__ == "Failure"}
    assert bool(failed) == any(each.standing == "breach" for each in (*made.judged, *made.findings))
    assert sum(len(list(suite)) for suite in suites) == sum(suite.tests for suite in suites)


@pytest.mark.parametrize("make", ALL)
def test_sarif(make):
    from sarif_pydantic import Sarif

    made = make()
    text = FORMATS["sarif"](made)
    Sarif.model_validate_json(text)
    log = json.loads(text)
    assert list(_schema("sarif-2.1.0.json").iter_errors(log)) == []
    run, = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert {result["ruleId"] for result in run["results"]} == set(rules)
    prints = [result["partialFingerprints"]["fwaudit/v1"] for result in run["results"]]
    if made.report.host != HOSTILE:
        assert len(prints) == len(set(prints))
    for result in run["results"]:
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["level"] == "none" or result["kind"] == "fail"
        for location in result["locations"]:
            assert re.fullmatch(r"[^\s<>\"]+", location["physicalLocation"]["artifactLocation"]["uri"])


@pytest.mark.parametrize("make", ALL)
def test_prometheus(make):
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name: family for family in text_string_to_metric_families(FORMATS["prometheus"](make()))}
    assert {"fwaudit_port_exposed", "fwaudit_findings", "fwaudit_undecided_total", "fwaudit_last_run_success",
            "fwaudit_last_run_timestamp_seconds"} <= set(families) | {"fwaudit_undecided_total"}
    assert all(family.documentation for family in families.values())
    for sample in families["fwaudit_port_exposed"].samples:
        assert {"container", "host_port", "proto", "family", "source"} <= set(sample.labels)
        assert sample.labels["source"] in PLACES
        assert sample.timestamp is None


def test_prometheus_after_a_run_that_failed_says_what_was_known_and_that_it_is_old():
    from fwaudit.render.prometheus import failed

    good = FORMATS["prometheus"](checked(HOSTS[0]))
    bad = failed(good)
    assert bad == good.replace("\nfwaudit_last_run_success 1\n", "\nfwaudit_last_run_success 0\n") != good
    assert failed(bad) == bad
    assert failed("somebody else's file") == failed("") == "".join(good.splitlines(True)[-3:-1]) + \
        "fwaudit_last_run_success 0\n"


# label=value[UOM];[warn];[crit];[min];[max], in the words of the plugins' guidelines
_PERFDATA = r"[a-z]+=-?[\d.]+(?:s|ms|us|%|[KMGT]?B|c)?(?:;[\d.:@~]*){0,4}"
_STATUS_LINE = re.compile(rf"FWAUDIT (OK|WARNING|CRITICAL|UNKNOWN) - [^|]+ \| {_PERFDATA}( {_PERFDATA})*")


@pytest.mark.parametrize("make", ALL)
def test_nagios(make):
    made = make()
    first, *more = FORMATS["nagios"](made).splitlines()
    assert _STATUS_LINE.fullmatch(first)
    assert not any(char in line for line in [first.split("|")[0], *more] for char in "|`~$&'\"<>\\;")
    assert len(first) < 1024
    assert _STATUS_LINE.fullmatch(FORMATS["nagios"](replace(made, seconds=0.4142)).splitlines()[0])[0].endswith(
        " time=0.41s;;;0")


def test_nagios_where_nothing_could_be_found_out():
    from fwaudit.render.nagios import failed

    assert failed("no | such\nfile") == "FWAUDIT UNKNOWN - no _ such_x0afile\n"


@pytest.mark.parametrize("make", ALL)
def test_ocsf(make):
    from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding

    for line in FORMATS["ocsf"](make()).splitlines():
        event = json.loads(line)
        assert (event["class_uid"], event["category_uid"]) == (2003, 2)
        ComplianceFinding.model_validate(event)


@pytest.mark.parametrize("name", ["d20/publish_v4_only", "d20/publish_pub_ip", "d26/publish_loopback"])
def test_what_has_no_name_is_named_once(name):
    """Without the engine's answers a container has none; its address and port are not said twice."""
    files = {path: data for path, data in captures.case(name).files.items()
             if not path.startswith(("docker/", "sockets/owners"))}
    for each in audit(Snapshot(files)).exposures:
        assert not each.service.container
        words = [word for word in re.findall(r"[\w.:]+", short_name(each)) if word != "port"]
        assert len(words) == len(set(words)), short_name(each)
        assert "·" not in short_name(each)


@pytest.mark.parametrize("make", ALL)
def test_markdown(make):
    """As GitHub reads it: tables keep their columns, and no name makes markup, a link or a mention."""
    from markdown_it import MarkdownIt

    made = make()
    text = FORMATS["markdown"](made)
    page = MarkdownIt("gfm-like").render(text)
    allowed = {"h1", "h2", "p", "ul", "li", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(re.findall(r"<([a-z][a-z0-9]*)", page)) <= allowed
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    assert {len(re.findall("<t[hd][^>]*>", row)) for row in rows} <= {7}
    if made.report.host == HOSTILE:
        assert html.escape(clean(HOSTILE).replace('"', "")[:20], quote=False) in page.replace("&quot;", "")


def test_markdown_notifies_nobody():
    known = report(HOSTS[0])
    named = replace(known, host="@all", findings=tuple(replace(each, what="ask @root") for each in known.findings))
    assert not re.search(r"@\w", FORMATS["markdown"](check(named, Policy(), TODAY)))


@pytest.mark.parametrize("make", ALL)
def test_html_is_well_formed_and_inert(make):
    from html.parser import HTMLParser

    open_tags: list[str] = []
    scripts: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attributes):
            assert not any(name.startswith("on") or name == "style" for name, _ in attributes)
            assert not any(name == "src" for name, _ in attributes)
            assert all(re.fullmatch(r"#port-\d+", value) for name, value in attributes if name == "href")
            if tag not in ("meta", "br", "path", "rect"):
                open_tags.append(tag)
            if tag == "script":
                scripts.append(tag)

        def handle_endtag(self, tag):
            if tag not in ("path", "rect"):
                assert open_tags.pop() == tag

    text = FORMATS["html"](make())
    Parser().feed(text)
    assert open_tags == []
    assert len(scripts) == 1
    assert "alert(1)</script>" not in text


def test_the_identity_of_an_exposure_outlives_its_container():
    from fwaudit.render.places import exposure_identity

    known = report(HOSTS[0])
    published = next(each for each in known.exposures if each.service.kind == "container-port")
    moved = replace(published, service=replace(published.service, bound="172.17.0.99"))
    assert exposure_identity(known, published) == exposure_identity(known, moved)
    assert exposure_identity(known, published) != exposure_identity(known, replace(published, family=6))


def _many() -> Checked:
    """A thousand ports of 50 containers."""
    known = report("d28/ufw_deny_5432")
    bad = next(each for each in known.exposures if each.verdict == "bypass")
    fine = next(each for each in known.exposures if each.verdict == "as-intended")
    found = []
    for number in range(500):
        found.append(replace(bad, service=replace(
            bad.service, port=20_000 + 2 * number, container=f"app-{number % 50}", likely="")))
        found.append(replace(fine, service=replace(fine.service, port=20_001 + 2 * number, process="many")))
    return check(replace(known, exposures=tuple(found), findings=()), Policy(), TODAY)


@pytest.mark.parametrize(("name", "lines"), [("markdown", 500), ("nagios", 50)])
def test_a_thousand_ports_are_read_by_people(name, lines):
    assert len(FORMATS[name](_many()).splitlines()) < lines


def test_a_thousand_ports_on_a_page_are_all_in_its_table():
    page = FORMATS["html"](_many())
    assert all(f">{port}/tcp<" in page for port in range(20_000, 21_000))
    assert page.count("<svg") <= 60
    assert len(page) < 1_000_000


def test_the_picture_has_the_policys_rules_beside_the_way_where_they_are_not_asked():
    for name, verdict, asked in (("d28/ufw_deny_5432", "bypass", False), ("d28/host_network", "as-intended", True)):
        known = report(name)
        exposure = next(each for each in known.exposures if each.verdict == verdict and each.evidence)
        drawn = ElementTree.fromstring(picture(known, exposure))
        words = [" ".join(part.itertext()) for part in drawn.iter("g") if part.get("class") == "beside"]
        assert bool(words) is not asked
        assert asked or ("ufw's rules: never asked" in words[0] and "deny 5432" in words[0])
        texts = [part.text or "" for part in drawn.iter("text")]
        assert texts[0] == "outside" and any(text.endswith(" answers") for text in texts)
        met = {step.table for step in exposure.evidence.trace.path if step.does.startswith(("accept", "dnat"))}
        assert all(any(f"· {table} " in text for text in texts) for table in met)


def test_a_picture_of_a_container_that_stands_on_the_network_itself():
    known = report("d28/macvlan")
    exposure = next(each for each in known.exposures if any("no rule of this host" in note for note in each.notes)
                    and each.evidence)
    assert "this host's rules: never asked" in picture(known, exposure)


@pytest.mark.parametrize("name", captures.GOLDEN)
def test_what_stands_in_a_picture_fits_into_its_box(name):
    """With the widths of a common monospaced font: 0.61 of its size."""
    known = report(name)
    hostile_name = replace(known, exposures=tuple(replace(each, policy_later=Later.of(
        replace(each.policy, text="x" * 200))) for each in known.exposures))
    for exposure in (*known.exposures, *hostile_name.exposures):
        for box in ElementTree.fromstring(picture(known, exposure) or "<svg/>").iter("g"):
            frame = box.find("rect")
            right = float(frame.get("x")) + float(frame.get("width"))
            for text in box.iter("text"):
                size = {"title": 13, "above": 11}.get(text.get("class", ""), 12)
                assert float(text.get("x")) + 0.61 * size * len(text.text) <= right, text.text
                assert float(text.get("y")) < float(frame.get("y")) + float(frame.get("height"))

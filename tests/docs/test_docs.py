"""The documents say what the program does: every command, option, exit code and file, and every example works."""

from __future__ import annotations

import datetime
import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest

sys.path[:0] = [str(Path(__file__).parent)]

import formats_page  # noqa: E402
import generate  # noqa: E402

from fwaudit import cli  # noqa: E402
from fwaudit.cli.app import build  # noqa: E402
from fwaudit.host import snapshot_file  # noqa: E402
from fwaudit.render.checked import FORMATS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DEMO = ROOT / "fwaudit/cli/demo.tar.gz"
GENERATED = {"performance.md", "proof.md"}  # scripts/bench and scripts/proof write them
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")] + [
    page for page in sorted(DOCS.glob("*.md")) if page.name not in GENERATED]
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The part of docs/commands.md below a heading; without title, what stands before the first."""
    if not title:
        return COMMANDS.split("\n## ")[0]
    return COMMANDS.split(f"\n## {title}\n", 1)[1].split("\n## ")[0]


def documented_options(text: str) -> set[str]:
    rows = re.findall(r"^\| (`-[^|]*`) \|", text, re.MULTILINE)
    return {option for row in rows for option in re.findall(r"`(-[^`]*)`", row)}


def command(name: str) -> click.Command:
    group = build()
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    return group.commands[name] if name else group


def real_options(of: click.Command) -> set[str]:
    shown = [parameter for parameter in of.params if not getattr(parameter, "hidden", False)]
    found = {option for each in shown for option in (*each.opts, *each.secondary_opts) if option.startswith("-")}
    return found | {"-h", "--help"}


@pytest.mark.parametrize("name", ["", *build().commands])
def test_every_option_is_documented_and_every_documented_option_exists(name):
    assert documented_options(section(name)) == real_options(command(name))


def test_every_command_has_a_section_and_every_section_a_command():
    sections = set(re.findall(r"^## (.+)$", COMMANDS, re.MULTILINE)) - {"Exit codes"}
    assert sections == set(build().commands)


def test_every_format_is_named():
    page = (DOCS / "formats.md").read_text(encoding="utf-8")
    for name in FORMATS:
        assert f"`{name}`" in section("report")
        assert f"| `{name}` |" in page


def test_every_key_of_the_policy_is_documented_and_the_example_reads():
    from fwaudit.intent import accepted

    page = (DOCS / "policy.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(accepted._ENTRY)
    example = re.search(r"```toml\n(.*?)```", page, re.DOTALL).group(1)
    assert accepted.parse_policy(example, "the example").accepted
    assert all(f"{key} =" in example for key in accepted._CHECK)


def test_every_metric_is_documented():
    from fwaudit.audit import audit
    from fwaudit.exposure.compliance import check
    from fwaudit.host.snapshot_file import read_snapshot
    from fwaudit.model.compliance import Policy

    text = FORMATS["prometheus"](check(audit(read_snapshot(DEMO)), Policy(), datetime.date.min))
    page = (DOCS / "formats.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)) == set(re.findall(r"^\| `(fwaudit_\w+)`", page, re.M))


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "commands.md"], ids=lambda page: page.name)
def test_exit_codes_are_named(page):
    table = page.read_text(encoding="utf-8").split("## Exit codes\n", 1)[1].split("\n## ")[0]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert codes == {cli.OK, cli.WARNING, cli.CRITICAL, cli.UNKNOWN, cli.INTERRUPTED}


def blocks() -> Iterator[tuple[str, str]]:
    """(page, line) for every example of a command, in a block or in the text."""
    for page in PAGES:
        if page.name == "CONTRIBUTING.md":  # its recipes make commands that are not there: test_contributing.py
            continue
        text = page.read_text(encoding="utf-8")
        text = re.sub(re.escape(generate.BEGIN) + ".*?" + re.escape(generate.END), "", text, flags=re.DOTALL)
        for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                if line.startswith(("fwaudit ", "./scripts/fwaudit ")):
                    yield page.name, line
        for line in re.findall(r"`((?:\./scripts/)?fwaudit [a-z-][^`]*)`", text):
            yield page.name, " ".join(line.split())


EXAMPLES = sorted(set(blocks()))


def test_there_are_examples_of_every_command():
    used = {shlex.split(line)[1] for _, line in EXAMPLES}
    assert used >= set(build().commands)


@pytest.mark.parametrize(("page", "line"), EXAMPLES)
def test_examples_work(page, line, tmp_path, monkeypatch, capsys):
    """Commands that read a host are asked about the demo's; ``snapshot`` would read this one, and is only parsed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "host.tar.gz").write_bytes(DEMO.read_bytes())
    (tmp_path / "queries.jsonl").write_text(json.dumps({
        "id": 1, "in": "eth0", "src": "198.51.100.7", "dst": "203.0.113.10", "dport": 5432, "proto": "tcp"}) + "\n")
    words = shlex.split(line.partition(" && ")[0])[1:]
    words = ["host.tar.gz" if word == "PATH" else word for word in words]
    words = [word for word in words if not word.startswith("--drop-privileges")]  # this process has use for its own
    if words[0] == "trace" and not {"--to", "--batch"} & set(words):
        words += ["--in", "eth0", "--to", "203.0.113.10:5432"]
    if words[0] == "preview":
        for name in ("compose.yaml", "compose.prod.yaml"):
            (tmp_path / name).write_text("services: {new: {image: redis, ports: ['7000:6379']}}\n")
    if words[0] in ("report", "trace", "check", "preview") and "--snapshot" not in words:
        words += ["--snapshot", "host.tar.gz"]
    if words[:2] == ["policy", "init"]:
        words = ["policy", "init", "--snapshot", "host.tar.gz"]
    for name in ("before.tar.gz", "after.tar.gz"):
        (tmp_path / name).write_bytes(DEMO.read_bytes())
    policy = '[[accept]]\nport = 5432\nreason = "known"\n'
    (tmp_path / "policy.toml").write_text(policy)
    words = ["policy.toml" if word == "/etc/fwaudit/policy.toml" else word for word in words]
    if words[0] in ("history", "diff") and "before.tar.gz" not in words:
        for _ in range(2):
            cli.run(["check", "--snapshot", "host.tar.gz", "--history", "runs.db"])
        words += ["--history", "runs.db"]
    if words[0] in ("triage", "verify"):
        build().commands[words[0]].make_context(words[0], words[1:])
        if "--plan" in words:
            assert cli.run([*words, "--snapshot", "host.tar.gz"]) == cli.OK
        return
    if words[0] == "watch":  # it would go on for ever
        build().commands["watch"].make_context("watch", words[1:])
        return
    if words[0] == "schedule":
        build().commands["schedule"].make_context("schedule", words[1:])
        if "--dry-run" in words and "-o" not in words:
            monkeypatch.setattr("fwaudit.host.schedule.install.has_systemd", lambda root: True)
            assert cli.run(words) == cli.OK
        return
    if words[0] == "fix":
        build().commands["fix"].make_context("fix", words[1:])
        if "--dry-run" in words:
            assert cli.run([*words, *([] if "--snapshot" in words else ["--snapshot", "host.tar.gz"])]) == cli.WARNING
        return
    if words[0] == "fleet":
        (tmp_path / "snapshots").mkdir()
        (tmp_path / "snapshots" / "db01.tar.gz").write_bytes(DEMO.read_bytes())
        if "--executor" in words or "SNAPSHOTS…" in words:
            build().commands["fleet"].make_context("fleet", words[1:])
            return
    if words[0] == "snapshot":
        build().commands["snapshot"].make_context("snapshot", [*words[1:], *([] if "-o" in words else ["-o", "x"])])
        return
    code = cli.run(words)
    judges = "--exit-code" in words or words[0] in ("check", "preview")
    allowed = {cli.OK, cli.WARNING, cli.CRITICAL} if judges else {cli.OK}
    assert code in allowed, capsys.readouterr().err


def test_what_monitoring_runs_is_a_command_and_sudo_allows_that_very_one():
    page = (DOCS / "schedule.md").read_text(encoding="utf-8")
    nrpe = re.search(r"^command\[check_fwaudit\]=/usr/bin/sudo -n /usr/bin/fwaudit (.*)$", page, re.MULTILINE).group(1)
    sudo = re.search(r"^nagios ALL=\(root\) NOPASSWD: /usr/bin/fwaudit (.*)$", page, re.MULTILINE).group(1)
    icinga = re.findall(r'"([^"]*)"', re.search(r"^  command = \[(.*)\]$", page, re.MULTILINE).group(1))
    assert shlex.split(nrpe) == shlex.split(sudo) == icinga[3:]
    build().commands["check"].make_context("check", icinga[4:])


def test_the_schedule_page_names_what_is_installed_and_what_it_may_do():
    from fwaudit.host.schedule.plan import Plan
    from fwaudit.host.schedule.units import NEEDED, units

    page = (DOCS / "schedule.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(fwaudit-[\w.-]+)` \|", page, re.MULTILINE)) == set(units(Plan(watch=True)))
    assert {*NEEDED, "CAP_DAC_OVERRIDE", "CAP_FOWNER"} == set(re.findall(r"`(CAP_\w+)`", page))
    metrics = (DOCS / "formats.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in metrics for name in re.findall(r"fwaudit_\w+", page))


def test_every_event_of_watch_and_its_fields_are_documented():
    from fwaudit.audit import audit
    from fwaudit.exposure.compliance import check
    from fwaudit.exposure.follow import begin, follow
    from fwaudit.host.snapshot_file import read_snapshot
    from fwaudit.model.compliance import Policy
    from fwaudit.render import watch

    checked = check(audit(read_snapshot(DEMO)), Policy(), datetime.date.min)
    nothing = check(replace(checked.report, exposures=(), findings=(), unread=(("x", "y"),)), Policy(),
                    datetime.date.min)
    found = [*watch.records("", follow(begin(nothing, ""), checked, "")[1]),
             *watch.records("", follow(begin(checked, ""), nothing, "")[1]),
             watch.state_record("", checked, "", ""), watch.record("since", "", since=""),
             watch.record("trouble", "", about="", why="")]
    page = (DOCS / "formats.md").read_text(encoding="utf-8")
    part = page.split("## Watching as JSON\n", 1)[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", part, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} - {"event"} == {
        json.loads(line)["event"] for line in found}
    named = set(re.findall(r"`(\w+)`", page))
    assert {key for line in found for key in json.loads(line)} <= named


def test_the_readme_shows_the_real_screen():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == generate.readme(text), "run python tests/docs/generate.py"


def test_the_examples_of_formats_are_what_they_print():
    text = (DOCS / "formats.md").read_text(encoding="utf-8")
    assert text == formats_page.written(text), "run python tests/docs/generate.py"
    assert set(re.findall(r"^### (\w+)$", text, re.MULTILINE)) == set(FORMATS) - {"html"}


def test_the_packets_path_is_the_engines():
    page = (DOCS / "packet-path.md").read_text(encoding="utf-8")
    assert page == generate.packet_path(), "run python tests/docs/generate.py"


def test_the_findings_are_those_of_the_modules():
    page = (DOCS / "findings.md").read_text(encoding="utf-8")
    assert page == generate.findings(), "run python tests/docs/generate.py"


def test_every_file_of_a_snapshot_is_documented_and_no_other():
    table = (DOCS / "snapshot.md").read_text(encoding="utf-8").split("## The files\n", 1)[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert documented == {*snapshot_file._KNOWN, snapshot_file.META, f"{snapshot_file._PROFILES}/*"}


def test_every_file_that_the_edge_names_is_known_to_snapshots():
    """A collector that writes a file which readers drop would lose it without a word."""
    named = set()
    for module in (ROOT / "fwaudit/host/collectors").glob("*.py"):
        named |= set(re.findall(r'"((?:nft|ipset|ufw|docker|net|sockets|iptables)/[a-z0-9_.]+)"',
                                module.read_text(encoding="utf-8")))
    assert named - {"ufw/applications.d"}
    assert {name for name in named if not snapshot_file._is_known(name)} <= {"ufw/applications.d"}


def test_every_field_of_the_json_report_is_documented():
    from fwaudit.audit import audit
    from fwaudit.host.snapshot_file import read_snapshot
    from fwaudit.render.json import report_json

    page = (DOCS / "report-json.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`([a-z_]+)`", page))
    report = report_json(audit(read_snapshot(DEMO)))
    fields = set(report) | set(report["summary"]) | set(report["summary"]["verdicts"])
    for exposure in report["exposures"]:
        fields |= set(exposure) | set(exposure["policy"])
        for way in exposure["ways"]:
            fields |= set(way) | set(way["sources"]) | set(way.get("answered_by", ()))
        fields |= set(exposure.get("evidence", ()))
    for finding in report["findings"]:
        fields |= set(finding)
    assert {name for name in fields if name not in names} <= {"as-intended"}
    assert "`as-intended`" in page


def test_every_folder_of_the_package_is_in_the_design():
    page = (DOCS / "design.md").read_text(encoding="utf-8")
    for place in (ROOT / "fwaudit").iterdir():
        if place.name == "__init__.py" or not (place.suffix == ".py" or (place / "__init__.py").exists()):
            continue
        assert f"`fwaudit/{place.name}{'/' if place.is_dir() else ''}`" in page, place.name
    for named in re.findall(r"`((?:fwaudit|tests|scripts)/[\w/.-]*)`", page):
        assert (ROOT / named).exists(), named


def test_the_design_draws_the_contract_that_is_held():
    """The layers in docs/design.md are those of pyproject.toml, in the same order."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.findall(r'"([^"]+)"', re.search(r"^layers = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL).group(1))
    assert " > ".join(layers) in (DOCS / "design.md").read_text(encoding="utf-8")


def test_pages_that_the_code_points_to_exist():
    for folder in ("fwaudit", "tests", "scripts"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in (".py", "") and file.is_file() and "__pycache__" not in file.parts and \
                    not any(part.startswith(".") for part in file.relative_to(ROOT).parts):
                for name in re.findall(r"docs/([a-z-]+\.md)", file.read_text(encoding="utf-8", errors="replace")):
                    assert name in GENERATED or (DOCS / name).exists(), f"{file}: {name}"


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("https:", "http:")):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve() if name else page
        assert place.exists() or place.name in GENERATED, target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_no_place_on_somebodys_machine(page):
    text = page.read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert not re.search(r"(?<![\w.])/(?:work|home|root|tmp|Users)/", text)

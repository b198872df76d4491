"""``fwaudit fleet report``: every snapshot is one row, whatever it is, and every row is what the report says."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as xml
from contextlib import closing
from pathlib import Path

import fleets
import pytest

from fwaudit import cli
from fwaudit.audit import audit
from fwaudit.host.snapshot_file import read_snapshot, write_snapshot
from fwaudit.model.report import Service, who_answers
from fwaudit.render.fleet import FORMATS


def run(*words: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fwaudit", "fleet", "report", "--policy", os.devnull, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)


def as_json(*words: object, **options) -> dict:
    done = run(*words, "--format", "json", **options)
    assert done.returncode in (0, 3), done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Path:
    """Different hosts, and all that is wrong with a snapshot that can be."""
    folder = tmp_path_factory.mktemp("mixed")
    fleets.recorded(folder)
    write_snapshot(fleets.renamed("\x1b[2Jdb<script>"), folder / "hostile.tar.gz")
    (folder / "cut.tar.gz").write_bytes(fleets.DEMO.read_bytes()[:5000])
    (folder / "empty.tar").write_bytes(b"")
    (folder / "text.tgz").write_text("no snapshot at all")
    with tarfile.open(folder / "climbs.tar", "w") as archive:
        member = tarfile.TarInfo("../../outside")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    with tarfile.open(folder / "link.tar", "w") as archive:
        member = tarfile.TarInfo("iptables/nft.v4")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/shadow"
        archive.addfile(member)
    (folder / "notes.txt").write_text("no snapshot by its name")
    below = folder / "site" / "unpacked" / "iptables"
    below.mkdir(parents=True)
    (below / "nft.v4").write_text("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    return folder


BAD = {"cut.tar.gz", "empty.tar", "text.tgz", "climbs.tar", "link.tar"}


def test_every_snapshot_is_one_row_and_says_what_its_report_says(mixed):
    found = as_json(mixed, "--jobs", 2)
    sources = [each["source"] for each in found["hosts"]]
    wanted = {*map(str, mixed.glob("*.t*")), str(mixed / "site" / "unpacked")} - {str(mixed / "notes.txt")}
    assert len(sources) == len(set(sources)) and set(sources) == wanted
    assert {Path(each["source"]).name for each in found["hosts"] if "error" in each} == BAD
    assert found["failed"] == len(BAD) and found["snapshots"] == len(wanted) == sum(found["levels"].values())
    for each in found["hosts"]:
        if "error" in each:
            assert each["level"] == "unknown" and not each["ports"] and not each["findings"]
            continue
        report = audit(read_snapshot(each["source"]))
        ports = [[port.service.port, port.family, port.verdict, port.severity.name.lower(), port.certain]
                 for port in report.exposures if port.verdict != "blocked"]
        assert sorted([port["port"], port["family"], port["verdict"], port["severity"], port["certain"]]
                      for port in each["ports"]) == sorted(ports)
        assert sorted((one["id"], one["subject"], one["severity"]) for one in each["findings"]) == sorted(
            (one.id, one.subject, one.severity.name.lower()) for one in report.findings)
        assert each["blocked"] == sum(port.verdict == "blocked" for port in report.exposures)
        assert each["unread"] == len(report.unread)


@pytest.mark.parametrize(("kind", "name"), [
    ("published", "a container"), ("container-port", "a container"), ("host-socket", "a process"),
    ("forwarded", "a process")])
def test_what_nobody_knows_the_name_of_is_called_what_it_is(kind, name):
    assert who_answers(kind, "", "") == Service(kind, 6, 80).who == name
    assert who_answers(kind, "", "sshd") == "sshd" and who_answers(kind, "db", "postgres") == "db"


def test_the_worst_come_first_and_groups_count_hosts(mixed):
    found = as_json(mixed)
    order = ["critical", "unknown", "warning", "ok"]
    places = [order.index(each["level"]) for each in found["hosts"]]
    assert places == sorted(places)
    assert found["breaches"] == sum(each["breaches"] for each in found["hosts"])
    for group in found["by_finding"]:
        hosts = [each for each in found["hosts"] if any(one["id"] == group["name"] for one in each["findings"])]
        assert group["hosts"] == len(hosts), group
        assert group["example"] in {each.get("host", each["source"]) for each in hosts}
    for group in found["by_image"]:
        hosts = [each for each in found["hosts"] if any(
            one.get("image") == group["name"] and one["standing"] in ("breach", "undecided") for one in each["ports"])]
        assert group["hosts"] == len(hosts), group


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_every_trouble_and_no_raw_name(mixed, format):
    done = run(mixed, "--format", format, "--top", 100, "--jobs", 1)
    assert done.returncode == (2 if format == "nagios" else 3), done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert all(name in done.stderr for name in BAD)
    assert "1 other files are no snapshots by their names" in done.stderr
    if format != "ocsf":
        assert all(name.split(".")[0] in done.stdout for name in BAD)
    if format == "html":
        assert "<script" not in done.stdout
    elif format == "sarif":
        log = json.loads(done.stdout)
        assert len(log["runs"]) == len(as_json(mixed)["hosts"])
        assert sum(not each["invocations"][0]["executionSuccessful"] for each in log["runs"]) >= len(BAD)
        assert_valid_sarif(log)
    elif format == "junit":
        import xmlschema

        root = xml.fromstring(done.stdout.encode())
        assert sum(suite.get("name") == "snapshots" for suite in root) == len(BAD)
        xmlschema.XMLSchema(str(DATA / "junit-10.xsd")).validate(done.stdout.split("\n", 1)[1])
    elif format == "ocsf":
        assert all(json.loads(line)["class_uid"] == 2003 for line in done.stdout.splitlines())
    elif format == "nagios":
        assert done.stdout.startswith("FWAUDIT CRITICAL - ") and done.stdout.splitlines()[0].count("|") == 1
    elif format == "prometheus":
        from prometheus_client.parser import text_string_to_metric_families

        parsed = {each.name: each.samples for each in text_string_to_metric_families(done.stdout)}
        assert parsed["fwaudit_fleet_failed"][0].value == len(BAD)


DATA = Path(__file__).parents[1] / "data" / "schemas"


def assert_valid_sarif(log: dict) -> None:
    import jsonschema

    schema = json.loads((DATA / "sarif-2.1.0.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(log)


# ---- which snapshots -------------------------------------------------------------------------------------------------


def test_globs_lists_and_the_same_file_twice(tmp_path):
    paths = fleets.copies(tmp_path / "a", 3)
    assert as_json(str(tmp_path / "**" / "*.tar.gz"))["snapshots"] == 3
    assert as_json("-", input="\n".join(paths))["snapshots"] == 3
    assert as_json("-", input="\0".join([*paths, paths[0]]))["snapshots"] == 3
    assert as_json(tmp_path, *paths, cwd=tmp_path)["snapshots"] == 3
    assert as_json(paths[0], "missing.tar.gz")["failed"] == 1


def test_a_url_is_read_by_fsspec(tmp_path):
    pytest.importorskip("fsspec")
    paths = fleets.copies(tmp_path / "a", 2)
    assert as_json(f"file://{tmp_path}/a/*.tar.gz")["snapshots"] == 2
    assert as_json(f"file://{tmp_path}/a")["snapshots"] == 2
    assert as_json(f"file://{paths[0]}", f"file://{tmp_path}/missing.tar.gz")["failed"] == 1
    found = as_json("nothing://x/y.tar.gz")["hosts"][0]
    assert "nothing" in found["error"]


def test_secrets_in_urls_are_not_shown():
    from fwaudit.host.fleet.find import without_secrets

    assert without_secrets("https://me:secret@host/a.tar.gz?token=x") == "https://host/a.tar.gz?…"
    assert without_secrets("/a@b/c?.tar.gz") == "/a@b/c?.tar.gz"


@pytest.mark.parametrize("words", [
    ["--format", "xml"], ["--executor", "threads"], ["--executor", "dask://127.0.0.1:1"],
    ["--since", "/does/not/exist"],
    ["--since", str(fleets.DEMO)], ["--db", str(fleets.DEMO)], ["--parquet", "/dev/null/x"], ["-o", "/does/not/exist"],
])
def test_bad_usage_is_said_and_3(words, capsys, monkeypatch):
    monkeypatch.setattr("fwaudit.host.fleet.dask._PATIENCE", 1)
    assert cli.run(["fleet", "report", str(fleets.DEMO), *words]) == 3
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("fwaudit: ") and "internal" not in err


def test_no_snapshot_at_all_is_no_success(tmp_path, capsys):
    assert cli.run(["fleet", "report", str(tmp_path)]) == 3
    assert "no snapshot in" in capsys.readouterr().err
    assert cli.run(["fleet", "repair", str(tmp_path)]) == 3


# ---- what changed, and the results -----------------------------------------------------------------------------------


def test_a_database_of_the_first_version_goes_on(tmp_path):
    path, db = tmp_path / "host.tar.gz", tmp_path / "fleet.db"
    write_snapshot(fleets.renamed("db01"), path)
    as_json(path, "--db", db)
    with closing(sqlite3.connect(db)) as database:
        database.executescript("ALTER TABLE host DROP COLUMN redacted; PRAGMA user_version = 1;")
    found = as_json(path, "--db", db, "--since", db)
    assert found["hosts"][0]["redacted"] is False and found["changes"]["changed"] == 0


def test_what_changed_since_the_last_run(tmp_path):
    now, db = tmp_path / "now", tmp_path / "fleet.db"
    now.mkdir()
    for name in ("same", "moves", "goes", "breaks"):
        write_snapshot(fleets.renamed(name), now / f"{name}.tar.gz")
    assert "changes" not in as_json(now, "--db", db)
    write_snapshot(fleets.renamed("moves", "5433", "2026-11-27T00:00:00Z"), now / "moves.tar.gz")
    (now / "breaks.tar.gz").write_bytes(b"broken")
    (now / "goes.tar.gz").rename(tmp_path / "old.tar.gz")
    write_snapshot(fleets.renamed("comes"), now / "comes.tar.gz")
    write_snapshot(fleets.renamed("moves", "5432", "2026-11-20T00:00:00Z"), now / "older.tar.gz")  # is not the latest
    other = tmp_path / "other.db"
    since = as_json(now, "--since", db, "--db", other)["changes"]
    assert as_json(now, "--db", db)["changes"] | {"since": ""} == since | {"since": ""}
    assert {(each["kind"], each["host"]) for each in since["ports"]} == {("new", "moves"), ("gone", "moves")}
    assert {each["port"].split()[0].rpartition(":")[2] for each in since["ports"] if each["kind"] == "new"} == {
        "5433/tcp"}
    assert since["new"] == since["gone"] > 0 and since["changed"] == 0
    # the broken one has no name any more: it is another host, and the old one is missing
    assert (since["hosts_new"], since["hosts_gone"]) == (2, 2)
    again = as_json(now, "--db", db)["changes"]
    assert (again["new"], again["gone"], again["changed"], again["hosts_new"], again["hosts_gone"]) == (0, 0, 0, 0, 0)
    assert db.stat().st_mode & 0o777 == 0o600


def test_what_could_not_be_read_proves_nothing_gone(tmp_path):
    from dataclasses import replace

    db = tmp_path / "fleet.db"
    whole = fleets.renamed("db01")
    write_snapshot(whole, tmp_path / "a.tar.gz")
    as_json(tmp_path / "a.tar.gz", "--db", db)
    files = {name: data for name, data in whole.files.items() if not name.startswith("docker/")}
    write_snapshot(replace(whole, files=files, sources={}), tmp_path / "a.tar.gz")
    changes = as_json(tmp_path / "a.tar.gz", "--db", db)["changes"]
    assert changes["gone"] == 0 and changes["not_compared"] == 1


def test_sqlite_and_parquet_have_the_same_rows(mixed, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    found = as_json(mixed, "--db", tmp_path / "db", "--parquet", tmp_path / "columns")
    tables = {name: parquet.read_table(tmp_path / "columns" / f"{name}.parquet")
              for name in ("hosts", "ports", "findings")}
    with sqlite3.connect(tmp_path / "db") as database:
        for name, table in tables.items():
            assert database.execute(f"SELECT count(*) FROM {name[:-1]}").fetchone() == (table.num_rows,)
        page = (Path(__file__).parents[2] / "docs/fleet.md").read_text(encoding="utf-8")
        for name in ("run", "host", "port", "finding"):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
            (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` | ")]
            assert row.split("`")[3::2] == columns
        query = page.split("```sql\n")[1].split("```")[0]
        assert database.execute(query).fetchall() == []
    assert tables["hosts"].num_rows == found["snapshots"]
    assert tables["ports"].num_rows == sum(len(each["ports"]) for each in found["hosts"])
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "columns").iterdir())


def test_a_run_that_was_stopped_is_none_to_compare_with(tmp_path):
    from fwaudit.host.fleet import store

    db = tmp_path / "db"
    with pytest.raises(RuntimeError), store.opened(db, "2026-11-26T00:00:00Z"):
        raise RuntimeError
    assert "changes" not in as_json(fleets.DEMO, "--db", db)
    for _ in range(store.KEEP_RUNS + 2):
        with store.opened(db, "2026-11-26T00:00:00Z") as kept:
            kept.finish()
    with sqlite3.connect(db) as database:
        assert database.execute("SELECT count(*), min(done) FROM run").fetchone() == (store.KEEP_RUNS, 1)
        assert database.execute("SELECT count(*) FROM port").fetchone() == (0,)


def test_policy_and_exit_codes(tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text("[check]\nfindings = false\n" + "".join(
        f'[[accept]]\nport = {port}\nreason = "known"\n' for port in (5432, 6379, 80)))
    words = [sys.executable, "-m", "fwaudit", "fleet", "report", str(fleets.DEMO), "--exit-code"]
    assert subprocess.run([*words, "--policy", os.devnull], capture_output=True).returncode == 2
    done = subprocess.run([*words, "--policy", str(policy)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run(fleets.DEMO).returncode == 0

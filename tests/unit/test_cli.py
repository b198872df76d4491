"""The command line from outside: what it prints where, and with which exit code it ends."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import captures
import pytest

import fwaudit
from fwaudit import cli
from fwaudit.host.snapshot_file import read_snapshot

DEMO = Path(fwaudit.__file__).parent / "cli" / "demo.tar.gz"
_QUERY = {"in": "eth0", "src": "198.51.100.7", "dst": "203.0.113.10", "dport": 5432, "proto": "tcp"}


@pytest.fixture
def host(tmp_path: Path):
    """Writes the recorded host ENGINE/SCENARIO, without some of its files, and returns its path."""

    def write(name: str, without: tuple[str, ...] = ()) -> str:
        case = captures.case(name)
        for path, data in case.files.items():
            if not path.startswith(without or ("\0",)):
                target = tmp_path / "host" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        return str(tmp_path / "host")

    return write


def start(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """A process of its own, with its output in pipes."""
    return subprocess.run([sys.executable, "-m", "fwaudit", *arguments], capture_output=True, text=True, check=False,
                          **options)


# ---- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    ["report", "--nope"], ["nope"], ["report", "--format", "xml"], ["report", "--snapshot", "/does/not/exist"],
    ["report", "--timeout", "soon"], ["trace"], ["trace", "--in"], ["trace", "--to", "5432"],
    ["trace", "--to", "203.0.113.10:70000/tcp"], ["trace", "--to", "203.0.113.10:80/nope"],
    ["trace", "--to", "203.0.113.10:80", "--batch", "-"], ["trace", "--to", "203.0.113.10:80", "--from", "fd00::/8"],
    ["trace", "--to", "203.0.113.10:80", "--from", "here"], ["trace", "--to", "203.0.113.10:80", "--sport", "99999"],
    ["trace", "--to", "203.0.113.10:80", "--sport", "-5"],
    ["trace", "--to", "203.0.113.10:80", "--in", "eth7", "--snapshot", str(DEMO)],
    ["trace", "--batch", "/does/not/exist", "--snapshot", str(DEMO)], ["snapshot"],
    ["demo", "--format", "xml"], ["report", "--snapshot", str(DEMO), "-o", "/does/not/exist/report"],
])
def test_bad_usage_is_one_line_a_hint_and_3(arguments, capsys):
    assert cli.run(arguments) == 3
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("fwaudit: ")
    assert len(lines) == 2 and lines[1].startswith("  "), lines


def test_without_arguments_there_is_help_and_3(capsys):
    assert cli.run([]) == 3
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["report", "trace", "snapshot", "demo"])
def test_every_command_has_help_with_an_example(command, capsys):
    assert cli.run([command, "--help"]) == 0
    assert f"\n  fwaudit {command}" in capsys.readouterr().out.replace("\n    fwaudit", "\n  fwaudit")


def test_version_needs_nothing(capsys):
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "fwaudit", "--version"], capture_output=True,
                          text=True, check=True)
    assert done.stdout == f"fwaudit {fwaudit.__version__}\n"
    assert "typer" not in done.stderr
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == done.stdout


def test_shell_completion():
    environment = {**os.environ, "_FWAUDIT_COMPLETE": "complete_bash", "COMP_WORDS": "fwaudit tra", "COMP_CWORD": "1"}
    assert start(env=environment).stdout.split() == ["trace"]


# ---- exit codes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "without", "plain", "asked"), [
    ("d28/ufw_deny_5432", (), 0, 2),
    ("d28/gateway_mode_routed", (), 0, 1),
    ("d28/host_network", (), 0, 0),
    ("d28/host_network", ("sockets/",), 3, 3),
    ("d28/ufw_deny_5432", ("ufw/",), 3, 2),          # 3 never wins over 2
    ("d28/ufw_deny_5432", ("iptables/",), 3, 3),
])
def test_report_exit_codes(host, name, without, plain, asked, capsys):
    path = host(name, without)
    assert cli.run(["report", "--snapshot", path]) == plain
    assert cli.run(["report", "--snapshot", path, "--exit-code"]) == asked
    assert cli.run(["report", "--snapshot", path, "--format", "json"]) == plain


def test_an_internal_error_is_one_line_and_3(monkeypatch, capsys):
    def explode(*_: object) -> None:
        raise RuntimeError("oh\nno")

    monkeypatch.setattr("fwaudit.audit.audit", explode)
    monkeypatch.delenv("FWAUDIT_DEBUG", raising=False)
    assert cli.run(["demo"]) == 3
    err = capsys.readouterr().err
    assert err.splitlines()[0] == "fwaudit: internal error: RuntimeError: oh\\x0ano"
    assert "report it" in err and "Traceback" not in err
    monkeypatch.setenv("FWAUDIT_DEBUG", "1")
    assert cli.run(["demo"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_interrupted_is_130(monkeypatch, capsys):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fwaudit.audit.audit", interrupt)
    assert cli.run(["demo"]) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["demo"], ["demo", "--format", "json"]])
def test_a_closed_pipe_is_quiet(arguments):
    with subprocess.Popen([sys.executable, "-m", "fwaudit", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


# ---- where output goes -----------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_and_for_its_owner(tmp_path, capsys):
    target = tmp_path / "report.json"
    target.write_text("old")
    assert cli.run(["report", "--snapshot", str(DEMO), "--format", "json", "-o", str(target)]) == 0
    assert capsys.readouterr().out == ""
    assert json.loads(target.read_text())["host"] == "db01"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_link_points_to_is_replaced_and_the_link_stays(tmp_path):
    target = tmp_path / "report.txt"
    link = tmp_path / "latest"
    link.symlink_to(target)
    assert cli.run(["report", "--snapshot", str(DEMO), "-o", str(link)]) == 0
    assert link.is_symlink() and target.read_text().startswith("1 port")


@pytest.mark.parametrize("arguments", [["report", "--snapshot", str(DEMO)], ["snapshot"]])
def test_a_pipe_or_a_device_is_written_to_and_never_replaced(arguments, tmp_path, monkeypatch):
    """As root, replacing ``-o /dev/null`` with a file would break the machine."""
    monkeypatch.setattr("fwaudit.cli.source.load", lambda path, timeout: read_snapshot(DEMO))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        assert cli.run([*arguments, "-o", str(pipe)]) == 0
        assert len(reader.stdout.read()) > 1000
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_no_colour_in_a_pipe():
    assert "\x1b" not in start("demo", env={**os.environ, "TERM": "xterm", "COLUMNS": "200"}).stdout


@pytest.mark.parametrize(("arguments", "environment", "coloured"), [
    ([], {}, True), (["--no-color"], {}, False), ([], {"NO_COLOR": "1"}, False), ([], {"TERM": "dumb"}, False)])
def test_colour_on_a_terminal(arguments, environment, coloured, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cli.run(["demo", *arguments]) == 0
    assert ("\x1b[" in capsys.readouterr().out) is coloured


def test_a_snapshot_does_not_go_to_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert cli.run(["snapshot", "-o", "-"]) == 3
    assert "terminal" in capsys.readouterr().err


# ---- trace -----------------------------------------------------------------------------------------------------------


def trace(*arguments: str) -> list[str]:
    return ["trace", "--snapshot", str(DEMO), *arguments]


def test_trace_of_one_packet(capsys):
    one = ("--in", "eth0", "--from", "198.51.100.7", "--to", "203.0.113.10:5432/tcp")
    assert cli.run(trace(*one)) == 0
    out = capsys.readouterr().out
    assert out.startswith("delivered to shop-db-1 (172.17.0.2:5432)\n")
    assert "nat DOCKER" in out and "dnat 172.17.0.2:5432" in out
    assert cli.run(trace(*one, "--format", "json")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["disposition"] == "delivered"
    assert answer["to"] == {"kind": "container", "name": "shop-db-1", "address": "172.17.0.2", "port": 5432}
    assert answer["path"][0]["hook"] == "prerouting"


def test_trace_of_any_source_names_the_sources_of_each_outcome(capsys):
    assert cli.run(trace("--in", "eth0", "--to", "203.0.113.10:5432/tcp")) == 0
    assert capsys.readouterr().out.startswith("delivered to shop-db-1 (172.17.0.2:5432): from anywhere\n")
    assert cli.run(trace("--in", "eth0", "--to", "203.0.113.10:9999/tcp")) == 0
    assert capsys.readouterr().out.splitlines() == [
        "dropped: from anywhere", "  The way of one of them, from 198.51.100.7:", "    filter INPUT policy  drop"]
    assert cli.run(trace("--in", "eth0", "--from", "203.0.113.0/24", "--to", "172.17.0.2:5432")) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "delivered to shop-db-1 (172.17.0.2:5432): from the local network 203.0.113.0/24"
    assert last == "dropped: from addresses that no other machine has: 203.0.113.10"
    network = ("--from", "198.51.100.0/24", "--format", "json")
    assert cli.run(trace("--in", "eth0", "--to", "203.0.113.10:5432", *network)) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [(each["disposition"], each["sources"], each["certain"], each["src"]) for each in answers] == [
        ("delivered", ["198.51.100.0/24"], True, "198.51.100.7")]


def test_trace_of_a_packet_that_the_host_sends(capsys):
    assert cli.run(trace("--to", "198.51.100.7:443")) == 3
    assert "whether 198.51.100.7, another machine, answers" in capsys.readouterr().out
    assert cli.run(trace("--in", "lo", "--to", "127.0.0.1:22/tcp")) == 0
    assert "delivered to sshd" in capsys.readouterr().out


def test_trace_over_ipv6(capsys):
    assert cli.run(trace("--in", "eth0", "--from", "2001:db8:99::7", "--to", "[2001:db8:1::10]:22/tcp")) == 0
    assert capsys.readouterr().out.startswith("delivered to sshd")


@pytest.mark.parametrize(("arguments", "error", "hint"), [
    (("--to", "203.0.113.10:+80"), "not ADDRESS:PORT/PROTOCOL: 203.0.113.10:+80", "For example"),
    (("--to", "203.0.113.10:1_0"), "not ADDRESS:PORT/PROTOCOL", "For example"),
    (("--to", "203.0.113.10: 80"), "not ADDRESS:PORT/PROTOCOL", "For example"),
    (("--to", "203.0.113.10:\u0668\u0660"), "not ADDRESS:PORT/PROTOCOL", "For example"),
    (("--to", "203.0.113.10\x1b[2J:80"), "203.0.113.10\\x1b[2J:80", "For example"),
    (("--to", "A" * 5000), "A" * 80 + "…", "For example"),
    (("--to", "203.0.113.10:80/" + "x" * 5000), "no such protocol: " + "x" * 80, "For example"),
    (("--from", "x" * 5000, "--to", "203.0.113.10:80"), "--from: not an address or a network", "For example"),
    (("--from", "198.51.100.7", "--to", "203.0.113.10:80"), "without --in the host itself sends", "--in NAME"),
    (("--from", "10.0.0.0/8", "--to", "203.0.113.10:80"), "without --in the host itself sends", "eth0"),
    (("--in", "nope", "--to", "203.0.113.10:80"), "this host has no interface nope", "It has: "),
    (("--in", "eth0", "--batch", "-"), "--from, --in and --sport go with --to", "each line"),
    (("--batch", "/nonexistent" + "x" * 5000), "cannot read /nonexistent", "JSON Lines"),
    (("--format", "xml\x07", "--to", "203.0.113.10:80"), "no such format: xml\\x07", "table and json"),
])
def test_a_question_that_cannot_be_meant_is_one_clear_line_and_a_hint(arguments, error, hint, capsys):
    assert cli.run(trace(*arguments)) == 3
    shown = capsys.readouterr()
    first, second = shown.err.splitlines()
    assert shown.out == "" and first.startswith("fwaudit: ") and error in first and len(first) < 200
    assert second.startswith("  ") and hint in second


def test_an_open_packet_is_explained(tmp_path, capsys):
    rules = tmp_path / "rules"
    rules.write_text("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m limit --limit 3/min -j ACCEPT\nCOMMIT\n")
    query = {"in": "eth0", "out": "eth1", "hook": "forward", "src": "10.0.0.1", "dst": "10.0.1.1", "dport": 80,
             "proto": "tcp"}
    (tmp_path / "one.jsonl").write_text(json.dumps(query))
    assert cli.run(["trace", "--snapshot", str(rules), "--batch", str(tmp_path / "one.jsonl")]) == 0
    answer = json.loads(capsys.readouterr().out)
    words = "whether no more than 3/min such packets come (limit) (filter FORWARD rule 1)"
    assert (answer["undecided_on"], answer["fewest"]) == ([words], True)
    assert answer["facts"] == [{"fact": words, "values": [
        {"value": "yes", "leads_to": [{"disposition": "accepted"}]},
        {"value": "no", "leads_to": [{"disposition": "dropped"}]}]}]


# ---- trace --batch ---------------------------------------------------------------------------------------------------


def test_batch_answers_every_line_in_order(tmp_path, capsys):
    lines = [{"id": 1, **_QUERY}, {"id": "two", **_QUERY, "dport": 22}, {"id": [3], **_QUERY, "in": None, "src": None}]
    path = tmp_path / "queries.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    assert cli.run(trace("--batch", str(path))) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["id"] for each in answers] == [1, "two", [3]]
    assert [each["disposition"] for each in answers] == ["delivered"] * 3


@pytest.mark.parametrize(("line", "error"), [
    ("nonsense", "not JSON"),
    ("[]", "not a JSON object"),
    ("[" * 100_000, "longer than"),
    ("[" * 50_000, "not JSON: nested too deeply"),
    ("9" * 300_000, "longer than"),
    ('{"id": NaN}', "NaN is no JSON"),
    (json.dumps({"id": 5, **_QUERY, "in": "nope\x1b[31m"}), "this host has no interface 'nope\\x1b[31m'"),
    ('{"id": 5}', "dst is missing"),
    (json.dumps({"id": 5, **_QUERY, "dst": "203.0.113"}), "dst: not an address"),
    (json.dumps({"id": 5, **_QUERY, "dst": 7}), "dst: not an address"),
    (json.dumps({"id": 5, **_QUERY, "src": "::1"}), "different families"),
    (json.dumps({"id": 5, **_QUERY, "src": None}), "src is missing"),
    (json.dumps({"id": 5, **_QUERY, "dport": 70000}), "dport"),
    (json.dumps({"id": 5, **_QUERY, "dport": True}), "dport"),
    (json.dumps({"id": 5, **_QUERY, "dport": None}), "dport is missing"),
    (json.dumps({"id": 5, **_QUERY, "sport": -1}), "sport"),
    (json.dumps({"id": 5, **_QUERY, "proto": "carrier pigeon"}), "proto"),
    (json.dumps({"id": 5, **_QUERY, "proto": None}), "proto is missing"),
    (json.dumps({"id": 5, **_QUERY, "hook": "output"}), "hook"),
    (json.dumps({"id": 5, **_QUERY, "in": 5}), "in:"),
    (json.dumps({"id": 5, **_QUERY, "hook": "forward", "out": 5}), "out:"),
])
def test_a_bad_line_is_answered_in_its_place_and_nothing_is_lost(line, error, tmp_path, capsys):
    path = tmp_path / "queries.jsonl"
    path.write_text("\n".join([json.dumps({"id": 1, **_QUERY}), line, json.dumps({"id": 2, **_QUERY})]))
    assert cli.run(trace("--batch", str(path))) == 3
    first, bad, last = (json.loads(each) for each in capsys.readouterr().out.splitlines())
    assert (first["disposition"], last["disposition"]) == ("delivered", "delivered")
    assert error in bad["error"]
    assert bad["id"] == (5 if line.startswith('{"id": 5') else None)


def test_batch_with_a_hook_puts_the_packet_there(tmp_path, capsys):
    path = tmp_path / "queries.jsonl"
    path.write_text("\n".join(json.dumps({**_QUERY, "hook": "input", "dport": port}) for port in (22, 5432)))
    assert cli.run(trace("--batch", str(path))) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["disposition"] for each in answers] == ["accepted", "dropped"]


def test_batch_from_stdin_answers_before_the_next_question():
    with subprocess.Popen([sys.executable, "-m", "fwaudit", *trace("--batch", "-")], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        for number in range(3):
            process.stdin.write(json.dumps({"id": number, **_QUERY}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.slow
def test_batch_is_fast(tmp_path):
    """Thousands of questions a second; a tenth of it is demanded, since machines differ."""
    path = tmp_path / "queries.jsonl"
    path.write_text((json.dumps({"id": 1, **_QUERY}) + "\n") * 3000)
    begin = time.perf_counter()
    done = start(*trace("--batch", str(path)))
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 3000
    assert time.perf_counter() - begin < 10


# ---- policy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "code"), [
    ("# a package's, without a word in force\n", cli.OK), ('[[accept]]\nport = 22\nreason = "ssh"\n', cli.UNKNOWN),
    ("[check]\nstrict = true\n", cli.UNKNOWN), ("not a policy", cli.UNKNOWN),
])
def test_policy_init_writes_over_nothing_that_is_in_force(text, code, tmp_path, capsys):
    path = tmp_path / "policy.toml"
    path.write_text(text)
    assert cli.run(["policy", "init", "--snapshot", str(DEMO), "-o", str(path)]) == code
    assert ("[[accept]]" in path.read_text()) if code == cli.OK else (path.read_text() == text)
    assert ("--force" in capsys.readouterr().err) == (code == cli.UNKNOWN)


def test_from_over_ssh_is_another_spelling(monkeypatch):
    from fwaudit.cli import verify

    asked = []
    monkeypatch.setattr(verify, "_over_ssh", lambda target, wanted: asked.append(target) or [])
    for words in (["--ssh", "admin@there"], ["--from", "ssh://admin@there"]):
        cli.run(["verify", "--snapshot", str(DEMO), *words])
    assert asked == ["admin@there"] * 2

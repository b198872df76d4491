"""The commands that a report suggests, carried out on the recorded rules: they close what they say, and only that."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from functools import cache

import captures
import pytest

from fwaudit.audit import audit
from fwaudit.model.report import Exposure, Report
from fwaudit.model.snapshot import Snapshot
from fwaudit.render.advice import advice
from fwaudit.render.rows import Row, rows

_FILES = {"iptables": "iptables/nft.v4", "ip6tables": "iptables/nft.v6",
          "iptables-legacy": "iptables/legacy.v4", "ip6tables-legacy": "iptables/legacy.v6"}
_Key = tuple[str, int, str, int, str, int]


@cache
def _report(name: str) -> Report:
    return audit(Snapshot(captures.case(name).files))


def _key(exposure: Exposure) -> _Key:
    service = exposure.service
    return service.kind, service.proto, service.bound, service.port, service.container, exposure.family


def _bad(report: Report) -> list[Row]:
    return [row for row in rows(report, ("bypass", "neighbours"))
            if not any("no rule of this host" in note for note in row.exposures[0].notes)]


def _commands(report: Report, row: Row) -> list[str]:
    return [command for _, commands in advice(report, [row]) for command in commands]


def _carry_out(files: dict[str, bytes], command: str) -> None:
    """One ``iptables [-t T] -I CHAIN N … | -D CHAIN …``, as iptables would do it, on the text of iptables-save."""
    tool, *words = shlex.split(command)
    table = words[words.index("-t") + 1] if "-t" in words else "filter"
    rest = words[2:] if words[0] == "-t" else words
    name = _FILES[tool]
    text = files.get(name, b"").decode()
    before, found, after = text.partition(f"*{table}\n")
    if not found:
        before, after = text, f":{rest[1]} ACCEPT [0:0]\nCOMMIT\n"
    body, commit, tail = after.partition("COMMIT\n")
    lines = body.splitlines()
    start = f"-A {rest[1]} "
    mine = [i for i, line in enumerate(lines) if start in f"{line} "]
    if rest[0] == "-D":
        lines.remove(next(line for line in lines if line.endswith(shlex.join(rest[1:]).replace("'", ""))))
    else:
        place = int(rest[2]) - 1
        at = mine[place] if place < len(mine) else (mine[-1] + 1 if mine else len(lines))
        lines.insert(at, "-A " + " ".join([rest[1], *rest[3:]]))
    files[name] = f"{before}*{table}\n{chr(10).join(lines)}\n{commit}{tail}".encode()


def _iptables(commands: list[str]) -> list[str]:
    return [command for command in commands if command.split()[0] in _FILES]


CASES = [name for name in captures.names() if not name.startswith("d29nft/")]


@pytest.mark.parametrize("name", CASES)
def test_the_suggested_rules_close_the_port_and_nothing_else(name: str) -> None:
    before = _report(name)
    for row in _bad(before):
        commands = _iptables(_commands(before, row))
        if not commands:
            continue
        files = dict(captures.case(name).files)
        for command in commands:
            _carry_out(files, command)
        after = {_key(each): each for each in audit(Snapshot(files)).exposures}
        mine = {_key(each) for each in row.exposures}
        loopback = any("-d 127.0.0.0/8" in command for command in commands)
        for exposure in before.exposures:
            now = after.get(_key(exposure))
            verdict = now.verdict if now else "blocked"
            if _key(exposure) in mine:
                assert verdict in ("blocked", "as-intended"), (row.port, exposure.family, commands)
                for old, new in zip(exposure.ways, now.ways if now else (), strict=bool(now)):
                    lost = (old.certainly & old.allowed) - new.certainly
                    assert not lost, f"cuts off {lost} whom policy lets in"
            elif not loopback and exposure.verdict == "as-intended" and exposure.service.port != row.ports[0]:
                assert verdict == "as-intended", (row.port, exposure.service, commands)


@pytest.mark.parametrize(("name", "needed"), [
    ("d20/ufw_deny_5432", True), ("d26/ufw_deny_5432", True), ("d28/ufw_deny_5432", False)])
def test_publishing_on_loopback_is_not_called_enough_where_neighbours_get_past_it(name: str, needed: bool) -> None:
    """Engines before 28 let a machine on the link reach what is published on 127.0.0.1: see their publish_loopback."""
    row = next(row for row in _bad(_report(name)) if row.verdict == "bypass")
    commands = _commands(_report(name), row)
    assert "docker run -p 127.0.0.1:5432:5432 …" in commands
    assert any("-t raw" in command for command in commands) is needed
    open_to_neighbours = {row.verdict for row in _bad(_report(f"{name.split('/')[0]}/publish_loopback"))
                          if row.bound == "127.0.0.1"}
    assert ("neighbours" in open_to_neighbours) is needed


def test_there_is_something_to_carry_out() -> None:
    found = [row for name in CASES[:60] for row in _bad(_report(name)) if _iptables(_commands(_report(name), row))]
    assert len(found) > 40


@pytest.mark.skipif(shutil.which("nft") is None, reason="no nft")
def test_the_suggested_nft_rules_are_read_by_nft() -> None:
    reports = [report for name in captures.names() if (report := _report(name)).nftables_backend]
    commands = dict.fromkeys(command for report in reports for row in _bad(report) for command in _commands(report, row)
                             if command.startswith("nft "))
    assert commands
    adds = "\n".join(re.sub(r"^nft ", "", command).replace("'", "") for command in commands)
    done = subprocess.run(["nft", "-c", "-f", "-"], input=adds, text=True, capture_output=True, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("nft needs root")
    assert done.returncode == 0, done.stderr

"""Hooks: what they are told and how, what they cannot be made to do, and what is said where one fails."""

from __future__ import annotations

import email
import email.policy
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fwaudit.errors import UsageError
from fwaudit.host import notify as module
from fwaudit.host.notify import Hooks, notify, read_hooks
from fwaudit.model.notice import Notice

NOTICE = Notice("db01", "2026-11-26T02:38:05Z", "critical", "ok", "CRITICAL: 1 exposure that nobody answers for",
                "CRITICAL: 1 exposure that nobody answers for\n\n  - 5432/tcp shop-db-1", {"opened": ["5432/tcp"]})


@pytest.fixture
def script(tmp_path):
    def write(text: str, name: str = "hook") -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return write


@pytest.fixture
def sendmail(script, tmp_path, monkeypatch):
    """A sendmail that writes down its arguments and the mail."""
    path = script(f"printf '%s ' \"$@\" >{tmp_path}/argv; cat >{tmp_path}/mail", "sendmail")
    monkeypatch.setattr(module, "_SENDMAIL", path)
    return tmp_path


def test_a_command_gets_the_text_the_json_and_the_environment(script, tmp_path):
    hook = script(f'cat >{tmp_path}/in; env >{tmp_path}/env; printf "%s|" "$@" >{tmp_path}/argv')
    assert notify(NOTICE, read_hooks([f"{hook} --to 'on call' '$HOME'"])) == []
    *text, last = (tmp_path / "in").read_text().splitlines()
    assert text == [*NOTICE.text.splitlines(), ""]
    data = json.loads(last)
    assert (data["level"], data["was"], data["data"]) == ("critical", "ok", {"opened": ["5432/tcp"]})
    assert (tmp_path / "argv").read_text() == "--to|on call|$HOME|"
    env = (tmp_path / "env").read_text().splitlines()
    assert {"FWAUDIT_HOST=db01", "FWAUDIT_LEVEL=critical", "FWAUDIT_WAS=ok", f"FWAUDIT_AT={NOTICE.at}",
            f"FWAUDIT_HEADLINE={NOTICE.headline}"} <= set(env)


def test_a_mail_goes_to_the_local_sendmail(sendmail):
    assert notify(NOTICE, read_hooks(mail=["ops@example.org"])) == []
    assert (sendmail / "argv").read_text() == "-oi -t "
    mail = email.message_from_bytes((sendmail / "mail").read_bytes(), policy=email.policy.default)
    assert mail["To"] == "ops@example.org"
    assert mail["Subject"] == f"fwaudit on db01: {NOTICE.headline}"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content() == NOTICE.text + "\n"


def test_hostile_names_stay_text(sendmail, script, tmp_path):
    evil = "x\r\nBcc: all@example.org\r\n\r\n.\n\x1b[2J\udc80\0"
    hostile = replace(NOTICE, host=evil, headline=evil, level=evil, text=f"{evil}\n.\nafter the dot")
    hook = script(f"env >{tmp_path}/env; cat >{tmp_path}/in")
    assert notify(hostile, read_hooks([hook], ["root"])) == []
    mail = email.message_from_bytes((sendmail / "mail").read_bytes(), policy=email.policy.default)
    assert set(mail.keys()) == {"To", "Subject", "Date", "Auto-Submitted", "X-Fwaudit-Level", "Content-Type",
                                "Content-Transfer-Encoding", "MIME-Version"}
    assert mail["To"] == "root"
    assert "after the dot" in mail.get_content()
    for text in ((tmp_path / "env").read_text(), (tmp_path / "in").read_text(), mail.get_content()):
        assert "\x1b" not in text and "\r" not in text
    assert not any(line.startswith("Bcc") for line in (tmp_path / "env").read_text().splitlines())
    assert json.loads((tmp_path / "in").read_text().splitlines()[-1])["host"] == evil


def test_a_very_long_notice_is_no_reason_to_say_nothing(sendmail, script, tmp_path):
    long = replace(NOTICE, headline="x" * 1_000_000, text="y" * 1_000_000)
    assert notify(long, read_hooks([script(f"cat >{tmp_path}/in")], ["root"])) == []
    assert (tmp_path / "in").stat().st_size > 2_000_000
    assert max(map(len, (sendmail / "mail").read_bytes().splitlines())) < 998  # RFC 5322


@pytest.mark.parametrize(("text", "said"), [
    ("echo no route >&2; exit 7", "hook: exit 7: no route"), ("exit 1", "hook: exit 1"),
    ("kill -9 $$", "hook: ended by signal 9"), ("printf '\\033[2J' >&2; exit 1", "hook: exit 1: \\x1b[2J"),
])
def test_a_hook_that_fails_is_named(script, text, said):
    assert notify(NOTICE, read_hooks([script(text)])) == [said]


def test_a_hook_that_hangs_is_ended_with_its_children_and_the_next_is_told(script, tmp_path):
    hangs = script(f"(sleep 60; touch {tmp_path}/late) & echo $! >{tmp_path}/child; wait", "hangs")
    told = script(f"touch {tmp_path}/told", "told")
    problems = notify(NOTICE, read_hooks([hangs, told]), timeout=0.3)
    assert problems == ["hangs: did not end within 0.3 s, and was ended"]
    assert (tmp_path / "told").exists()
    child = (tmp_path / "child").read_text().strip()
    for _ in range(100):
        try:
            if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                break
        except (FileNotFoundError, ProcessLookupError):
            break
        time.sleep(0.01)
    else:
        pytest.fail("the child still runs")


def test_a_hook_that_reads_nothing_and_one_that_leaves_a_child_behind_hold_nobody_up(script):
    big = replace(NOTICE, text="z" * 1_000_000)
    assert notify(big, read_hooks([script("exit 0", "deaf"), script("sleep 5 & exit 0", "daemon")]), timeout=4) == []


def test_a_hook_that_has_gone_is_a_line(tmp_path):
    assert notify(NOTICE, Hooks((("/does/not/exist",),))) == ["exist: no such command"]


def test_without_sendmail_it_is_said(monkeypatch):
    monkeypatch.setattr(module, "_sendmail", lambda: None)
    assert notify(NOTICE, Hooks(mail=("root",))) == [f"mail to root: no {module._SENDMAIL} here"]
    with pytest.raises(UsageError, match="no mail can be sent"):
        read_hooks(mail=["root"])


@pytest.mark.parametrize("command", ["", "  ", "'", "/does/not/exist", "true\0"])
def test_commands_that_are_none(command):
    with pytest.raises(UsageError):
        read_hooks([command])


@pytest.mark.parametrize("address", ["", "-t", "-oQ/tmp@x", "a b@c", "a@b,c@d", "a@b\nBcc: c@d", "a@b\n", "<a@b>", "a@",
                                     "a\0@b", "a@b;c", "é@b"])
def test_addresses_that_are_none(address, sendmail):
    with pytest.raises(UsageError, match="not a mail address"):
        read_hooks(mail=[address])


@pytest.mark.parametrize("address", ["root", "ops@example.org", "a.b+fw=1@mail.example.org", "x@localhost"])
def test_addresses_that_are_some(address, sendmail):
    assert read_hooks(mail=[address]).mail == (address,)


def test_no_hooks_are_nothing():
    assert not read_hooks()
    assert notify(NOTICE, read_hooks()) == []

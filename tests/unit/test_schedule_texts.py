"""The texts that are written for systemd and cron: what stands in them, and that no word of the user's ends a line,
becomes an option, or is read as something else."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fwaudit.errors import UsageError
from fwaudit.host.schedule.cron import crontab
from fwaudit.host.schedule.plan import Plan
from fwaudit.host.schedule.units import ENABLED, FOLLOW, NEEDED, SERVICE, TIMER, quoted, units


def settings(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


def test_the_service_is_hardened_and_warnings_do_not_fail_it():
    text = units(Plan())[SERVICE]
    assert settings(text, "Type") == ["oneshot"]
    assert settings(text, "SuccessExitStatus") == ["1"]
    assert settings(text, "ExecStart") == ["/usr/bin/fwaudit check --quiet"]
    assert settings(text, "CapabilityBoundingSet") == [" ".join(NEEDED)]
    assert settings(text, "ProtectSystem") == ["strict"]
    assert settings(text, "StateDirectory") == ["fwaudit"]
    assert "docker.service" in settings(text, "After")[0] and "ufw.service" in settings(text, "After")[0]
    assert not settings(text, "RemainAfterExit") and not settings(text, "WantedBy")
    assert all(f"# {each}: " in text for each in NEEDED)


def test_the_timer_spreads_hosts_and_catches_up():
    for every, spread in (("daily", "1h"), ("hourly", "5min"), ("Mon..Fri 06:30", "1min")):
        text = units(Plan(every=every))[TIMER]
        assert settings(text, "OnCalendar") == [every]
        assert settings(text, "RandomizedDelaySec") == [spread]
        assert settings(text, "Persistent") == ["true"]


def test_every_unit_that_is_enabled_says_by_what():
    assert all(settings(units(Plan(watch=True))[name], "WantedBy") for name in ENABLED)


def test_the_watch_is_hardened_as_the_check_is_unless_it_tells_somebody():
    both = units(Plan(policy=Path("/etc/fwaudit/web.toml"), watch=True))
    check, watch = both[SERVICE], both[FOLLOW]
    assert settings(watch, "ExecStart") == ["/usr/bin/fwaudit watch --policy /etc/fwaudit/web.toml"]
    assert settings(watch, "Type") == ["notify"] and settings(watch, "Restart") == ["on-failure"]
    sandbox = [line for line in check.split("StateDirectoryMode=0700\n", 1)[1].splitlines() if line]
    assert len(sandbox) > 20
    assert [line for line in sandbox if line not in watch.splitlines()] == []
    told = units(Plan(mail=("ops@example.org",), watch=True))[FOLLOW]
    assert settings(told, "ExecStart") == ["/usr/bin/fwaudit watch --notify-mail ops@example.org"]
    assert not settings(told, "CapabilityBoundingSet") and not settings(told, "NoNewPrivileges")
    assert FOLLOW not in units(Plan())


def test_what_it_writes_and_whom_it_tells():
    plan = Plan(policy=Path("/etc/fwaudit/web servers.toml"), outputs=(("prometheus", Path("/var/lib/node/f w.prom")),),
                notify=("/usr/bin/logger -t 'fw audit'",), mail=("ops@example.org",))
    text = units(plan)[SERVICE]
    assert settings(text, "ReadWritePaths") == ['"/var/lib/node"']
    start, = settings(text, "ExecStart")
    assert start == ('/usr/bin/fwaudit check --quiet --policy "/etc/fwaudit/web servers.toml" '
                     '-o "prometheus=/var/lib/node/f w.prom" --notify-later '
                     '--notify-command "/usr/bin/logger -t \'fw audit\'" --notify-mail ops@example.org')
    tell, = settings(text, "ExecStopPost")
    assert tell == ('+/usr/bin/fwaudit schedule tell '
                    '--notify-command "/usr/bin/logger -t \'fw audit\'" --notify-mail ops@example.org')
    assert not settings(text, "IPAddressDeny"), "a hook may use the network"
    assert settings(units(Plan())[SERVICE], "IPAddressDeny") == ["any"]


def test_a_folder_of_somebody_else_needs_one_capability_more():
    assert settings(units(Plan(foreign=True))[SERVICE], "CapabilityBoundingSet") == [
        " ".join((*NEEDED, "CAP_DAC_OVERRIDE"))]


@pytest.mark.parametrize(("word", "hidden"), [
    ("/usr/bin/fwaudit", ["yes"]), ("/opt/tmp/fwaudit", ["yes"]), ("/tmp/clone/scripts/fwaudit", []),
    ("PYTHONPATH=/var/tmp/clone", []),
])
def test_a_program_among_temporary_files_is_not_hidden_from_itself(word, hidden):
    assert settings(units(Plan(command=(word, "x")))[SERVICE], "PrivateTmp") == hidden


@pytest.mark.parametrize(("word", "written"), [
    ("plain-1.0_/@:=+,x", "plain-1.0_/@:=+,x"), ("a b", '"a b"'), ("50%", '"50%%"'), ("$HOME", '"$$HOME"'),
    ('say "x"', r'"say \"x\""'), ("a\\b", r'"a\\b"'), (";", '";"'), ("", '""'), ("it's", '"it\'s"'),
])
def test_words_as_systemd_reads_them(word, written):
    assert quoted((word,)) == written


@pytest.mark.parametrize("make", [units, crontab])
@pytest.mark.parametrize("plan", [
    Plan(notify=("logger\nExecStart=/bin/evil",)), Plan(policy=Path("/x\n* * * * * root evil")), Plan(every="daily\n"),
    Plan(outputs=(("json", Path("/x\x1b")),)), Plan(command=("/x\r",)), Plan(mail=("a\x00",)),
])
def test_no_word_makes_a_second_line(make, plan):
    with pytest.raises(UsageError, match="control characters"):
        make(plan)


def test_cron_runs_it_quietly_and_never_twice_at_once():
    shell, path, when, boot = crontab(Plan(), "db01").splitlines()
    assert shell == "SHELL=/bin/sh" and path.startswith("PATH=/usr/local/sbin:")
    command = "flock -n /run/lock/fwaudit-check.lock /usr/bin/fwaudit check --quiet"
    assert re.fullmatch(rf"\d+ [0-5] \* \* \* root {re.escape(command)}", when)
    assert boot == f"@reboot root sleep 60; {command}"


def test_hosts_do_not_all_check_in_the_same_minute():
    assert len({crontab(Plan(every="hourly"), f"web{number}").splitlines()[2] for number in range(50)}) > 20


def test_words_as_cron_and_its_shell_read_them():
    plan = Plan(notify=("/bin/say '50%' $HOME; rm -rf /",))
    line = crontab(plan).splitlines()[2]
    assert line.endswith(" >/dev/null"), "who is told of changes by a hook is not told of every run by cron"
    assert re.findall(r"(?<!\\)%", line) == []
    words = shlex.split(line.replace("\\%", "%"))
    assert words[words.index("--notify-command") + 1] == plan.notify[0]


def test_cron_has_its_own_words_for_when():
    assert crontab(Plan(every="*/15 * * * *")).splitlines()[2].startswith("*/15 * * * * root flock")
    assert re.match(r"\d+ \d \* \* [0-6] root", crontab(Plan(every="weekly")).splitlines()[2])
    for every in ("Mon..Fri 06:30", "*-*-* 03:00:00", "* * * *", "1 2 3 4 5 root evil; #", "@daily"):
        with pytest.raises(UsageError, match="cron does not know"):
            crontab(Plan(every=every))

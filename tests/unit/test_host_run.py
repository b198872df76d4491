"""Commands and files: every failure is an answer with a reason."""

from __future__ import annotations

import os
import subprocess
import threading
import time

from fwaudit.host.parallel import side_by_side, spread
from fwaudit.host.run import Machine


def test_output_status_and_argv():
    answer = Machine().run(["sh", "-c", "echo out; echo err >&2"])
    assert answer.data == b"out\n"
    assert (answer.source.exit, answer.source.stderr, answer.source.missing) == (0, "err\n", "")
    assert answer.source.argv == ("sh", "-c", "echo out; echo err >&2")


def test_missing_binary_is_not_spelled_as_nothing_to_read():
    answer = Machine().run(["no-such-tool-here", "-c"])
    assert answer.data is None
    assert answer.source.missing == "no-such-tool-here is not installed"


def test_failure_tells_the_first_line():
    answer = Machine().run(["sh", "-c", "echo; echo 'it broke' >&2; exit 3"])
    assert (answer.data, answer.source.exit, answer.source.missing) == (None, 3, "sh: it broke")


def test_failure_without_words_tells_the_status():
    assert Machine().run(["sh", "-c", "exit 7"]).source.missing == "sh: exit 7"
    assert Machine().run(["sh", "-c", "kill -9 $$"]).source.missing == "sh: ended by signal 9"


def test_refusals_of_tools_say_run_as_root():
    for words in ("Fatal: Permission denied (you must be root)", "Operation not permitted",
                  "ERROR: You need to be root to run this script"):
        answer = Machine().run(["sh", "-c", f"echo '{words}' >&2; exit 4"])
        assert answer.source.missing == "permission denied; run as root"


def test_timeout_ends_the_whole_group():
    began = time.monotonic()
    answer = Machine().run(["sh", "-c", "sleep 987 & sleep 987"], timeout=0.3)
    assert answer.data is None
    assert answer.source.missing == "no answer within 0.3 s"
    assert time.monotonic() - began < 5
    while "sleep 987" in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout:
        assert time.monotonic() - began < 5  # killed is not yet gone
        time.sleep(0.01)


def test_timeout_of_one_that_closed_its_output():
    answer = Machine().run(["sh", "-c", "exec >&- 2>&-; sleep 985"], timeout=0.3)
    assert answer.source.missing == "no answer within 0.3 s"


def test_deadline_of_the_machine_counts():
    machine = Machine(timeout=0.2)
    assert machine.run(["sleep", "30"]).source.missing.startswith("no answer within")
    assert machine.run(["true"]).source.missing == "no time left of 0.2 s"


def test_endless_output_is_stopped_while_reading():
    began = time.monotonic()
    answer = Machine().run(["cat", "/dev/zero"], limit=1 << 20)
    assert answer.data is None
    assert answer.source.missing == "more than 1048576 bytes of output"
    assert time.monotonic() - began < 5


def test_stderr_is_bounded_and_does_not_block():
    answer = Machine().run(["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo done"])
    assert answer.data == b"done\n"
    assert len(answer.source.stderr) == 4096


def test_environment_is_fixed(monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    said = Machine().run(["env"]).data.decode()
    assert "SECRET" not in said
    assert "LC_ALL=C\n" in said
    assert "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n" in said


def test_no_standard_input():
    assert Machine().run(["cat"]).data == b""


def test_a_hostile_argument_stays_one_argument():
    assert Machine().run(["printf", "%s", "$(id); rm -rf x"]).data == b"$(id); rm -rf x"


def test_stop_ends_what_runs():
    machine = Machine()
    threading.Timer(0.2, machine.stop).start()
    began = time.monotonic()
    answer = machine.run(["sleep", "30"])
    assert time.monotonic() - began < 5
    assert answer.source.missing == "sleep: ended by signal 9"
    assert machine.run(["sleep", "30"]).data is None  # and nothing new runs on


def test_no_processes_left_unreaped():
    machine = Machine()
    for _ in range(3):
        machine.run(["true"])
    children = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "stat="], capture_output=True, text=True).stdout
    assert "Z" not in children


def test_read_a_file_and_why_not(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "x").write_bytes(b"abc")
    os.mkfifo(tmp_path / "etc" / "fifo")
    machine = Machine(root=tmp_path)
    assert machine.read("/etc/x").data == b"abc"
    assert machine.read("/etc/x", limit=2).source.missing == "larger than 2 bytes: /etc/x"
    assert machine.read("/etc/y").source.missing == "no such file: /etc/y"
    assert machine.read("/etc/fifo").source.missing == "not a regular file: /etc/fifo"
    assert machine.read("/etc").data is None


def test_side_by_side_gives_results_errors_and_leaves_the_late():
    def broken() -> str:
        raise ValueError("x")

    tasks = {"good": lambda: "yes", "bad": broken, "late": lambda: time.sleep(30)}
    began = time.monotonic()
    found = dict(side_by_side(tasks, 0.3))
    assert time.monotonic() - began < 5
    assert found["good"] == "yes"
    assert isinstance(found["bad"], ValueError)
    assert "late" not in found


def test_spread_keeps_everything():
    assert sorted(each for hand in spread(list(range(10)), 4) for each in hand) == list(range(10))
    assert spread([], 4) == []
    assert spread([1], 4) == [[1]]

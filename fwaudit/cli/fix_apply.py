"""The part of ``fwaudit fix`` that changes the host: apply, confirm, revert, status, sync, restore."""

from __future__ import annotations

import select
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fwaudit.cli import CRITICAL, OK, UNKNOWN, WARNING, complain, say

if TYPE_CHECKING:
    from fwaudit.fix.planner import Wish
    from fwaudit.host.apply import Applied, Fixer
    from fwaudit.host.checkpoint import Checkpoint
    from fwaudit.model.host import Host


def apply(wish: Wish, folder: Path, within: float, timeout: float, persist: bool, cut: bool) -> int:
    """``--apply``: load, measure, and ask for the confirmation where somebody is there to give it."""
    from fwaudit.cli.fix import session_of
    from fwaudit.errors import FixError

    fixer = _fixer(folder, timeout)
    try:
        done = fixer.apply(wish, within, session_of, persist)
    except FixError as error:
        say(f"fwaudit: {error}")
        say(f"  {error.hint or 'The host is as it was.'}")
        return CRITICAL
    if done.checkpoint is None:
        print("Nothing to fix: no published port is open to a source that policy denies.")
        return OK
    _tell_closed(done)
    code = _confirmed(fixer, done, within)
    if code == OK:
        _sessions(done, cut)
    return code


def _tell_closed(done: Applied) -> None:
    from fwaudit.render.plan import port_in_words

    for change in done.proof.closes:
        print(f"  {change.becomes:<11}{port_in_words(change.before)}")
    for change in done.proof.changes:
        if change.becomes == "open":
            print(f"  STILL OPEN {port_in_words(change.before)}: no rule of this host is asked on that way")


def _confirmed(fixer: Fixer, done: Applied, within: float) -> int:
    """Ask on a terminal; else say how to confirm. What nobody confirms is taken back by the timer."""
    from fwaudit.errors import FixError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(f"Applied; in {within:.0f} seconds it is taken back, unless you run, from a new session:")
        print("    fwaudit fix --confirm")
        return OK
    print("Applied. Open a new session to this host now, and see whether everything works.")
    print(f"Type yes within {within:.0f} seconds to keep it: ", end="", flush=True)
    ready, _, _ = select.select([sys.stdin], [], [], within - 1)
    answer = sys.stdin.readline().strip().lower() if ready else ""
    try:
        if answer in ("y", "yes"):
            _keep(fixer.confirm(), fixer.store.folder)
            return OK
        fixer.revert()
    except FixError as error:
        complain(error)
        return CRITICAL
    print("\nNot confirmed: everything was taken back.")
    return WARNING


def _sessions(done: Applied, cut: bool) -> None:
    """Connections that were open before go on (the first rule lets replies through): end them, or say how."""
    from fwaudit.host.sessions import commands, cut_all

    found = commands(done.proof)
    if not found:
        return
    if cut:
        for line in cut_all(found):
            print(line)
        return
    print("Connections that are open already go on. To end them, once this is confirmed (conntrack is in the package")
    print("of that name), or with --cut-sessions:")
    for argv in found:
        print(f"    {' '.join(argv)}")


def _keep(checkpoint: Checkpoint, folder: Path) -> None:
    """What is said of a confirmed fix, and done for one that is to outlive the next boot."""
    from fwaudit.host.persist import install

    print("Confirmed. Take it back at any time: fwaudit fix --revert")
    if not checkpoint.persist:
        print("It lasts until the next reboot. Keep it for good: fwaudit fix --confirm --persist")
        return
    for line in install(folder):
        print(line)


def other(what: str, folder: Path, timeout: float, persist: bool, unconfirmed: str, after: float) -> int:
    """``--confirm``, ``--revert``, ``--status``, ``--sync``, ``--restore``."""
    from fwaudit.errors import FixError

    fixer = _fixer(folder, timeout)
    try:
        if what == "--confirm":
            _keep(fixer.confirm(persist), fixer.store.folder)
        elif what == "--revert":
            return _revert(fixer, unconfirmed, after)
        elif what == "--status":
            return _status(fixer)
        elif what == "--sync":
            print("Derived anew." if fixer.sync() else "Nothing has changed.")
        else:
            print("Loaded again." if fixer.restore() else "Nothing to load.")
    except FixError as error:
        complain(error)
        return CRITICAL
    return OK


def _revert(fixer: Fixer, unconfirmed: str, after: float) -> int:
    from fwaudit.host import persist, timer

    if unconfirmed:
        while timer.wait(fixer.store, unconfirmed, after) and _revert_at_last(fixer, unconfirmed):
            pass  # once more where it was applied just then, and has its time yet
        return OK
    done = fixer.revert()
    # behind a fix that was never confirmed may stand an earlier one that is, and is kept
    removed = persist.remove() if fixer.store.read() is None else []
    print("Taken back: the rules are as they were before." if done else "There is nothing to take back.")
    for line in removed:
        print(line)
    return OK


def _revert_at_last(fixer: Fixer, unconfirmed: str) -> bool:
    """The timer's revert. Where it fails (a tool is missing, a table is locked), it is tried again for an hour; then
    False."""
    from fwaudit.errors import FixError

    for _ in range(720):
        try:
            fixer.revert(unconfirmed)
            return True
        except FixError as error:
            say(f"fwaudit: {error}")
            time.sleep(5)
    return False


def _status(fixer: Fixer) -> int:
    from fwaudit.host import persist, rules
    from fwaudit.host.checkpoint import boot_id, clock

    found = fixer.store.read()
    if found is None:
        print("No fix is applied.")
        return OK
    there = [bool(rules.ours(undo)) for undo in found.undo]
    now = clock()
    if found.state == "confirmed":
        print("A fix is applied and confirmed." if all(there) else
              "A fix was confirmed, but its rules are gone (a reboot, or iptables -F). Load them: fwaudit fix --sync")
        print("It is kept after reboots." if persist.installed() else
              "It lasts until the next reboot. Keep it: fwaudit fix --confirm --persist")
        return OK if all(there) else WARNING
    if found.state == "applied" and found.boot == boot_id() and now < found.deadline:
        print(f"A fix is applied and waits {found.deadline - now:.0f} more seconds for: fwaudit fix --confirm")
        return WARNING
    print("A fix was interrupted. Some of its rules stand: take them back with: fwaudit fix --revert" if any(there) else
          "A fix was interrupted before it loaded anything. Forget it with: fwaudit fix --revert")
    return UNKNOWN


def _fixer(folder: Path, timeout: float) -> Fixer:
    from fwaudit.cli.source import load
    from fwaudit.errors import CollectError
    from fwaudit.host.apply import Fixer
    from fwaudit.host.checkpoint import Store
    from fwaudit.host.collect import is_root
    from fwaudit.parse.host import parse_host

    if not is_root():
        raise CollectError("only root may change the firewall", "Run: sudo fwaudit fix …")

    def look() -> Host:
        return parse_host(load(None, timeout))

    def tell(text: str) -> None:
        if sys.stderr.isatty():
            say(f"fwaudit: {text}")

    return Fixer(Store(folder), look, tell)

"""Apply, confirm, take back: the only code that changes this host, and only by a Plan that was proven.

The order is what makes it safe. The undo is on disk before anything is loaded, and the timer that will use it runs
before that, outside of this process; each table is loaded in one transaction; then the host is collected again and held
against the proof. Whatever ends this process in between (kill -9, power, a full disk), the host ends as it was, or as
proven: the timer takes back what nobody confirmed, and after a reboot the rules are gone by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from fwaudit import __version__
from fwaudit.errors import FixError
from fwaudit.fix import nftables, whatif
from fwaudit.fix.docker_user import CHAIN
from fwaudit.fix.planner import Allowed, Wish, plan
from fwaudit.fix.prove import prove
from fwaudit.host import rules, timer
from fwaudit.host.checkpoint import Checkpoint, Store, Undo, boot_id, clock
from fwaudit.model.host import Host
from fwaudit.model.plan import Plan, Proof
from fwaudit.model.verdict import Query
from fwaudit.packet.intervals import IntervalSet
from fwaudit.records import dataclass
from fwaudit.render.plan import witness_in_words

_LOCK_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did. ``checkpoint`` None: there was nothing to do."""

    plan: Plan
    proof: Proof
    checkpoint: Checkpoint | None


class Fixer:
    """``look``: collects this host and parses it; ``tell``: is told what is being done."""

    def __init__(self, store: Store, look: Callable[[], Host], tell: Callable[[str], None] = lambda text: None) -> None:
        self.store = store
        self.look = look
        self.tell = tell

    # ---- apply ------------------------------------------------------------------------------------------------------

    def apply(self, wish: Wish, within: float, session: Callable[[Host], Query | None] = lambda host: None,
              persist: bool = False) -> Applied:
        """Plan, prove, load, measure. Raises FixError; its message says what the host is now. ``persist``: what a
        confirmation will keep after a reboot."""
        with self.store.locked():
            previous = self._settled()
            host = self.look()
            made = plan(host, wish)
            if made.refused:
                raise FixError(f"no plan: {made.refused[0]}", "Nothing was changed.")
            proof = prove(host, made, wish, session=session(host), progress=self.tell)
            if not proof.holds:
                raise FixError(_refusal(proof), "Nothing was changed. See all: fwaudit fix --dry-run")
            if not proof.needed:
                return Applied(made, proof, None)
            return Applied(made, proof, self._load(host, made, proof, wish, within, previous, persist))

    def _settled(self) -> Checkpoint | None:
        """The confirmed checkpoint, None where there is none; what a crash has left is taken back first."""
        found = self.store.read()
        if found is None or found.state == "confirmed":
            return found
        if _has_time(found):
            raise FixError("a fix waits to be confirmed", "Run: fwaudit fix --confirm, or fwaudit fix --revert")
        self.tell("taking back what an earlier fix has left")
        self._take_back(found)
        return found.previous

    def _load(self, host: Host, made: Plan, proof: Proof, wish: Wish, within: float,
              previous: Checkpoint | None, persist: bool) -> Checkpoint:
        undo = tuple(rules.undo_of(each) for each in made.transactions)
        checkpoint = Checkpoint(timer.new_identity(), "prepared", clock() + within, boot_id(), undo,
                                wish_to_json(wish), tuple((each.argv, each.text) for each in made.transactions),
                                __version__, persist or (previous is not None and previous.persist),
                                replace(previous, previous=None) if previous else None)
        self.store.write(checkpoint)
        try:
            timer.start(checkpoint.id, within, self.store.folder)
            for each in made.transactions:
                self.tell(f"loading: {each.title}")
                rules.load(each)
            self.tell("looking again")
            self._measure(host, made, proof, wish)
            # the admin's time begins now, however long the look took; the timer reads it here
            checkpoint = replace(checkpoint, state="applied", deadline=clock() + within)
            self.store.write(checkpoint)
            return checkpoint
        except BaseException as error:
            self._undo_failed(checkpoint, error)
            raise

    def _undo_failed(self, checkpoint: Checkpoint, error: BaseException) -> None:
        """Take back at once; where that fails as well, the timer will try again."""
        try:
            self._take_back(checkpoint)
        except FixError as second:
            raise FixError(f"{error}; taking it back failed as well: {second}",
                           "The timer tries again. See: fwaudit fix --status", False) from error
        timer.stop(checkpoint.id)
        if isinstance(error, FixError):
            raise FixError(f"{error}; everything was taken back", error.hint, True) from error

    def _measure(self, host: Host, made: Plan, proof: Proof, wish: Wish) -> None:
        """Raises FixError where what is loaded is not what was proven."""
        now = self.look()
        wanted = whatif.ours(whatif.loaded(host.ruleset, made))
        if whatif.ours(now.ruleset) != wanted:
            raise FixError("what is loaded differs from what was proven")
        again = prove(now, Plan(), wish)
        if not again.holds:  # a network or a router's rule that came in between
            raise FixError(f"it moves packets that it must not move: {witness_in_words(again.moved[0])}")
        shut = {(change.before.service, change.before.family) for change in proof.changes if change.becomes == "closed"}
        for change in again.changes:
            if (change.before.service, change.before.family) in shut and change.becomes == "open":
                raise FixError(f"{change.before.service.container} {change.before.service.port} is still open")

    # ---- confirm and revert -----------------------------------------------------------------------------------------

    def confirm(self, persist: bool = False) -> Checkpoint:
        """Keep what was applied (``persist``: after a reboot as well). Raises FixError where there is nothing to
        keep."""
        with self.store.locked():
            found = self.store.read()
            if found is None:
                raise FixError("there is no fix to confirm", "Apply one: fwaudit fix --apply")
            if found.state == "confirmed":
                if persist and not found.persist:
                    found = replace(found, persist=True)
                    self.store.write(found)
                return found
            if not _has_time(found):
                raise FixError("too late to confirm: the fix was not finished, or its time is over",
                               "Take it back: fwaudit fix --revert")
            if not all(rules.ours(undo) for undo in found.undo if undo.table != "raw"):
                raise FixError("the rules of the fix are gone", "Take back the rest: fwaudit fix --revert")
            first = {_place(undo): undo for undo in found.undo}
            if found.previous is not None:
                first |= {_place(undo): undo for undo in found.previous.undo}
            kept = replace(found, state="confirmed", undo=tuple(first.values()), previous=None,
                           persist=persist or found.persist)
            self.store.write(kept)
        timer.stop(found.id)
        return kept

    def revert(self, only_unconfirmed: str = "") -> bool:
        """Make our part of the rules what it was before; False where there is nothing to take back.

        ``only_unconfirmed``: the timer's call: only this checkpoint, and only if nobody has confirmed it.
        """
        with self.store.locked(_LOCK_PATIENCE if only_unconfirmed else 0.0):
            found = self.store.read()
            if only_unconfirmed and (found is None or found.id != only_unconfirmed or found.state == "confirmed"
                                     or _has_time(found)):
                return False
            if found is None:
                return self._take_back_leftovers()
            self._take_back(found)
        if not only_unconfirmed:
            timer.stop(found.id)
        return True

    def _take_back(self, checkpoint: Checkpoint) -> None:
        for undo in reversed(checkpoint.undo):
            rules.take_back(undo)
        if checkpoint.state != "confirmed" and checkpoint.previous is not None:
            self.store.write(checkpoint.previous)
        else:
            self.store.forget()

    def _take_back_leftovers(self) -> bool:
        """Our rules without a checkpoint: somebody removed the file."""
        found = [undo for undo in leftovers(self.look()) if rules.ours(undo)]
        for undo in found:
            rules.take_back(undo)
        return bool(found)

    # ---- staying fixed ----------------------------------------------------------------------------------------------

    def _kept(self) -> Checkpoint | None:
        """The confirmed checkpoint; where a reboot came before another was confirmed, the one before that."""
        found = self.store.read()
        if found is not None and found.state != "confirmed" and found.boot != boot_id() and found.previous is not None:
            found = found.previous  # the reboot has taken back the other
            self.store.write(found)
        return found if found is not None and found.state == "confirmed" else None

    def sync(self) -> bool:
        """Load the confirmed fix anew where ufw's rules, the networks or the chains have changed; True where it did.

        Raises FixError where the new plan cannot be proven; the old rules stay.
        """
        with self.store.locked():
            found = self._kept()
            if found is None:
                raise FixError("there is no confirmed fix to keep up", "Apply one: fwaudit fix --apply")
            wish = wish_from_json(found.wish)
            host = self.look()
            if host.engine.unread:  # its networks are not known, and a plan without them would be a smaller one
                raise FixError(f"{host.engine.name} could not be asked: {host.engine.unread}",
                               "The rules stay as they are.")
            made = plan(host, wish)
            if made.refused:
                raise FixError(f"no new plan: {made.refused[0]}", "The rules stay as they are.")
            if not whatif.changes(host.ruleset, whatif.loaded(host.ruleset, made)):
                return False
            proof = prove(host, made, wish)
            if not proof.holds:
                raise FixError(_refusal(proof), "The rules stay as they are.")
            undo = {_place(each): each for each in (rules.undo_of(one) for one in made.transactions)}
            undo |= {_place(each): each for each in found.undo}
            self.store.write(replace(found, undo=tuple(undo.values()), boot=boot_id(), loaded=tuple(
                (each.argv, each.text) for each in made.transactions)))
            for each in made.transactions:
                rules.load(each)
            return True

    def restore(self) -> bool:
        """After a boot, before the engine starts: load again what was confirmed. True where it did."""
        with self.store.locked():
            found = self._kept()
            if found is None:
                return False
            missing = [undo for undo in found.undo if not rules.ours(undo)]
            if not missing:
                return False
            for argv, text in found.loaded:
                rules.load_again(argv, text)
            self.store.write(replace(found, boot=boot_id()))
            return True


def _has_time(found: Checkpoint) -> bool:
    """Whether a fix is applied, and may still be confirmed."""
    return found.state == "applied" and found.boot == boot_id() and clock() < found.deadline


def _refusal(proof: Proof) -> str:
    if any("open again" in witness.after for witness in proof.moved):
        return "the plan would open again what the fix that is loaded closes; take that back first, or name more ports"
    return f"the plan would move packets that it must not move: {witness_in_words(proof.moved[0])}"


def leftovers(host: Host) -> tuple[Undo, ...]:
    """What takes back every rule of ours that a host has, whoever loaded it."""
    found = []
    for table in host.ruleset.tables:
        if table.backend == "native" and (table.family, table.name) == ("inet", nftables.TABLE):
            found.append(Undo("native", 0, nftables.TABLE))
        elif table.backend in ("nft", "legacy") and CHAIN in table.chains:
            found.append(Undo(table.backend, 4 if table.family == "ip" else 6, table.name))
    return tuple(found)


def _place(undo: Undo) -> tuple[str, int, str]:
    return undo.backend, undo.family, undo.table


def wish_to_json(wish: Wish) -> dict[str, Any]:
    """A wish as it stands in the checkpoint."""
    value = asdict(wish)
    value["allows"] = [{**asdict(each), "sources": list(each.sources.bounds)} for each in wish.allows]
    return value


def wish_from_json(value: dict[str, Any]) -> Wish:
    """The wish that a checkpoint holds. Raises KeyError, TypeError, ValueError for one that does not read."""
    return Wish(
        tuple((int(proto), int(port)) for proto, port in value["ports"]), tuple(map(str, value["containers"])),
        tuple(Allowed(int(each["proto"]), int(each["port"]), int(each["family"]),
                      IntervalSet(tuple(map(int, each["sources"])))) for each in value["allows"]),
        tuple(map(str, value["interfaces"])))

"""Give up what root may do, once everything has been read: what follows is made of hostile data.

Capabilities go from the effective, permitted, inheritable, ambient and (where that may be done) bounding set, and
``no_new_privs`` sees to it that no program that is run gets them back: with it, execve gives root no capability that
the process has not (capabilities(7); cap_bprm_creds_from_file in security/commoncap.c). With a user, its id and its
first group are taken for good.

What is set here holds for the calling thread, and for threads that it starts. Collectors have ended theirs by then; one
that hangs keeps its privileges, and is stopped with the process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fwaudit.errors import UsageError

if TYPE_CHECKING:
    import pwd

# linux/capability.h and linux/prctl.h
DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER = 1, 2, 3
_VERSION_3 = 0x20080522
_CAPBSET_DROP, _SET_DUMPABLE, _SET_NO_NEW_PRIVS, _CAP_AMBIENT, _AMBIENT_CLEAR_ALL = 24, 4, 38, 47, 4
_MOST = 63


def user(name: str) -> pwd.struct_passwd:
    """An account by name or number. Raises UsageError for none, and for root."""
    import pwd

    try:
        found = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except (KeyError, OverflowError, ValueError):
        raise UsageError(f"no such user: {name}", "Make one: useradd --system fwaudit") from None
    if found.pw_uid == 0:
        raise UsageError(f"{name} is root, and has privileges", "Name another: --drop-privileges=nobody")
    return found


def give_up(account: pwd.struct_passwd | None = None, keep: Iterable[int] = ()) -> None:
    """All capabilities but ``keep``, which nobody has who becomes another user. Raises OSError where the kernel, or a
    filter of system calls, does not have it; what was given up until then stays given up."""
    _prctl(_SET_NO_NEW_PRIVS, 1)
    _prctl(_SET_DUMPABLE, 0)  # nobody of that user looks into its memory
    kept = sum(1 << each for each in keep) if account is None else 0
    for number in range(_MOST):
        if not kept >> number & 1 and not _drop_from_bounding_set(number):
            break
    if account is not None:
        os.setgroups([])  # also not its own: who is in the group docker is root
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    with suppress(OSError):  # a kernel before 4.3 has none
        _prctl(_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    _, permitted = capabilities()
    _set_capabilities(permitted & kept, permitted & kept)
    if capabilities() != (permitted & kept, permitted & kept):
        raise OSError(0, "the capabilities are still there")


def needed(writes: Iterable[str], reads: Iterable[str]) -> set[int]:
    """Capabilities that root still needs to write these files and to read from these folders: none where they are
    root's own. The kernel is asked, with the capabilities set aside for a moment."""
    found: set[int] = set()
    asked: list[tuple[Path, int]] = []
    for path in writes:
        target = Path(path).resolve()
        if target.exists() and not target.is_file() and not target.is_dir():
            asked.append((target, os.W_OK))  # a device or a pipe is opened; a file is replaced in its folder
        else:
            asked.append((target.parent, os.W_OK | os.X_OK))
            if _is_anothers_in_a_sticky_folder(target):
                found.add(FOWNER)
    with _set_aside():
        if not all(os.access(*each, effective_ids=True) for each in asked):
            found.add(DAC_OVERRIDE)
        if not all(os.access(each, os.R_OK | os.X_OK, effective_ids=True) for each in reads):
            found.add(DAC_READ_SEARCH)
    return found


def unreadable(account: pwd.struct_passwd, folders: Sequence[str]) -> str:
    """The first folder that this user cannot read, empty where there is none: tried, in a process of its own."""
    child = os.fork()
    if child == 0:
        status = len(folders) + 1
        try:
            give_up(account)
            may = [os.access(each, os.R_OK | os.X_OK) for each in folders]
            status = 0 if all(may) else may.index(False) + 1
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "" if status == 0 else folders[min(status, len(folders)) - 1]


def code() -> tuple[str, ...]:
    """The folders that modules are still imported from: our own, those of libraries, and Python's."""
    import typer

    ours = Path(__file__).resolve().parents[1]
    return (str(ours), str(ours / "render"), str(Path(typer.__file__).parents[1]), str(Path(os.__file__).parent))


def capabilities() -> tuple[int, int]:
    """(effective, permitted) of this thread, as bits."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0))
    data = ctypes.create_string_buffer(24)
    _call("capget", header, data)
    low = struct.unpack("=6I", data.raw)
    return low[0] | low[3] << 32, low[1] | low[4] << 32


def _set_capabilities(effective: int, permitted: int) -> None:
    header = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0))
    words = [value >> shift & 0xFFFFFFFF for shift in (0, 32) for value in (effective, permitted, 0)]
    _call("capset", header, ctypes.create_string_buffer(struct.pack("=6I", *words)))


@contextmanager
def _set_aside() -> Iterator[None]:
    effective, permitted = capabilities()
    _set_capabilities(0, permitted)
    try:
        yield
    finally:
        _set_capabilities(effective, permitted)


def _is_anothers_in_a_sticky_folder(path: Path) -> bool:
    try:
        folder, file = path.parent.stat(), path.stat()
    except OSError:
        return False
    return bool(folder.st_mode & stat.S_ISVTX) and folder.st_uid != os.geteuid() != file.st_uid


def _drop_from_bounding_set(number: int) -> bool:
    """False where it may not be done, or there is no such capability."""
    try:
        _prctl(_CAPBSET_DROP, number)
    except OSError:
        return False
    return True


def _prctl(option: int, argument: int) -> None:
    zero = ctypes.c_ulong(0)
    _call("prctl", ctypes.c_int(option), ctypes.c_ulong(argument), zero, zero, zero)


@lru_cache(None)
def _library() -> ctypes.CDLL:
    """Opened once: Python makes a class for each time, and there are fifty calls."""
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> None:
    """A function of the C library; OSError where it fails, or is not there."""
    function = getattr(_library(), name, None)
    if function is None:
        raise OSError(errno.ENOSYS, f"no {name} in the C library")
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

"""A fresh Debian or Ubuntu in a folder, by debootstrap, from the mirror that this machine's own apt uses.

What debootstrap makes is made once for a test run, and copied for each test that wants one: a copy takes a second.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

# What apt and dpkg keep for themselves, and what is no file of the system's own.
_NOT_COMPARED = ("var/lib/dpkg", "var/lib/apt", "var/cache", "var/log", "proc", "sys", "dev", "run", "tmp")
_QUIET = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "TERM": "dumb",
          "DEBIAN_FRONTEND": "noninteractive", "DPKG_FORCE": "unsafe-io"}
_BOOTSTRAP = 'debootstrap --variant=minbase "$@" || { tail -n 20 "$2/debootstrap/debootstrap.log"; exit 1; }'


def own_suite() -> str:
    """The release that this machine runs, ``bookworm`` for instance."""
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")


def debian_suites() -> list[str]:
    """What the environment names; else Debian 12 and 13, or on what is no Debian the release that it runs."""
    named = os.environ.get("FWAUDIT_SUITES", "").split()
    debian = platform.freedesktop_os_release().get("ID") == "debian"
    return named or (["bookworm", "trixie"] if debian else [own_suite()])


class Fresh:
    """Roots as debootstrap makes them, with apt ready to install, one for each release that is asked for. Processes of
    one test run share them, and the last of them takes them away."""

    def __init__(self, folder: Path) -> None:
        """``folder``: the same for all of these processes."""
        self._folder = folder
        self._held: dict[str, int] = {}

    def root(self, suite: str) -> Path:
        """The root of a release. It is for copies: nothing is run in it."""
        path = self._folder / suite
        if suite not in self._held:
            self._folder.mkdir(exist_ok=True)
            self._held[suite] = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._held[suite], fcntl.LOCK_EX)
            if not path.exists():
                with CleanRoot(None) as made:
                    made.bootstrap(suite)
                    made.path.rename(path)
            fcntl.flock(self._held[suite], fcntl.LOCK_SH)
        return path

    def remove(self) -> None:
        for suite, held in self._held.items():
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(self._folder / suite, ignore_errors=True)
            except BlockingIOError:
                pass  # another process still wants it
            os.close(held)
        self._held.clear()


class CleanRoot:
    """``with CleanRoot(fresh.root("bookworm")) as root: root.run(["true"])``. Nothing of it is left afterwards."""

    def __init__(self, fresh: Path | None) -> None:
        """``fresh``: the root that this is a copy of."""
        self._fresh = fresh
        self.path = Path(tempfile.mkdtemp(prefix="fwaudit-root-"))

    def __enter__(self) -> CleanRoot:
        try:
            if self._fresh is not None:
                _checked(["cp", "-a", "--reflink=auto", f"{self._fresh}/.", str(self.path)])
        except BaseException:
            self.remove()
            raise
        return self

    def bootstrap(self, suite: str) -> None:
        """Make this folder a root."""
        self.path.chmod(0o755)
        # in a mount namespace of its own: it mounts /proc and /sys inside, and leaves them there where it fails
        _checked(["unshare", "--mount", "sh", "-c", _BOOTSTRAP, "sh", suite, str(self.path), _mirror()])
        (self.path / "etc/apt/apt.conf.d/90machine").write_text(_proxies())
        self.run(["apt-get", "update", "-qq"])

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the folder. Its mounts were those of the commands' own namespaces, and ended with them; else nothing
        is removed."""
        mounted = [line for line in Path("/proc/self/mounts").read_text().splitlines() if f" {self.path}/" in line]
        assert mounted == []
        if self.path.exists():
            shutil.rmtree(self.path)

    def run(self, argv: Sequence[str], code: int = 0) -> str:
        """Run a command inside, as root, and return what it prints on both channels. Fails on another exit code."""
        return _checked(self.inside(argv), code)

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The command that runs a command inside."""
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.path}/proc",
                "chroot", str(self.path), *argv]

    def install(self, *packages: str) -> str:
        """Install packages by apt: files (``/tmp/x.deb``) or names. A configuration file that was edited stays."""
        return self.run(["apt-get", "install", "-y", "--no-install-recommends", "-o",
                         "Dpkg::Options::=--force-confold", *packages])

    def put(self, file: Path) -> str:
        """Copy a file of this machine into /tmp inside; returns its path there."""
        shutil.copy(file, self.path / "tmp" / file.name)
        return f"/tmp/{file.name}"

    def files(self) -> set[str]:
        """Every file and folder that no package but fwaudit owns, and that is not apt's or dpkg's own."""
        owned = set()
        for each in (self.path / "var/lib/dpkg/info").glob("*.list"):
            if each.name != "fwaudit.list":
                owned |= set(each.read_text().split("\n"))
        found = set()
        for path in self._walk(self.path):
            name = "/" + str(path.relative_to(self.path))
            merged = name.replace("/usr/", "/", 1)  # a package may say /lib for what is /usr/lib
            if name not in owned and merged not in owned and "__pycache__" not in name.replace("/fwaudit", "!", 1):
                found.add(name)
        return found

    def _walk(self, folder: Path) -> list[Path]:
        found = []
        for each in sorted(folder.iterdir()):
            if str(each.relative_to(self.path)) in _NOT_COMPARED:
                continue
            found.append(each)
            if stat.S_ISDIR(each.lstat().st_mode):
                found += self._walk(each)
        return found


def _mirror() -> str:
    """Where this machine's apt gets its distribution from. It is not written down: each machine has its own."""
    said = _checked(["apt-get", "indextargets", "--format", "$(RELEASE) $(ORIGIN) $(REPO_URI)", "Created-By: Packages"])
    for line in said.splitlines():
        release, origin, address = [*line.split(" "), "", ""][:3]
        if origin in ("Debian", "Ubuntu") and release == own_suite():
            return address
    raise AssertionError(f"apt on this machine has no index of {own_suite()}: apt-get update")


def _proxies() -> str:
    """How this machine's apt gets there."""
    lines = _checked(["apt-config", "dump"]).splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith(("Acquire::http", "Acquire::Retries")))


def _checked(argv: Sequence[str], code: int = 0) -> str:
    done = subprocess.run(argv, env=_QUIET, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, cwd="/")
    assert done.returncode == code, f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout

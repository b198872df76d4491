"""The Debian package: a tree of files out of the wheel, the pinned dependencies and what is generated, and dpkg-deb.

One package for every distribution with Python 3.10 or newer; xz, since Debian 12's dpkg does not read what Ubuntu's
writes by default. The same input and SOURCE_DATE_EPOCH give the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

from fwaudit.host.schedule.plan import Plan
from fwaudit.host.schedule.units import units
from release import man, sbom, vendored
from release.lock import Pin

MAINTAINER = "fwaudit maintainers <maintainers@fwaudit.invalid>"
_TEMPLATES = Path(__file__).parent / "deb"
_LIBRARY = "usr/lib/fwaudit"
_DOC = "usr/share/doc/fwaudit"
_COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/fwaudit",
    "zsh": "usr/share/zsh/vendor-completions/_fwaudit",
    "fish": "usr/share/fish/vendor_completions.d/fwaudit.fish",
}
_UNITS = "usr/lib/systemd/system"
_SCRIPTS = ("postinst", "prerm", "postrm")
_COMMON_LICENSES = ("Apache-2.0", "MPL-2.0")


def version_of(version: str) -> str:
    """A version of PEP 440 as Debian orders it: 1.0rc1 comes before 1.0."""
    return re.sub(r"(a|b|rc|\.dev)(\d+)", lambda found: f"~{found[1].strip('.')}{found[2]}", version)


def build(root: Path, wheel: Path, pins: Sequence[Pin], work: Path, out: Path, epoch: int) -> tuple[Path, Path]:
    """Build the package and its SBOM into ``out``. ``root``: of the project; ``work``: an empty folder to work in."""
    version = version_of(wheel.name.split("-")[1])
    tree, library = work / "tree", work / "tree" / _LIBRARY
    wheels = vendored.fetch(pins, work)
    for each in (wheel, *wheels):
        vendored.unpack(each, library)
    bom = out / f"fwaudit-{version}.cdx.json"
    bom.write_text(sbom.write(library, pins, wheels, epoch), encoding="utf-8")
    put(tree / "usr/bin/fwaudit", _template("fwaudit"), 0o755)
    put(tree / "usr/share/python3/runtime.d/fwaudit.rtupdate", _template("rtupdate"), 0o755)
    put(tree / "etc/fwaudit/policy.toml", _template("policy.toml"))
    put(tree / "usr/share/lintian/overrides/fwaudit", _template("fwaudit.lintian-overrides"))
    put(tree / "usr/share/man/man8/fwaudit.8.gz", man.page(root, epoch))
    for name, text in units(Plan(watch=True)).items():
        put(tree / _UNITS / name, text)
    for shell, place in _COMPLETIONS.items():
        put(tree / place, completion(shell, root))
    _documents(root, tree, library, bom, version, epoch)
    _control(tree, version)
    _clamp(tree, epoch)
    package = out / f"fwaudit_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(package)], check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)})
    return package, bom


def completion(shell: str, root: Path) -> str:
    """The completion that the command line's own generator writes for a shell."""
    environment = {**os.environ, "_FWAUDIT_COMPLETE": f"source_{shell}", "PYTHONPATH": str(root)}
    text = subprocess.run([sys.executable, "-m", "fwaudit"], env=environment, capture_output=True, text=True,
                          check=True).stdout.strip()
    if shell == "zsh":
        # zsh runs the file itself as the function at the first TAB, and the function in it only from the second on
        text += '\n\nif [ "$funcstack[1]" = "_fwaudit" ]; then _fwaudit_completion "$@"; fi'
    return f"{text}\n"


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """Write one file; as gzip does it where its name says so, without a time in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = text.encode()
    path.write_bytes(gzip.compress(raw, 9, mtime=0) if path.suffix == ".gz" else raw)
    path.chmod(mode)


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _documents(root: Path, tree: Path, library: Path, bom: Path, version: str, epoch: int) -> None:
    doc = tree / _DOC
    put(doc / "copyright", _copyright(library))
    put(doc / "changelog.gz", _changelog(root, version, epoch))
    put(doc / "fwaudit.cdx.json", bom.read_text(encoding="utf-8"))
    for page in (root / "README.md", root / "SECURITY.md", *sorted((root / "docs").glob("*.md"))):
        put(doc / f"{page.relative_to(root)}.gz", page.read_text(encoding="utf-8"))
    shutil.copytree(root / "contrib", doc / "examples")


def _changelog(root: Path, version: str, epoch: int) -> str:
    """CHANGELOG.md's latest part, in Debian's form and width."""
    latest = (root / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1].split("\n", 1)[1].strip()
    items = [" ".join(item.split()) for item in re.split(r"\n- |\n\n", latest)]
    lines = "\n".join(textwrap.fill(item.removeprefix("- "), 76, initial_indent="  * ", subsequent_indent="    ")
                      for item in items)
    return f"fwaudit ({version}) unstable; urgency=medium\n\n{lines}\n\n -- {MAINTAINER}  {formatdate(epoch)}\n"


def _copyright(library: Path) -> str:
    """Debian's machine-readable form: fwaudit, and each package that it carries with the text of its license."""
    parts = ["Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
             "Comment: Packages below /usr/lib/fwaudit that are not fwaudit come from their authors' wheels on PyPI,\n"
             " without compiled parts; fwaudit.cdx.json has their versions and hashes.\n",
             "Files: *\nCopyright: fwaudit maintainers\n" + _license("Apache-2.0", "")]
    for folder, said in vendored.metadata(library):
        name, spdx = str(said["Name"]), vendored.license_of(said)
        if name == "fwaudit":
            continue
        texts = sorted(path for path in folder.rglob("LICENSE*") if path.is_file())
        text = "\n".join(path.read_text(encoding="utf-8") for path in texts)
        holders = re.findall(r"^\s*((?:©|Copyright(?: ©| \(c\))?) .*\d{4}.*)$", text, re.MULTILINE | re.IGNORECASE)
        holder = "\n ".join(dict.fromkeys(" ".join(each.split()) for each in holders)) or f"the authors of {name}"
        parts.append(f"Files: {_LIBRARY}/{folder.name.split('-')[0]}*\nCopyright: {holder}\n{_license(spdx, text)}")
    return "\n".join(parts)


def _license(spdx: str, text: str) -> str:
    if spdx in _COMMON_LICENSES:
        text = f"The full text is in /usr/share/common-licenses/{spdx} on Debian systems."
    lines = [f" {line.rstrip()}" if line.strip() else " ." for line in text.strip().splitlines()]
    return "\n".join([f"License: {spdx}", *lines]) + "\n"


def _control(tree: Path, version: str) -> None:
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    size = sum(-(-path.stat().st_size // 1024) for path in files) + sum(path.is_dir() for path in tree.rglob("*"))
    sums = [f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(tree)}"
            for path in files]
    control = _template("control")
    for key, value in (("VERSION", version), ("MAINTAINER", MAINTAINER), ("SIZE", str(size))):
        control = control.replace(f"@{key}@", value)
    put(tree / "DEBIAN/control", control)
    put(tree / "DEBIAN/md5sums", "\n".join(sums) + "\n")
    put(tree / "DEBIAN/conffiles", "/etc/fwaudit/policy.toml\n")
    for name in _SCRIPTS:
        put(tree / "DEBIAN" / name, _template(name), 0o755)


def _clamp(tree: Path, epoch: int) -> None:
    """Times and modes that do not depend on who builds it, and when."""
    for path in [tree, *tree.rglob("*")]:
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
        os.utime(path, (epoch, epoch))

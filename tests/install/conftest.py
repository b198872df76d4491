"""The packages that these tests are about, built once for all of them."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from clean_root import Fresh
from packages import Built, build, copy
from requirements import requires


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Built:
    """The packages of this source tree. Processes of one test run share them."""
    requires("dpkg-deb")
    shared = _shared(tmp_path_factory) / "packages"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "built").exists():
            build(copy(shared / "source"), shared / "new").folder.rename(shared / "built")
    return Built(shared / "source", shared / "built")


@pytest.fixture(scope="session")
def newer(built, tmp_path_factory) -> Built:
    """The packages of the next version, which has another default policy."""
    source = copy(tmp_path_factory.mktemp("newer") / "source")
    for name, pattern, text in (
        ("fwaudit/__init__.py", r'__version__ = ".*"', '__version__ = "999.0"'),
        ("release/deb/policy.toml", r"\A", "# The next version's.\n"),
    ):
        path = source / name
        path.write_text(re.sub(pattern, text, path.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    return build(source, source.parent / "built")


@pytest.fixture(scope="session")
def fresh(tmp_path_factory) -> Iterator[Fresh]:
    """Roots that debootstrap has just made."""
    found = Fresh(_shared(tmp_path_factory) / "roots")
    yield found
    found.remove()


def _shared(factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of one test run have."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

"""The recorded hosts: real engines, a real ufw, and what became of real packets (docs/testing.md).

All of them are in one archive, tests/data/captures/captures.tar.xz, made by scripts/pack_captures: half a megabyte in
place of 44, since most of what two hosts say is the same. Unpacking takes half a second, once in a process; the names
stand first, so that collecting tests does not pay for it.
"""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

ARCHIVE = Path(__file__).parent / "data" / "captures" / "captures.tar.xz"
NAMES = "names.json"
GOLDEN = (
    "d20/publish_loopback", "d20/v6_bridge_ip6tables_off", "d26/v6_bridge_ip6tables_on", "d28/ufw_allow_from_subnet",
    "d28/macvlan", "d28/ufw_off", "d28/ufw_limit", "d28/admin_dnat_no_docker", "d28/host_network",
    "d29nft/nftb_v6_ufw_off", "d29nft/nftb_ufw_default_allow_routed", "d28/gateway_mode_routed",
)
"""Those whose reports are kept in tests/golden, and which every format has to hold."""


@dataclass(frozen=True, eq=False)
class Case:
    """One recorded host.

    ``files``: name in the snapshot → content, as `fwaudit snapshot` writes them (meta.json is one of them).
    ``raw_truth``: JSON Lines, one probe a line.
    """

    engine: str
    scenario: str
    files: dict[str, bytes]
    raw_truth: bytes
    raw_about: bytes

    @property
    def name(self) -> str:
        """ENGINE/SCENARIO."""
        return f"{self.engine}/{self.scenario}"

    @cached_property
    def truth(self) -> list[dict[str, Any]]:
        """The probes: a `trace --batch` query each, with `from`, `expect`, `how` and `by`."""
        return [json.loads(line) for line in self.raw_truth.splitlines()]

    @cached_property
    def about(self) -> dict[str, Any]:
        """What was done before the probes, step by step."""
        about: dict[str, Any] = json.loads(self.raw_about)
        return about

    def json(self, name: str) -> Any:
        """A JSON file of the snapshot; an empty list where it is missing."""
        return json.loads(self.files.get(name, b"[]"))

    def text(self, name: str) -> str:
        """A text file of the snapshot; empty where it is missing."""
        return self.files.get(name, b"").decode()

    def write(self, path: Path) -> Path:
        """Write the snapshot to ``path`` as an archive that fwaudit reads."""
        with tarfile.open(path, "w") as archive:
            for name, data in self.files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return path


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """ENGINE/SCENARIO of every case, sorted, without unpacking the rest."""
    with tarfile.open(ARCHIVE) as archive:
        member = archive.next()
        assert member is not None and member.name == NAMES
        stream = archive.extractfile(member)
        assert stream is not None
        return tuple(json.load(stream))


@lru_cache(maxsize=1)
def _cases() -> dict[str, Case]:
    files: dict[str, dict[str, bytes]] = {}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None and member.name != NAMES:
                engine, scenario, name = member.name.split("/", 2)
                files.setdefault(f"{engine}/{scenario}", {})[name] = stream.read()
    return {each: _case(each, files[each]) for each in names()}


def _case(name: str, files: dict[str, bytes]) -> Case:
    engine, scenario = name.split("/")
    snapshot = {each.removeprefix("snapshot/"): data for each, data in files.items() if each.startswith("snapshot/")}
    return Case(engine, scenario, snapshot, files["truth.jsonl"], files["about.json"])


def cases() -> list[Case]:
    """Every recorded host, sorted by engine and scenario."""
    return list(_cases().values())


def case(name: str) -> Case:
    """The recorded host ENGINE/SCENARIO."""
    return _cases()[name]

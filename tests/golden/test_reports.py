"""Whole screens and files, compared with what was looked at once. ``UPDATE_GOLDENS=1 pytest tests/golden`` writes them
anew; then read the difference."""

from __future__ import annotations

import os
from pathlib import Path

import captures
import pytest

import fwaudit
from fwaudit.audit import audit
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.report import Report
from fwaudit.model.snapshot import Snapshot
from fwaudit.render import json, table
from fwaudit.render.style import Style

_HERE = Path(__file__).parent / "reports"
_DEMO = Path(fwaudit.__file__).parent / "cli" / "demo.tar.gz"
_SCREENS = (
    "d20/publish_loopback", "d20/v6_bridge_ip6tables_off", "d26/v6_bridge_ip6tables_on", "d28/ufw_allow_from_subnet",
    "d28/macvlan", "d28/ufw_off", "d28/ufw_limit", "d28/admin_dnat_no_docker", "d28/host_network",
    "d29nft/nftb_v6_ufw_off", "d29nft/nftb_ufw_default_allow_routed", "d28/gateway_mode_routed",
)


def _compare(name: str, text: str) -> None:
    path = _HERE / name
    if os.environ.get("UPDATE_GOLDENS"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path} differs; UPDATE_GOLDENS=1 writes it anew"


@pytest.fixture(scope="module")
def demo() -> Report:
    return audit(read_snapshot(_DEMO))


@pytest.mark.parametrize("width", [80, 120])
def test_demo_on_a_screen(demo: Report, width: int) -> None:
    _compare(f"demo.{width}.txt", table.render(demo, Style(width)))


def test_demo_as_json(demo: Report) -> None:
    _compare("demo.json", json.render(demo).replace(f'"fwaudit": "{fwaudit.__version__}"', '"fwaudit": "VERSION"'))


@pytest.mark.parametrize("name", _SCREENS)
def test_screen(name: str) -> None:
    _compare(f"{name.replace('/', '.')}.txt", table.render(audit(Snapshot(captures.case(name).files))))

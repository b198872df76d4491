"""Whole screens and files, compared with what was looked at once. ``UPDATE_GOLDENS=1 pytest tests/golden`` writes them
anew; then read the difference."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import captures
import pytest

import fwaudit
from fwaudit.audit import audit
from fwaudit.exposure.compliance import check
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.compliance import Policy
from fwaudit.model.report import Report
from fwaudit.model.snapshot import Snapshot
from fwaudit.render import json, table
from fwaudit.render.checked import FORMATS
from fwaudit.render.style import Style

_HERE = Path(__file__).parent / "reports"
_DEMO = Path(fwaudit.__file__).parent / "cli" / "demo.tar.gz"
_SHORT = ("markdown", "nagios", "prometheus")
"""Formats of which whole files are read by people."""


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


@pytest.mark.parametrize("name", FORMATS)
def test_demo_in_every_format(demo: Report, name: str) -> None:
    text = FORMATS[name](check(demo, Policy(), date.min))
    _compare(f"formats/demo.{name}", text.replace(f'"{fwaudit.__version__}"', '"VERSION"').replace(
        f"fwaudit {fwaudit.__version__}", "fwaudit VERSION"))


@pytest.mark.parametrize("format", _SHORT)
@pytest.mark.parametrize("name", captures.GOLDEN)
def test_formats(name: str, format: str) -> None:
    report = audit(Snapshot(captures.case(name).files))
    _compare(f"formats/{name.replace('/', '.')}.{format}", FORMATS[format](check(report, Policy(), date.min)))


@pytest.mark.parametrize("name", captures.GOLDEN)
def test_screen(name: str) -> None:
    _compare(f"{name.replace('/', '.')}.txt", table.render(audit(Snapshot(captures.case(name).files))))

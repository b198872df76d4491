"""``fwaudit findings``: the catalogue and its pages."""

from __future__ import annotations

import pytest

from fwaudit import cli
from fwaudit.findings import pages
from fwaudit.render.catalogue import catalogue, screen
from fwaudit.render.style import Style


def test_the_catalogue_names_every_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["findings"]) == cli.OK
    out = capsys.readouterr().out
    assert all(f"\n{page.id} " in out for page in pages())
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("id", [page.id for page in pages()])
def test_a_page(id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["findings", id]) == cli.OK
    out = capsys.readouterr().out
    assert out.startswith(f"{id}: ")
    assert all(f"\n{head}:" in out for head in ("What", "Why it hurts", "See it yourself", "Fix", "Before", "After"))
    assert "``" not in out


@pytest.mark.parametrize(("id", "hint"), [
    ("loopback", "loopback-publish-reachable"), ("docker-bypass-ufw", "docker-bypasses-ufw"),
    ("qqq", "fwaudit findings lists all"), ("\x1b[2J", "fwaudit findings lists all"),
])
def test_an_unknown_id(id: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["findings", id]) == cli.UNKNOWN
    err = capsys.readouterr().err
    assert hint in err
    assert "\x1b" not in err


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_wider_than_the_screen(width: int) -> None:
    shown = catalogue(pages(), Style(width)) + "".join(screen(page, Style(width)) for page in pages())
    long = [line for line in shown.splitlines() if len(line) > width and " " in line.strip()]
    assert not long

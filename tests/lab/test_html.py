"""The HTML report in a real browser: nothing of it runs but its own script, and hostile names are only text."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from requirements import requires

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "unit")]

from test_formats import HOSTILE, HOSTS, checked, hostile  # noqa: E402

from fwaudit.render.html import render_checked  # noqa: E402
from fwaudit.render.text import clean  # noqa: E402

pytestmark = pytest.mark.lab

_BROWSER = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--incognito"]


def _browse(page: Path, *arguments: str) -> str:
    requires("chromium")
    done = subprocess.run([*_BROWSER, f"--user-data-dir={page.parent / 'profile'}", *arguments, page.as_uri()],
                          capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def test_it_is_read_and_its_own_script_runs(page: Path) -> None:
    page.write_text(render_checked(checked(HOSTS[0])), encoding="utf-8")
    shown = _browse(page, "--dump-dom")
    assert '<button title="Sort">Port</button>' in shown
    assert "<svg" in shown
    assert "5432/tcp web" in shown


def test_hostile_names_are_text_and_nothing_foreign_runs(page: Path) -> None:
    text = render_checked(hostile())
    planted = text.replace("</main>", "<script>document.title = 'owned'</script>"
                                      "<img src=x onerror=\"document.title = 'owned'\"></main>")
    assert planted != text
    page.write_text(planted, encoding="utf-8")
    shown = _browse(page, "--dump-dom")
    title = re.search(r"<title>(.*?)</title>", shown)
    assert title is not None
    assert "owned" not in title[1]
    assert "alert(1)</script>" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert clean(HOSTILE)[:3] in shown


def test_it_has_pictures_in_both_widths(page: Path, tmp_path: Path) -> None:
    page.write_text(render_checked(checked(HOSTS[0])), encoding="utf-8")
    for width in (1200, 400):
        picture = tmp_path / f"{width}.png"
        _browse(page, f"--window-size={width},1500", f"--screenshot={picture}")
        assert picture.stat().st_size > 20_000

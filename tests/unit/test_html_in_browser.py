"""The HTML report in a real browser: on a phone, in the dark, on paper; hostile names are only text, and nothing runs
but the page's own script."""

from __future__ import annotations

import json
import re
import subprocess
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from requirements import requires
from test_formats import HOSTILE, HOSTS, _many, checked, hostile

from fwaudit.render.html import render_checked
from fwaudit.render.text import clean

pytestmark = pytest.mark.slow

_BROWSER = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--incognito",
            "--virtual-time-budget=2000"]
_DARK = "--blink-settings=preferredColorScheme=0"
_OWNED = "<script>parent.document.title = document.title = 'owned'</script>"
_PLANTED = (_OWNED, f"<iframe srcdoc=\"{escape(_OWNED)}\"></iframe>",
            "<img src=x onerror=\"parent.document.title = 'owned'\"><style>body { display: none }</style>",
            "<p style='position: fixed; inset: 0'>over everything</p><a href=\"javascript:alert(1)\">x</a>")


def _browse(folder: Path, page: str, *arguments: str) -> str:
    requires("chromium")
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    done = subprocess.run([*_BROWSER, f"--user-data-dir={folder / 'profile'}", *arguments, file.as_uri()],
                          capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def _asked(folder: Path, page: str, question: str, width: int = 1200, *arguments: str, frame: str = "") -> Any:
    """What a script says about the page in a frame of that width. The script stands around the frame, so that the
    page's own content policy holds for the page alone. ``frame``: an attribute of the frame."""
    around = (f'<!doctype html><title>none</title><iframe {frame} width="{width}" height="900" '
              f'srcdoc="{escape(page)}"></iframe>'
              "<script>const frame = document.querySelector('iframe'); frame.addEventListener('load', () => {"
              "const doc = frame.contentDocument, view = frame.contentWindow;"
              f"document.title = JSON.stringify((() => {{ {question} }})()); }});</script>")
    title = re.search(r"<title>(.*?)</title>", _browse(folder, around, "--dump-dom", *arguments), re.DOTALL)
    assert title is not None
    return json.loads(unescape(title[1]))


def _cells(dom: str) -> list[str]:
    """The text of each cell of the table, and of each line in a picture."""
    found: list[str] = []

    class Parser(HTMLParser):
        inside = 0

        def handle_starttag(self, tag: str, _: object) -> None:
            if tag in ("td", "text"):
                self.inside += 1
                found.append("")

        def handle_endtag(self, tag: str) -> None:
            self.inside -= tag in ("td", "text")

        def handle_data(self, data: str) -> None:
            if self.inside:
                found[-1] += data

    Parser().feed(dom)
    return found


def test_it_is_read_and_its_own_script_runs(tmp_path: Path) -> None:
    shown = _browse(tmp_path, render_checked(checked(HOSTS[0])), "--dump-dom")
    assert '<button title="Sort">Port</button>' in shown
    assert "<svg" in shown and "5432/tcp" in shown


def test_it_reads_without_a_script(tmp_path: Path) -> None:
    shown = _asked(tmp_path, render_checked(checked(HOSTS[0])), "return doc.body.innerText",
                   frame='sandbox="allow-same-origin"')
    heads = "Severity\tPort\tIP\tWho answers\tFrom where"
    assert heads in shown and "5432/tcp" in shown
    assert "button" in render_checked(checked(HOSTS[0])).split("<script>")[1]


@pytest.mark.parametrize("planted", _PLANTED)
def test_what_somebody_plants_in_it_does_not_run(planted: str, tmp_path: Path) -> None:
    """Even if escaping failed, the content policy stands."""
    page = render_checked(checked(HOSTS[0])).replace("</main>", f"{planted}</main>")
    assert planted in page
    said = _asked(tmp_path, page, "return [document.title, doc.title, view.getComputedStyle(doc.body).display,"
                                  "[...doc.querySelectorAll('p')].map(each => view.getComputedStyle(each).position)]")
    assert "owned" not in said[0] + said[1]
    assert said[2] == "block"
    assert set(said[3]) == {"static"}


def test_hostile_names_are_text(tmp_path: Path) -> None:
    shown = _browse(tmp_path, render_checked(hostile()), "--dump-dom")
    cells = _cells(shown)
    name = clean(HOSTILE)
    assert any(name[:39] in cell for cell in cells), cells[:10]
    assert shown.count("<script>") == 1
    assert not re.search(r"<(?:img|iframe|object|embed|link|base|form)\b", shown)
    title = re.search(r"<title>(.*?)</title>", shown, re.DOTALL)
    assert title is not None and unescape(title[1]) == f"fwaudit: {name}"


def test_sorting(tmp_path: Path) -> None:
    """By number where there are numbers, and the other way round with a second click."""
    ports = _asked(tmp_path, render_checked(_many()), """
        const button = [...doc.querySelectorAll('th button')].find((each) => each.textContent === 'Port');
        const ports = () => [...doc.querySelectorAll('tbody tr')].map((row) => Number(row.cells[1].dataset.order));
        button.click(); const up = ports(); button.click();
        return [up, ports(), button.parentElement.ariaSort];""")
    assert ports == [list(range(20_000, 21_000)), list(range(20_999, 19_999, -1)), "descending"]


@pytest.mark.parametrize("width", [320, 700, 1200])
@pytest.mark.parametrize("make", [lambda: checked(HOSTS[0]), hostile, _many], ids=["a host", "hostile", "many"])
def test_nothing_is_wider_than_the_screen(width: int, make: Any, tmp_path: Path) -> None:
    wide, font = _asked(tmp_path, render_checked(make()), """
        const drawn = doc.querySelector('svg.way text');
        return [doc.documentElement.scrollWidth - view.innerWidth,
                drawn ? drawn.getBoundingClientRect().height : 12]""", width)
    assert wide <= 0
    assert font >= 8, "too small to read"


def test_light_and_dark(tmp_path: Path) -> None:
    """Every text is told from its ground: a contrast of 4.5, as WCAG 2 asks for."""
    question = """
        const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map((part) => {
          const value = part / 255; return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = (each) => { for (let at = each; at; at = at.parentElement) {
          const colour = at.namespaceURI.endsWith('svg') && at.tagName === 'g'
            ? view.getComputedStyle(at.querySelector('rect')).fill : view.getComputedStyle(at).backgroundColor;
          if (colour !== 'rgba(0, 0, 0, 0)' && colour !== 'none') return colour; } return 'rgb(255, 255, 255)'; };
        const every = doc.querySelectorAll('h1, h2, h3, p, td, dt, dd, small, b, a, .mark, summary, text');
        const worst = [...every].map((each) => {
          const style = view.getComputedStyle(each);
          const [one, two] = [light(each.tagName === 'text' ? style.fill : style.color), light(ground(each))];
          return [(Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05), each.tagName + '.' + each.className];
        }).sort((a, b) => a[0] - b[0])[0];
        return [view.getComputedStyle(doc.body).backgroundColor, worst];"""
    page = render_checked(checked(HOSTS[0]))
    light, (least, where) = _asked(tmp_path, page, question, 1200, "--blink-settings=preferredColorScheme=1")
    assert light == "rgb(255, 255, 255)"
    assert least >= 4.5, where
    dark, (least, where) = _asked(tmp_path, page, question, 1200, _DARK)
    assert dark == "rgb(15, 20, 25)"
    assert least >= 4.5, where


def test_pictures_of_the_page_and_paper(tmp_path: Path) -> None:
    page = render_checked(checked(HOSTS[0]))
    for width in (1200, 500):
        _browse(tmp_path, page, f"--window-size={width},1500", f"--screenshot={tmp_path / f'{width}.png'}")
        assert (tmp_path / f"{width}.png").stat().st_size > 20_000
    _browse(tmp_path, page, f"--print-to-pdf={tmp_path / 'report.pdf'}", "--no-pdf-header-footer")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")

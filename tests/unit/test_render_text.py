"""Hostile text on a screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwaudit.render.text import clean, fold, shorten


@pytest.mark.parametrize(("text", "shown"), [
    ("shop-db-1", "shop-db-1"),
    ("a\x1b[2Jb", "a\\x1b[2Jb"),
    ("a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"),
    ("pg\u202egnp.exe", "pg\\u202egnp.exe"),
    ("a\u200bb", "a\\u200bb"),
    ("\ud800", "\\ud800"),
    ("\x9b31m", "\\x9b31m"),
    ("größe", "größe"),
])
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text())
def test_clean_text_is_one_harmless_line(text: str) -> None:
    shown = clean(text)
    assert shown.isprintable()
    assert "\x1b" not in shown and "\n" not in shown
    shown.encode()


def test_shorten() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"


@given(st.text(alphabet="ab.:/ ", max_size=80), st.integers(3, 40))
def test_fold_keeps_every_character_and_the_width(text: str, width: int) -> None:
    lines = fold(text, width)
    assert all(len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_fold_breaks_an_address_at_a_mark() -> None:
    assert fold("192.168.150.0/24", 15) == ["192.168.150.0/", "24"]
    assert fold("[fd00:d0c:1::242:ac11:2] port 80/tcp", 14) == ["[fd00:d0c:1::", "242:ac11:2]", "port 80/tcp"]

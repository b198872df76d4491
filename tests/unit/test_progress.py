"""What is said while something takes long: on a terminal, after a second, and gone when it is done."""

from __future__ import annotations

import time

import pytest

from fwaudit.cli import source


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(source, "_PATIENCE", 0.02)


def test_long_work_says_what_it_is_and_leaves_nothing(impatient, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with source.working("counting sheep"):
        time.sleep(0.2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "counting sheep … 0 s" in shown.err
    assert shown.err.endswith("\r\x1b[K")


def test_quick_work_says_nothing(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with source.working("counting sheep"):
        pass
    assert capsys.readouterr().err == ""


def test_in_a_pipe_nothing_is_said(impatient, capsys):
    with source.working("counting sheep"):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_an_error_clears_the_line_first(impatient, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with pytest.raises(ValueError), source.working("counting sheep"):
        time.sleep(0.1)
        raise ValueError
    assert capsys.readouterr().err.endswith("\r\x1b[K")

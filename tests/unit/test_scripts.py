"""scripts/fwaudit reads pyproject.toml without a TOML reader, so what it reads is held against one."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _make_environment() -> Any:
    loader = importlib.machinery.SourceFileLoader("make_environment", str(ROOT / "scripts/make_environment"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_dependencies_are_all_read() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has none")
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = tomllib.loads(pyproject)["project"]["dependencies"]
    assert _make_environment().dependencies(pyproject) == wanted != []


def test_a_pyproject_without_dependencies_is_trouble() -> None:
    module = _make_environment()
    with pytest.raises(module.Trouble, match="no list of dependencies"):
        module.dependencies('[project]\nname = "x"\n')


@pytest.mark.parametrize("name", ["scripts/fwaudit", "scripts/test", ".ci/run"])
def test_shell_scripts_parse(name: str) -> None:
    shell = re.match(r"#!/bin/(\w+)", (ROOT / name).read_text(encoding="utf-8"))
    assert shell is not None
    subprocess.run([shell[1], "-n", str(ROOT / name)], check=True)

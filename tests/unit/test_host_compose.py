"""Lines of published ports in compose files: numbers alone, bounded, whatever a file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fwaudit.host.collectors.compose import LIMIT, ports_in_compose, published_lines
from fwaudit.host.run import Machine

FILE = """\
name: shop
services:
  db:
    image: postgres:16   # ports: nothing
    environment:
      - POSTGRES_PASSWORD=S3CR3T
    ports:
      - "5432:5432"
      - 127.0.0.1:${PORT:-8080}:80/tcp   # the console
    networks: [a]
  web:
    ports: ["80:80", '443:443', 127.0.0.1:9000:9000]
    image: nginx
  "long":
    ports:
    - target: 9000
      published: "9001"
      protocol: udp
    - "[::1]:8000-8001:8000-8001/udp"
    - 53/udp
volumes:
  ports:
    - "1:1"
"""


def test_short_long_and_inline_forms() -> None:
    assert published_lines(FILE) == {
        "db": {("tcp", 5432): 8, ("tcp", 80): 9},
        "web": {("tcp", 80): 12, ("tcp", 443): 12, ("tcp", 9000): 12},
        "long": {("tcp", 9000): 16, ("udp", 9000): 16, ("udp", 8000): 19, ("udp", 8001): 19, ("udp", 53): 20},
    }


@pytest.mark.parametrize("text", [
    "", "services:", "services:\n  a:\n    ports: *x", "ports:\n  - 80:80", "services: {a: {ports: [80]}}", "\x00\xff",
    "services:\n  a:\n    ports:\n      - 0:0\n      - 99999:99999\n      - ${P}\n      - 1-65535:1-65535\n",
    ":\n- \n-\n  -", "services:\n\tdb:\n\t\tports:\n\t\t\t- 80:80", "[" * 5000, "- " * 5000,
])
def test_what_is_not_understood_has_no_line(text: str) -> None:
    assert published_lines(text) == {}


def _container(name: str, files: str, service: str = "db") -> dict[str, Any]:
    return {"Name": f"/{name}", "Config": {"Labels": {
        "com.docker.compose.service": service, "com.docker.compose.project.config_files": files}}}


def test_only_numbers_of_lines_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FILE)
    (tmp_path / "b.yaml").write_text("services:\n  db:\n    ports:\n      - 5432:5432\n")
    found = ports_in_compose(Machine(root=tmp_path), [_container("pg", "/a.yaml,/b.yaml")])
    assert found == {"pg": [{"proto": "tcp", "port": 80, "file": "/a.yaml", "line": 9},
                            {"proto": "tcp", "port": 5432, "file": "/b.yaml", "line": 4}]}
    assert "S3CR3T" not in json.dumps(found)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text(FILE + "#" * LIMIT)
    (tmp_path / "folder").mkdir()
    hostile = [_container("a", "/big.yaml"), _container("b", "/folder"), _container("c", "/gone"),
               _container("d", "relative.yaml"), {"Name": 1, "Config": {"Labels": [1]}}, {"Config": None}, {}]
    assert ports_in_compose(Machine(root=tmp_path), hostile) == {}

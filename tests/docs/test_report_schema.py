"""docs/report.schema.json is what ``report --format json`` prints: every report is valid, and no field is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import captures
import pytest

from fwaudit.audit import audit
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model import report as model
from fwaudit.model import verdict
from fwaudit.model.snapshot import Snapshot
from fwaudit.render.json import report_json

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/report.schema.json").read_text(encoding="utf-8"))
DEFS = SCHEMA["$defs"]
_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
_KNOWN = {"$ref", "const", "enum", "type", "pattern", "minimum", "maximum", "items", "properties", "required",
          "description"}


def wrong(schema: dict[str, Any], value: Any, place: str = "") -> Iterator[str]:
    """What of a value a schema does not allow, or does not describe: stricter than JSON Schema is to unknown fields."""
    assert set(schema) <= _KNOWN, f"a keyword that is not checked here: {set(schema) - _KNOWN}"
    if "$ref" in schema:
        yield from wrong(DEFS[schema["$ref"].removeprefix("#/$defs/")], value, place)
        return
    if "const" in schema and value != schema["const"]:
        yield f"{place}: {value!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r}"
    if "type" in schema and type(value) is not _TYPES[schema["type"]]:
        yield f"{place}: {value!r} is no {schema['type']}"
        return
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place}: {value!r}"
    if ("minimum" in schema and value < schema["minimum"]) or ("maximum" in schema and value > schema["maximum"]):
        yield f"{place}: {value!r}"
    if "items" in schema:
        for number, each in enumerate(value):
            yield from wrong(schema["items"], each, f"{place}[{number}]")
    if "properties" in schema:
        yield from (f"{place}.{name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, each in value.items():
            if name in schema["properties"]:
                yield from wrong(schema["properties"][name], each, f"{place}.{name}")
            else:
                yield f"{place}.{name} is not described"


def problems(report: dict[str, Any]) -> list[str]:
    return list(wrong({"$ref": SCHEMA["$ref"]}, report))


def test_the_demo() -> None:
    assert problems(report_json(audit(read_snapshot(ROOT / "fwaudit/cli/demo.tar.gz")))) == []


@pytest.mark.parametrize("name", captures.names()[::9])
@pytest.mark.parametrize("without", ["", "iptables/", "docker/"])
def test_recorded_hosts_whole_and_in_parts(name: str, without: str) -> None:
    files = {path: data for path, data in captures.case(name).files.items()
             if not (without and path.startswith(without))}
    assert problems(report_json(audit(Snapshot(files)))) == []


def test_a_redacted_host() -> None:
    taken = replace(read_snapshot(ROOT / "fwaudit/cli/demo.tar.gz"), redacted=True)
    assert problems(report_json(audit(taken))) == []


def test_nothing_at_all() -> None:
    assert problems(report_json(audit(Snapshot({})))) == []


def test_a_wrong_report_is_seen() -> None:
    report = report_json(audit(read_snapshot(ROOT / "fwaudit/cli/demo.tar.gz")))
    report["exposures"][0] |= {"verdict": "fine", "host_port": 70000, "colour": "red"}
    del report["engine"]
    assert len(problems(report)) == 4


@pytest.mark.parametrize(("place", "values"), [
    (DEFS["exposure"]["properties"]["verdict"], get_args(model.Verdict)),
    (DEFS["evidence"]["properties"]["disposition"], get_args(verdict.Disposition)),
    (DEFS["severity"], [severity.name.lower() for severity in model.Severity]),
])
def test_the_words_are_those_of_the_model(place: dict[str, Any], values: list[str]) -> None:
    assert sorted(place["enum"]) == sorted(values)


def test_the_version_is_the_programs() -> None:
    assert DEFS["report"]["properties"]["schema_version"]["const"] == model.SCHEMA_VERSION


def test_every_field_of_the_schema_is_in_the_page() -> None:
    page = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("report-json.md", "snapshot.md"))
    names = {name for part in DEFS.values() for name in part.get("properties", ())}
    assert {name for name in names if f"`{name}`" not in page} == set()

"""The examples in docs/formats.md: the beginning of every format, as the demo has it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import fwaudit
from fwaudit.audit import audit
from fwaudit.exposure.compliance import check
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.compliance import Policy
from fwaudit.render.checked import FORMATS

BEGIN = "<!-- the examples: written by tests/docs/generate.py -->\n"
END = "<!-- end of the examples -->"
_DEMO = Path(fwaudit.__file__).parent / "cli" / "demo.tar.gz"
_CUT = "…"


def written(page: str) -> str:
    """The page with the examples as they are now."""
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}{_examples()}{END}{rest.split(END, 1)[1]}"


def _examples() -> str:
    checked = check(audit(read_snapshot(_DEMO)), Policy(), datetime.date.min)
    texts = {name: FORMATS[name](checked).replace(fwaudit.__version__, "VERSION") for name in FORMATS}
    markdown, table = texts["markdown"].split("\n\n")[:4], 4
    parts = {
        "nagios": ("", texts["nagios"]),
        "prometheus": ("", texts["prometheus"]),
        "junit": ("xml", texts["junit"].split("</testcase>")[0] + "</testcase>\n    " + _CUT + "\n"),
        "markdown": ("markdown", "\n\n".join([*markdown[:3], *(
            "\n".join(part.splitlines()[:table]) for part in markdown[3:])]) + "\n"),
        "sarif": ("json", _sarif(texts["sarif"])),
        "json": ("json", _json(texts["json"])),
        "ocsf": ("json", json.dumps(json.loads(texts["ocsf"].splitlines()[0]), indent=2) + "\n"),
    }
    return "".join(f"\n### {name}\n\n```{language}\n{text}```\n" for name, (language, text) in parts.items()) + "\n"


def _sarif(text: str) -> str:
    """The driver with one rule, and one result."""
    log = json.loads(text)
    run = log["runs"][0]
    result = run["results"][0]
    driver = run["tool"]["driver"]
    driver["rules"] = [driver["rules"][result["ruleIndex"]], _CUT]
    run["results"] = [result, _CUT]
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _json(text: str) -> str:
    """The head, and the first exposure without its way rule by rule."""
    report = json.loads(text)
    first = report["exposures"][0]
    first["ways"] = [_CUT]
    first["evidence"] = {"in": first["evidence"]["in"], _CUT: _CUT}
    report |= {"exposures": [first, _CUT], "findings": [_CUT], "check": {"level": report["check"]["level"], _CUT: _CUT}}
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"

"""The formats that every host has by itself, put together: a SARIF log with a run for each host, a JUnit document with
the suites of all, OCSF events one after the other. A snapshot that could not be read has a run and a suite as well."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from fwaudit import __version__
from fwaudit.model.fleet import Fleet, HostRow
from fwaudit.render.junit import safe
from fwaudit.render.text import clean


def sarif(fleet: Fleet) -> Iterator[str]:
    """One log. A run of a snapshot that could not be read has no result and was not successful."""
    yield '{"$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", '
    yield '"version": "2.1.0", "runs": ['
    before = "\n"
    for host in fleet.hosts():
        run = json.loads(host.rendered)["runs"][0] if host.rendered else _not_read(host)
        yield before + json.dumps(run)
        before = ",\n"
    yield "\n]}\n"


def _not_read(host: HostRow) -> dict[str, object]:
    told = {"level": "error", "message": {"text": clean(f"not read: {host.source}: {host.error}")}}
    return {"tool": {"driver": {"name": "fwaudit", "version": __version__, "semanticVersion": __version__}},
            "automationDetails": {"id": f"fwaudit/{clean(host.name)}/"}, "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": False, "toolExecutionNotifications": [told]}], "results": []}


def junit(fleet: Fleet) -> Iterator[str]:
    """One document. A snapshot that could not be read is an error in a suite of its own."""
    from xml.sax.saxutils import quoteattr

    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="fwaudit">\n'
    for host in fleet.hosts():
        if host.rendered:
            inner = re.search(r"<testsuites[^>]*>\n?(.*?)\s*</testsuites>", host.rendered, re.DOTALL)
            yield f"{inner[1]}\n" if inner else ""
        else:
            name, why = quoteattr(safe(host.source)), quoteattr(safe(host.error))
            yield (f'  <testsuite name="snapshots" hostname={quoteattr(safe(host.name))} tests="1" failures="0" '
                   f'errors="1" skipped="0">\n    <testcase classname="fwaudit.snapshots" name={name}>\n'
                   f'      <error message={why} type="unread" />\n    </testcase>\n  </testsuite>\n')
    yield "</testsuites>\n"


def ocsf(fleet: Fleet) -> Iterator[str]:
    """JSON Lines. A snapshot that could not be read has no event of this class: it is said on stderr."""
    for host in fleet.hosts():
        yield host.rendered

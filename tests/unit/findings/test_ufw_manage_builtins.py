"""ufw-manage-builtins: fires on a recorded host, and is silent on its twin."""

from __future__ import annotations

from _hosts import audit_of, files_of, found, one

from fwaudit.model.report import Severity


def test_told_to_manage_what_is_dockers():
    finding = one("ufw-manage-builtins", "lab/manage_builtins")
    assert (finding.severity, finding.certain) == (Severity.LOW, True)
    assert finding.why == ("/etc/default/ufw says MANAGE_BUILTINS=yes.",)


def test_silent_as_it_is_shipped_and_without_an_engine():
    assert found("ufw-manage-builtins", "lab/plain") == []
    files = {name: data for name, data in files_of("lab/manage_builtins").items() if not name.startswith("docker/")}
    assert found("ufw-manage-builtins", audit_of(files, {"docker": "not installed"})) == []

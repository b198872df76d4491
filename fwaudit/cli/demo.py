"""``fwaudit demo``: the report on a host that was recorded for it."""

from __future__ import annotations

from fwaudit.cli.options import Format, NoColor

_HELP = """Show the report on a recorded host: a database that ufw denies and Docker publishes. Needs no root.

Examples:

  fwaudit demo

  fwaudit demo --format json
"""


def demo(
    format: Format = "table",
    no_color: NoColor = False,
) -> int:
    from importlib.resources import as_file, files

    from fwaudit.audit import audit
    from fwaudit.cli import OK
    from fwaudit.cli.report import check_format, show
    from fwaudit.host.snapshot_file import read_snapshot

    check_format(format)
    with as_file(files("fwaudit") / "cli" / "demo.tar.gz") as path:
        show(audit(read_snapshot(path)), format, "-", no_color, str(path))
    return OK


demo.__doc__ = _HELP

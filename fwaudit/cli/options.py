"""Options that several commands have, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Format = Annotated[str, typer.Option(
    "--format", metavar="FORMAT", help="table, json, markdown, html, sarif, junit, prometheus, nagios or ocsf.")]
Recorded = Annotated[Path | None, typer.Option(
    "--snapshot", metavar="PATH", help="Ask a recorded host, not this one.")]
Timeout = Annotated[float, typer.Option(
    "--timeout", "-t", metavar="SECONDS", help="How long to wait for a host's answers.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours, even on a terminal.")]
DropPrivileges = Annotated[str | None, typer.Option(
    "--drop-privileges", metavar="[=USER]", help="When the host has been read, go on as this user; nobody, unless said "
    "otherwise. Capabilities are given up in any case.")]

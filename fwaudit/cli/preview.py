"""``fwaudit preview``: what a Compose file would expose on this host, before it is up."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwaudit.cli.options import NoColor, Recorded, Timeout

if TYPE_CHECKING:
    from fwaudit.cli.deeds import Deeds
    from fwaudit.model.compliance import Checked, Policy
    from fwaudit.model.report import Report

_KEPT = "would-be.tar.gz"

_HELP = """Say what a Compose file would expose on this host, before it is up.

Its networks, containers and ports are added to the host's snapshot as this host's engine would write them, and every
packet is walked through. Nothing is started, and nothing on the host is changed.

Without FILE, what docker compose would find here is taken. Several files are merged, as by docker compose -f A -f B.

Exit codes, as fwaudit check has them: 0 nothing would be reached that nobody answers for; 1 warnings; 2 something would
be; 3 it could not be told, or the engine would refuse to start it.

Examples:

  fwaudit preview

  fwaudit preview compose.yaml --profile debug

  fwaudit preview compose.yaml --policy policy.toml --snapshot host.tar.gz --format sarif
"""


def preview(
    files: Annotated[list[Path] | None, typer.Argument(
        metavar="[FILE]...", help="The Compose files, in the order of docker compose -f.")] = None,
    profile: Annotated[list[str] | None, typer.Option(
        "--profile", metavar="NAME", help="Services of this profile as well; may be repeated.")] = None,
    env_file: Annotated[list[Path] | None, typer.Option(
        "--env-file", metavar="FILE", help="Variables, in the place of .env; may be repeated.")] = None,
    project_name: Annotated[str, typer.Option(
        "--project-name", "-p", metavar="NAME", help="The project's name, as for docker compose -p.")] = "",
    policy: Annotated[Path | None, typer.Option(
        "--policy", metavar="FILE", help="The policy file; /etc/fwaudit/policy.toml where there is one.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole host as it would be.")] = False,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="What goes to stdout.")] = "table",
    output: Annotated[list[str] | None, typer.Option(
        "--output", "-o", metavar="FORMAT=FILE", help="Write this format to a file as well; may be repeated.")] = None,
    keep: Annotated[Path | None, typer.Option(
        "--keep", metavar="FILE", help="Write the host as it would be as a snapshot.")] = None,
    snapshot: Recorded = None,
    timeout: Timeout = 30.0,
    no_color: NoColor = False,
) -> int:
    import time
    from dataclasses import replace

    from fwaudit.audit import audit
    from fwaudit.cli.check import code_of, read_outputs, read_policy
    from fwaudit.cli.deeds import Deeds, without_privileges
    from fwaudit.cli.monitoring import failures_told
    from fwaudit.cli.source import load, without_collector, working
    from fwaudit.host.compose import Asked, read
    from fwaudit.host.run import Machine
    from fwaudit.host.snapshot_file import write_snapshot
    from fwaudit.preview.build import would_be
    from fwaudit.preview.part import part

    wanted = read_outputs([f"{format}=-", *(output or [])])
    doing = [Deeds([path for _, path in wanted[1:]] + ([str(keep)] if keep is not None else []))]
    start = time.monotonic()
    with without_collector(), failures_told(wanted, doing):
        held_to = read_policy(policy)
        asked = Asked([str(each) for each in files or ()], tuple(profile or ()), [str(each) for each in env_file or ()],
                      project_name)
        said = read(asked, Machine(timeout))
        taken = load(snapshot, timeout)
        doing.append(without_privileges(doing[0], None))
        with working("working out who would reach what"):
            found = would_be(taken, said.project)
            report = part(audit(taken), audit(found.snapshot), found, ", ".join(said.project.files),
                          everything=everything)
            report = replace(report, notes=(*said.notes, *report.notes))
            checked = _held_to(report, held_to)
        if keep is not None:
            write_snapshot(found.snapshot, keep)
        _write(replace(checked, seconds=time.monotonic() - start), wanted, doing[-1], no_color, keep)
    return code_of(checked)


preview.__doc__ = _HELP


def _held_to(report: Report, policy: Policy) -> Checked:
    """The report judged. An entry of the policy that speaks of other ports of the host is no matter here."""
    from dataclasses import replace

    from fwaudit.exposure.compliance import check as judge

    today = datetime.datetime.now(datetime.timezone.utc).date()
    checked = judge(report, policy, today)
    used = {entry for each in checked.judged for entry in each.by} | {
        entry for found in checked.findings for entry in found.by}
    return judge(report, replace(policy, accepted=tuple(each for each in policy.accepted if each in used)), today)


def _write(checked: Checked, wanted: list[tuple[str, str]], deeds: Deeds, no_color: bool, keep: Path | None) -> None:
    """The report's table, and what the policy says of it; every other format as fwaudit check has it."""
    from dataclasses import replace

    from fwaudit.cli.deeds import put
    from fwaudit.cli.output import READABLE, SECRET, screen
    from fwaudit.render.check import render as render_check
    from fwaudit.render.checked import FORMATS
    from fwaudit.render.style import Style
    from fwaudit.render.table import render

    for name, path in wanted:
        if name != "table":
            put(deeds, FORMATS[name](checked), path, READABLE if name == "prometheus" else SECRET)
            continue
        style = replace(screen(no_color) if path == "-" else Style(), snapshot=str(keep or _KEPT))
        report = checked.report
        if keep is None and any(each.evidence and each.verdict != "as-intended" for each in report.exposures):
            report = replace(report, notes=(*report.notes, f"the commands above ask {_KEPT}: --keep {_KEPT} writes it"))
        text = render(report, style)
        if checked.policy.path:
            text += f"\nHeld to {checked.policy.path}:\n{render_check(checked, style)}"
        put(deeds, text, path, SECRET)

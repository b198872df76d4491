"""The typer application: which commands there are. Each command imports what it needs when it runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fwaudit.cli import check, demo, diff, findings, fix, history, policy, report, snapshot, trace, triage, verify


def build() -> Any:
    """The command line as a command of click, or of typer's own copy of it.

    Shell completion (``--install-completion``, ``--show-completion``) costs no start-up time that could be measured;
    rich, which would, is left out.
    """
    app = typer.Typer(
        name="fwaudit", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )

    @app.callback()
    def main(
        version: Annotated[
            bool, typer.Option("--version", "-V", help="Print the version and exit.", is_eager=True, callback=_version)
        ] = False,
    ) -> None:
        """Which ports of this host can really be reached, from where, and did the firewall policy mean it?

        Start with `fwaudit report`, as root. `fwaudit demo` shows a report without a host.
        """

    app.command(short_help="Which ports are open that the policy does not allow, and why.")(report.report)
    app.command(short_help="What becomes of a packet, rule by rule.")(trace.trace)
    app.command(short_help="Hold the host to the policy; for timers and pipelines.")(check.check)
    app.command(short_help="What opened and what closed between two snapshots.")(diff.diff)
    app.command(short_help="The checks that were written down, and since when.")(history.history)
    app.command(short_help="Write or check the file of what is meant to be open.")(policy.policy)
    app.command(short_help="Make published ports obey the policy: shown, proven, reversible.")(fix.fix)
    app.command(short_help="Every kind of finding, and a page on each.")(findings.findings)
    app.command(short_help="The look from outside, held against the verdicts.")(verify.verify)
    app.command(short_help="Has it already happened? Signs of miners and intruders.")(triage.triage)
    app.command(short_help="This host's raw facts in one file.")(snapshot.snapshot)
    app.command(short_help="A report on a recorded host; needs no root.")(demo.demo)
    return typer.main.get_command(app)


def _version(wanted: bool) -> None:
    if wanted:
        from fwaudit import __version__

        print(f"fwaudit {__version__}")
        raise typer.Exit

"""The typer application: which commands there are. Each command imports what it needs when it runs."""

from __future__ import annotations

from typing import Annotated

import click
import typer

from fwaudit.cli import demo, report, snapshot, trace


def build() -> click.Command:
    """The command line as a click command."""
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

    app.command()(report.report)
    app.command()(trace.trace)
    app.command()(snapshot.snapshot)
    app.command()(demo.demo)
    return typer.main.get_command(app)


def _version(wanted: bool) -> None:
    if wanted:
        from fwaudit import __version__

        print(f"fwaudit {__version__}")
        raise typer.Exit

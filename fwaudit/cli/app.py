"""The typer application: which commands there are. Each command imports what it needs when it runs."""

# Annotations are no text here (from __future__): typer would compile each of them, twice, 1.5 ms.

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

COMMANDS = {
    "report": "Which ports are open that the policy does not allow, and why.",
    "trace": "What becomes of a packet, rule by rule.",
    "check": "Hold the host to the policy; for timers and pipelines.",
    "preview": "What a Compose file would expose, before it is up.",
    "diff": "What opened and what closed between two snapshots.",
    "fleet": "Thousands of snapshots: the worst first, and what changed.",
    "history": "The checks that were written down, and since when.",
    "schedule": "Have the host checked regularly, by systemd or cron.",
    "watch": "Say what opens and what closes, seconds after it does.",
    "policy": "Write or check the file of what is meant to be open.",
    "fix": "Make published ports obey the policy: shown, proven, reversible.",
    "findings": "Every kind of finding, and a page on each.",
    "verify": "The look from outside, held against the verdicts.",
    "triage": "Has it already happened? Signs of miners and intruders.",
    "snapshot": "This host's raw facts in one file.",
    "demo": "A report on a recorded host; needs no root.",
}
"""What each is for, in the order of the help. Command X is the function ``X`` of module ``fwaudit.cli.X``."""


def build(argv: Sequence[str] | None = None) -> Any:
    """The command line as a command of click, or of typer's own copy of it; None: with all that any could need.

    Where ``argv`` begins with a command, there is no other, and no option that installs shell completion: 1 ms. Else
    all are listed, and only commands that ``argv`` names have their options: to read those of all takes 11 ms, and
    neither the list of commands nor a word that is none of them needs any. rich would cost more, and is left out.
    """
    completing = argv is None or "_FWAUDIT_COMPLETE" in os.environ
    alone = not completing and argv and argv[0] in COMMANDS
    app = typer.Typer(
        name="fwaudit", add_completion=not alone, no_args_is_help=True, pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )

    @app.callback()
    def main(
        verbose: Annotated[
            bool, typer.Option("--verbose", help="With --version: what a bug report needs.", is_eager=True)] = False,
        version: Annotated[
            bool, typer.Option("--version", "-V", help="Print the version and exit.", callback=_version)
        ] = False,
    ) -> None:
        """Which ports of this host can really be reached, from where, and did the firewall policy mean it?

        Start with `fwaudit report`, as root. `fwaudit demo` shows a report without a host.
        """

    for name, purpose in COMMANDS.items():
        wanted = completing or name in (argv or ())
        if alone and not wanted:
            continue
        run = getattr(import_module(f"fwaudit.cli.{name}"), name) if wanted else _listed
        app.command(name, short_help=purpose)(run)
    return typer.main.get_command(app)


def _listed() -> None:
    """In the place of a command that is not run."""


def _version(context: typer.Context, wanted: bool) -> None:
    """``--version``, answered before a command is looked for; ``--verbose``, which is read before it, says more."""
    verbose = context.params.get("verbose", False)
    if wanted:
        from fwaudit.cli.version import tell

        tell(verbose)
        raise typer.Exit
    if verbose:
        from fwaudit.errors import UsageError

        raise UsageError("--verbose goes with --version", "Ask: fwaudit --version --verbose")

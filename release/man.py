"""The man page fwaudit(8), out of the command line's own help and the exit codes of docs/commands.md."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fwaudit import __version__
from fwaudit.cli.app import build

_SUMMARY = "which ports of this host can really be reached, and did the firewall policy mean it?"
_FILES = (
    ("/etc/fwaudit/policy.toml", "What is meant to be reachable, and who answers for it. fwaudit check holds the host "
     "to it; without entries, to ufw's rules alone."),
    ("/var/lib/fwaudit/history.db", "The checks that root ran, each with its snapshot."),
    ("/var/lib/fwaudit/fix.json", "The undo of a fix that is applied."),
)
_ENVIRONMENT = (
    ("NO_COLOR", "Set to anything: no colours."),
    ("COLORTERM, TERM", "What the terminal can show."),
    ("FWAUDIT_DEBUG", "Set to anything: an internal error shows its traceback."),
    ("DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, DOCKER_CERT_PATH, DOCKER_TLS_VERIFY",
     "Which container engine is asked, as for docker(1)."),
    ("COMPOSE_FILE, COMPOSE_PATH_SEPARATOR", "Which Compose files fwaudit preview reads, as for docker compose."),
)
_SEE_ALSO = "ufw(8), iptables(8), nft(8), ipset(8), docker(1), podman(1), systemd.timer(5)"


def page(root: Path, epoch: int) -> str:
    """The page in man's macros. ``root``: of the project; ``epoch``: its date, in seconds since 1970."""
    date = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%d")
    group = build()
    context = group.make_context("fwaudit", [], resilient_parsing=True)
    lines = [
        f'.TH FWAUDIT 8 "{date}" "fwaudit {__version__}" "System administration"',
        ".ad l", ".nh",
        ".SH NAME", f"fwaudit \\- {_text(_SUMMARY)}",
        ".SH SYNOPSIS", ".B fwaudit", "[OPTIONS] COMMAND [ARGS]...",
        ".SH DESCRIPTION", *_prose(group.help),
        ".SH OPTIONS", *_options(group, context),
        ".SH COMMANDS",
    ]
    for name, command in group.commands.items():
        lines += _command(name, command, context)
    lines += [".SH EXIT STATUS"]
    for code, meaning in _exit_codes(root):
        lines += [".TP", f".B {code}", _text(meaning)]
    lines += [_text("3 wins over 0 and 1, never over 2.")]
    for title, rows in (("FILES", _FILES), ("ENVIRONMENT", _ENVIRONMENT)):
        lines += [f".SH {title}"]
        for what, meaning in rows:
            lines += [".TP", f".B {_text(what)}", _text(meaning)]
    lines += [".SH REPORTING BUGS", "A verdict that is wrong is a security bug. Say what", ".B fwaudit \\-\\-version "
              "\\-\\-verbose", "prints, and add a snapshot if it can be shared.", ".SH SEE ALSO", _text(_SEE_ALSO)]
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any, parent: Any) -> Iterator[str]:
    """A command and those below it: how it is called, what it does, its options."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield f".SS {_text(' '.join((context.command_path, *command.collect_usage_pieces(context))))}"
    yield from _prose(command.help or command.short_help or "")
    yield from _options(command, context)
    for below, each in getattr(command, "commands", {}).items():
        yield from _command(below, each, context)


def _options(command: Any, context: Any) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and (context.parent is None or parameter.name != "help"):
            names, meaning = record
            yield from (".TP", f".B {_text(names)}", _text(meaning) or "\\&")


def _prose(text: str) -> Iterator[str]:
    """Help as it is written in docstrings: paragraphs, and lines set in by two spaces that stay as they are."""
    first, literal = True, False
    for block in re.split(r"\n[ \t]*\n", text.strip("\n")):
        as_it_is = block.startswith(("  ", "\b"))
        if literal and not as_it_is:
            yield from (".EE", ".RE")
        if as_it_is:
            yield from () if literal else (".PP", ".RS 4", ".EX")
            yield from (_text(line[2:] if line.startswith("  ") else line) for line in block.strip("\b\n").splitlines())
        else:
            yield from () if first else (".PP",)
            yield _text(" ".join(block.split()))
        first, literal = False, as_it_is
    if literal:
        yield from (".EE", ".RE")


def _exit_codes(root: Path) -> list[tuple[str, str]]:
    table = (root / "docs/commands.md").read_text(encoding="utf-8").split("## Exit codes\n", 1)[1].split("\n## ")[0]
    return [(code, meaning.replace("`", "")) for code, meaning in re.findall(r"^\| (\d+) \| (.*) \|$", table, re.M)]


def _text(text: str) -> str:
    """Text that is no request to groff, and whose hyphens can be copied into a shell."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return f"\\&{text}" if text.startswith((".", "'")) else text

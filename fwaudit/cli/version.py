"""``fwaudit --version``: the version; with ``--verbose`` what a bug report needs."""

from __future__ import annotations

_TIMEOUT = 10.0


def tell(verbose: bool) -> None:
    """Print it. What tools say of themselves is shown with control characters made visible."""
    from fwaudit import __version__

    print(f"fwaudit {__version__}")
    if not verbose:
        return
    from fwaudit.cli.source import working
    from fwaudit.host.about import about
    from fwaudit.host.run import Machine
    from fwaudit.render.text import clean

    with working("asking the tools for their versions"):
        found = list(about(Machine(_TIMEOUT)))
    width = max(len(name) for name, _ in found)
    for name, value in found:
        print(f"  {name:<{width}}  {clean(value)}")

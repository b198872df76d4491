"""``python -m fwaudit`` and the ``fwaudit`` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code. ``--version`` is answered before anything is imported."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from fwaudit import __version__

        print(f"fwaudit {__version__}")
        return 0
    import gc

    gc.set_threshold(100_000)  # 700 would search the imported modules for garbage, 6 ms, twenty times in vain
    from fwaudit.cli import leave, run

    return leave(run(sys.argv[1:], alone=True))


if __name__ == "__main__":
    sys.exit(main())

"""The command line. `main` is the entry point of ``ferkern``; every command stands in a file of its own."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; exit code 0 done, 1 some inputs failed, 2 usage, 130 interrupted."""
    import sys

    try:
        from ferkern.cli.app import app

        app(prog_name="ferkern")
    except KeyboardInterrupt:  # during an import; commands catch their own
        sys.exit(130)

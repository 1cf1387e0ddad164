"""The command ``lora-playground``: the app, and the lessons, adapter files and costs without a screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave: 0, 1 where something was found that the caller asked for, 2 where it was misused."""
    import click

    from lora_viz.command.group import lora_playground
    from lora_viz.core.refusals import Refusal
    from lora_viz.i18n.outside import plain

    _say_in_utf8()
    try:
        code = lora_playground.main(arguments, prog_name="lora-playground", standalone_mode=False)
    except (click.ClickException, Refusal) as error:
        told = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo(f"lora-playground: {plain(told)}", err=True)
        code = 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # whoever read has read enough
            sys.stderr.close()
            sys.exit(0)
        click.echo(f"lora-playground: {error.filename or 'a file'}: {error.strerror or error}.", err=True)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _say_in_utf8() -> None:
    """A pipe or a file gets UTF-8 also where the locale is another (Windows); a terminal what it can show, all escaped
    that it cannot: a Δ in a help text is no reason to fail.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            own = stream.isatty() or os.environ.get("PYTHONIOENCODING")
            stream.reconfigure(encoding=None if own else "utf-8", errors="backslashreplace")

"""The command itself, its options, and all commands under it."""

from __future__ import annotations

import click

from lora_viz.command.adapters import compare, convert, extract, inspect, shrink
from lora_viz.command.costs import budget
from lora_viz.command.decks import deck
from lora_viz.command.lessons import lessons, play
from lora_viz.command.show import show
from lora_viz.command.site import site

__all__ = ["lora_playground"]


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: lora-playground play rank --set target_rank=4 --json",
)
@click.version_option(package_name="lora-playground", message="%(prog)s %(version)s")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="Where the app listens.")
@click.option(
    "--host", default="localhost", show_default=True, help="0.0.0.0 lets the whole network in, phones included."
)
@click.option("--browser/--no-browser", default=True, help="Open the app in the browser.")
@click.pass_context
def lora_playground(context: click.Context, port: int, host: str, browser: bool) -> None:
    """See how LoRA works: small real LoRA layers, trained live.

    Without a command the app starts and opens in the browser.

    Exit codes: 0 done; 1 something was found (inspect, compare); 2 the command was misused, or a file cannot be used.
    """
    if context.invoked_subcommand is None:
        from lora_viz.ui.served import serve

        serve(("--server.port", str(port), "--server.address", host, "--server.headless", str(not browser).lower()))


for command in (play, lessons, inspect, shrink, convert, compare, extract, budget, deck, site, show):
    lora_playground.add_command(command)

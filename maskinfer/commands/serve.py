"""The command ``serve``: the control room."""

from __future__ import annotations

from pathlib import Path

import click

from maskinfer.commands.addresses import read_secret_addresses
from maskinfer.commands.options import PATH, Command


@click.command(cls=Command, short_help="Run the control room: a page, visits, reports.")
@click.argument("settings", required=False, type=PATH, metavar="[WATCH.TOML]")
@click.option(
    "--source", "sources", multiple=True, callback=read_secret_addresses, metavar="INDEX|FILE|URL|env:NAME|@FILE",
    help="Watch this without a settings file; may be repeated, and have a name, as door=rtsp://10.0.0.7/ch1.",
)  # fmt: skip
@click.option(
    "--store", type=PATH, metavar="FOLDER",
    help="Keep visits, pictures and recordings here, instead of where the settings say.",
)  # fmt: skip
@click.option("--listen", metavar="ADDRESS:PORT", help="Show the page here, instead of where the settings say.")
@click.option("--page/--no-page", default=True, show_default=True, help="Serve the page and the HTTP API.")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N",
    help="Share the cameras among so many processes; this one keeps the store and the page.",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Read the settings, say whether they are right, and end.")
@click.option(
    "--init", is_flag=True, help="Write a commented settings file, WATCH.TOML or watch.toml, to begin with, and end."
)
@click.option("--hash-password", is_flag=True, help="Ask for a password, print its hash for the settings, and end.")
def serve(
    settings: Path | None,
    sources: tuple[str, ...],
    store: Path | None,
    listen: str | None,
    page: bool,
    processes: int,
    check: bool,
    init: bool,
    hash_password: bool,
) -> None:
    """Watch cameras as WATCH.TOML says, remember who came without a mask, and show it on a page.

    Visits with their pictures are kept in a folder; `maskinfer report` tells what happened in it. The page has all
    cameras live, today's violations, every visit, and reports; it listens to this machine alone unless the settings say
    otherwise. SIGHUP reads WATCH.TOML again; cameras whose settings stay as they are lose no frame. SIGTERM ends.

    \b
    Examples:
      maskinfer serve --init
      maskinfer serve watch.toml
      maskinfer serve watch.toml --processes 4
      maskinfer serve --source door=rtsp://camera.local/door
    """
    from maskinfer.console.progress import say
    from maskinfer.control.room.run import run_room
    from maskinfer.control.settings.read import settings_for_serve

    if hash_password:
        _print_hash()
        return
    if init:
        _write_example(settings or Path("watch.toml"))
        return
    if (settings is None) == (not sources):
        raise click.UsageError("name either a settings file or --source; maskinfer serve --init writes a file")
    chosen = settings_for_serve(settings, sources, store=store, listen=listen)
    if check:
        count = len(chosen.cameras)
        click.echo(f"{settings or 'the sources'}: {count} camera{'' if count == 1 else 's'}, no mistakes")
        return
    run_room(chosen, file=settings, has_page=page, say=say, processes=processes)


def _print_hash() -> None:
    from maskinfer.control.settings.passwords import hash_password

    click.echo(hash_password(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)))


def _write_example(path: Path) -> None:
    from maskinfer.control.settings.example import write_example

    write_example(path)
    click.echo(f"wrote {path}: fill in the address of your camera, then run  maskinfer serve {path}")

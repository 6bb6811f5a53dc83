"""The command line: the group of commands, its error boundary, and their registration."""

from __future__ import annotations

import errno
import sys
from io import TextIOWrapper
from typing import Any

import click

from maskinfer import __version__
from maskinfer.commands.adopt import adopt
from maskinfer.commands.archive.query import query, tables
from maskinfer.commands.data import data
from maskinfer.commands.evaluate import evaluate
from maskinfer.commands.export import average, calibrate, card, quantize, verify
from maskinfer.commands.machine.benchmark import benchmark
from maskinfer.commands.machine.tune import tune
from maskinfer.commands.models import doctor, models
from maskinfer.commands.render import render
from maskinfer.commands.report import report
from maskinfer.commands.run import image, video
from maskinfer.commands.serve import serve
from maskinfer.commands.site.collect import collect, label
from maskinfer.commands.site.compare import compare
from maskinfer.commands.site.drift import drift
from maskinfer.commands.stream import stream
from maskinfer.commands.training import export, train, train_detector
from maskinfer.engine.errors import OUT_OF_SPACE, MaskinferError, RequestError, printable

INTERRUPTED = 130


SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Recordings and pictures": (image, video, render, tables, query, report),
    "Cameras": (stream, serve),
    "Your own door": (collect, label, compare, drift),
    "Training": (data, train, train_detector, evaluate),
    "Models": (models, adopt, export, average, calibrate, quantize, verify, card),
    "This machine": (tune, benchmark, doctor),
}


class Commands(click.Group):
    """A group whose commands end with one line and an exit code, whatever of ours is raised."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run as the program; what a terminal's encoding has no letters for is escaped. See ``click.Group.main``."""
        for console in (sys.stdout, sys.stderr):
            if isinstance(console, TextIOWrapper):
                console.reconfigure(errors="backslashreplace")
        try:
            return super().main(*args, **options)
        except OSError as error:
            # What is shown is written in too many places to ask at each.
            if error.errno not in OUT_OF_SPACE:
                raise
            where = "standard output" if error.filename is None else printable(str(error.filename))
            click.echo(f"Error: {where} cannot be written: {error.strerror}", err=True)
            sys.exit(MaskinferError.exit_code)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by what they are for; see ``click.Group.format_commands``."""
        limit = formatter.width - 6 - max(map(len, self.commands))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(command.name or "", command.get_short_help_str(limit)) for command in commands])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; see ``click.Group.invoke``."""
        try:
            return super().invoke(ctx)
        except MaskinferError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)
        except OSError as error:
            # Asking whether a file is there raises for this alone, wherever it is asked.
            if error.errno != errno.ENAMETOOLONG:
                raise
            name = printable(str(error.filename))
            click.echo(f"Error: {name[:40]}...: this name is too long for a file; choose a shorter one", err=True)
            ctx.exit(RequestError.exit_code)
        except KeyboardInterrupt as interrupt:
            click.echo("interrupted", err=True)
            ctx.exit(128 + interrupt.args[0] if interrupt.args else INTERRUPTED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="maskinfer")
def main() -> None:
    """Find every face in images, videos and live streams, and tell whether it wears a mask.

    \b
    Examples:
      maskinfer video entrance.mp4 -o annotated.mp4
      maskinfer image photos/ -o annotated/ --jsonl results.jsonl
      maskinfer stream --source 0
      maskinfer serve --source door=rtsp://camera.local/door
      maskinfer doctor
    """


for _commands in SECTIONS.values():
    for _command in _commands:
        main.add_command(_command)

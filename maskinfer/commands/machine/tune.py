"""``maskinfer tune``: the fastest way of running jobs on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskinfer.commands.groups.models import PRESET_NAMES
from maskinfer.commands.options import MODEL, PATH, Command, Number, Output, refuse
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.places import STDOUT

if TYPE_CHECKING:
    from maskinfer.benchmark.tune.search import Tuned


@click.command(cls=Command, short_help="Find the fastest way of running jobs here.")
@click.argument("clip", type=PATH, required=False)
@click.option(
    "--preset", type=click.Choice(PRESET_NAMES), default="balanced", show_default=True,
    help="Tune the models of this preset.",
)  # fmt: skip
@click.option("--detector", type=MODEL, default="auto", metavar="NAME|FILE", help="Tune this detector.")
@click.option("--classifier", type=MODEL, default="auto", metavar="NAME|FILE", help="Tune this classifier.")
@click.option(
    "--provider", "providers", multiple=True, metavar="NAME",
    help="Try this execution provider only; may be repeated. By default all that the installed onnxruntime has.",
)  # fmt: skip
@click.option(
    "--seconds", type=Number(5), default=100.0, show_default=True, metavar="SECONDS",
    help="Begin nothing new after this time.",
)  # fmt: skip
@click.option("--json", "json_path", type=Output("text"), metavar="FILE", help="Write everything that was measured.")
@click.option("--dry-run", is_flag=True, help="Keep no profile.")
@click.option("--forget", is_flag=True, help="Measure nothing: remove the profile of these models on this machine.")
def tune(
    clip: Path | None,
    preset: str,
    detector: str,
    classifier: str,
    providers: tuple[str, ...],
    seconds: float,
    json_path: Path | None,
    dry_run: bool,
    forget: bool,
) -> None:
    """Measure which provider, precision, lanes, batch and codec threads give most frames per second of a whole job.

    Decoding, detection, classification and encoding of CLIP, or of a film of five faces in 1080p, are timed in turn
    with the best way so far. A way has to find and label 99 % of the faces as the float models do on the CPU. What is
    faster beyond the noise is kept in a profile, which auto uses in all commands until the machine, onnxruntime or the
    models change; with no such way everything stays as it is. Nothing is sent anywhere.

    \b
    Examples:
      maskinfer tune
      maskinfer tune entrance.mp4 --json tuned.json
      maskinfer tune --preset fast
      maskinfer tune --forget
    """
    from maskinfer.engine.tuned.profile import forget_profile
    from maskinfer.engine.tuned.way import Asked

    asked = Asked(detector, classifier, preset)
    if "auto" not in (detector, classifier):
        refuse(("preset",), "detector and classifier are named")
    if forget:
        refuse(("clip", "providers", "seconds", "json_path", "dry_run"), "nothing is measured with --forget")
        click.echo("removed" if forget_profile(asked) else "there is no profile of these models on this machine")
        return
    from maskinfer.benchmark.tune.keep import keep
    from maskinfer.benchmark.tune.search import run_tune
    from maskinfer.console.progress import progress_bar
    from maskinfer.console.tune import show_tuned

    with progress_bar("tune", "steps") as progress:
        tuned = run_tune(asked, clip=clip, providers=providers, seconds=seconds, progress=progress)
    if json_path is not None:
        _write(tuned, json_path)
    show_tuned(tuned, None if dry_run else keep(tuned), is_kept=not dry_run)


def _write(tuned: Tuned, file: Path) -> None:
    from maskinfer.benchmark.report import this_machine

    text = json.dumps({"machine": this_machine(), **asdict(tuned)}, indent=1) + "\n"
    if str(file) == STDOUT:
        click.echo(text, nl=False)
        return
    with atomic_write(file) as partial:
        partial.write_text(text, encoding="utf-8")

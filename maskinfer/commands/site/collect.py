"""The commands that collect pictures of a place and have their faces labelled: collect, label."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskinfer.commands.addresses import read_secret_addresses
from maskinfer.commands.groups.models import EngineOptions, engine_options
from maskinfer.commands.options import MODEL, PATH, Command, Number, Output, refuse

if TYPE_CHECKING:
    from maskinfer.site.label.answers import Key


@click.command(cls=Command, short_help="Collect pictures of a place to learn from.")
@click.argument(
    "sources", nargs=-1, required=True, callback=read_secret_addresses,
    metavar="INDEX|FILE|FOLDER|URL|env:NAME|@FILE...",
)  # fmt: skip
@click.option(
    "--out", type=Output("job"), required=True, metavar="FOLDER",
    help="Folder of the place; it may hold pictures already.",
)  # fmt: skip
@click.option(
    "--per-visit", type=click.IntRange(1), default=3, show_default=True, metavar="N", help="Most pictures of one visit."
)
@click.option(
    "--per-day", type=click.IntRange(1), default=200, show_default=True, metavar="N", help="Most pictures of one day."
)
@click.option(
    "--test-share", type=Number(0, 1), default=0.2, show_default=True, metavar="SHARE",
    help="Share of the visits that are kept to test on: one random picture of each, whatever it shows.",
)  # fmt: skip
@click.option(
    "--min-face", "min_side_px", type=Number(8), default=24, show_default=True, metavar="PIXELS",
    help="A smaller face is no reason to take a picture.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Random seed.")
@engine_options
def collect(
    sources: tuple[str, ...],
    out: Path,
    per_visit: int,
    per_day: int,
    test_share: float,
    min_side_px: float,
    seed: int,
    models: EngineOptions,
) -> None:
    """Collect pictures of a place: a few of each visit that the models doubt, and some at random to test on.

    Taken are faces with the label uncertain, people whose label changes, labels with a low margin, and detections near
    the threshold; of the visits of the random share one random frame each. Nearly the same pictures are left out. Where
    and when a picture was taken stays with it, so that no visit is on both sides of a split. Ctrl-C ends the collecting
    of a camera. `maskinfer label` has the faces labelled.

    \b
    Examples:
      maskinfer collect door=rtsp://camera.local/door --out site/
      maskinfer collect recordings/*.mp4 --out site/ --per-visit 2 --per-day 100
    """
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.flow.signals import stop_on_signal
    from maskinfer.engine.sources.names import names_of
    from maskinfer.site.collect import collect as run
    from maskinfer.site.picker import CollectOptions

    named = names_of(sources)
    options = CollectOptions(per_visit, per_day, test_share, min_side_px, seed)
    with progress_bar("collect", "pictures") as progress, stop_on_signal() as stopped:
        summary = run(models.open(), named, out, options, stopped=stopped, progress=progress)
    click.echo(summary)
    click.get_current_context().exit(1 if summary.problems else 0)


@click.command(cls=Command, short_help="Label the faces of a place in a browser.")
@click.argument("site", type=PATH, metavar="FOLDER")
@click.option("--name", metavar="NAME", help="Who labels; by default your user name.")
@click.option("--again", is_flag=True, help="Ask for faces that others have labelled too, to see how far you agree.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8601, show_default=True, metavar="N", help="Port; 0 for any."
)
@click.option(
    "--doubt", "doubters", type=MODEL, multiple=True, metavar="NAME|FILE",
    help="Ask once more for faces of which this model says otherwise; with several, those of which all say the same.",
)  # fmt: skip
@click.option(
    "--label", "added", multiple=True, metavar="NAME",
    help="Another label to choose from, as visor, with the keys 5 to 9; may be repeated. Those that the model of "
         "`collect` knows and gave are there.",
)  # fmt: skip
@click.option("--agreement", is_flag=True, help="Say how far those who labelled agree (Cohen's kappa), and end.")
def label(
    site: Path,
    name: str | None,
    again: bool,
    port: int,
    doubters: tuple[str, ...],
    added: tuple[str, ...],
    agreement: bool,
) -> None:
    """Label the faces that `maskinfer collect` found, on a page of this machine: one at a time, with a key.

    1 is a mask over nose and mouth, 2 none, 3 one that is worn badly, 4 cannot be told, 0 is no face; U takes the last
    answer back, M moves the box, A adds a face that was missed. Every answer is kept at once. Ctrl-C ends, and writes
    scenes.jsonl, to learn from, and test/scenes.jsonl, which only tests.

    \b
    Examples:
      maskinfer label site/
      maskinfer label site/ --name anna --again
      maskinfer label site/ --doubt mobilenetv2-128 --doubt mobilenetv2-small-112
      maskinfer label site/ --agreement
    """
    from maskinfer.console.label import show_agreement, show_label_result
    from maskinfer.site.label.answers import agreements, read_labellers
    from maskinfer.site.pool import read_pool

    if agreement:
        read_pool(site)
        show_agreement(agreements(read_labellers(site)))
        return
    import getpass

    from maskinfer.engine.flow.signals import stop_on_signal
    from maskinfer.site.label.queue import Queue
    from maskinfer.site.label.serve import open_label_page

    only = _doubtful(site, doubters) if doubters else None
    queue = Queue(site, name or getpass.getuser(), again=again, only=only, added=added)
    with stop_on_signal() as stopped, open_label_page(queue, site, port) as address:
        click.echo(f"open {address}")
        click.echo("Ctrl-C ends; every answer is kept at once")
        _wait(stopped)
    show_label_result(site, queue.save(), queue.now())


def _doubtful(site: Path, models: tuple[str, ...]) -> set[Key]:
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.faces.classifier import load_classifier
    from maskinfer.site.label.answers import read_labellers
    from maskinfer.site.label.noise import doubtful_labels
    from maskinfer.site.pool import read_pool

    refuse(("again",), "--doubt asks whatever was answered")
    with progress_bar("doubt", "pictures") as progress:
        classifiers = [load_classifier(model) for model in models]
        found = doubtful_labels(site, read_pool(site), read_labellers(site), classifiers, progress)
    click.echo(f"{len(found)} labels are doubted by {' and '.join(models)}")
    return set(found)


def _wait(stopped: Callable[[], int]) -> None:
    from time import sleep

    while not stopped():
        sleep(0.2)

"""The command that says which cameras no longer look as they did: drift."""

from __future__ import annotations

from pathlib import Path

import click

from maskinfer.commands.options import PATH, Command


@click.command(cls=Command, short_help="Say which cameras no longer look as they did.")
@click.argument("folder", type=PATH, default=Path("watch-data"), metavar="[FOLDER]")
@click.option("--json", "as_json", is_flag=True, help="Print every figure for other programs.")
@click.option("--gate", is_flag=True, help="Exit with 1 if a camera no longer looks as it did.")
@click.option(
    "--renew", multiple=True, metavar="CAMERA",
    help="Begin this camera's reference anew, since it is as it should be; while `serve` runs, its page does it.",
)  # fmt: skip
def drift(folder: Path, as_json: bool, gate: bool, renew: tuple[str, ...]) -> None:
    """Say which cameras no longer look as they did when the models were first used there.

    FOLDER is where `maskinfer serve` keeps what happens, watch-data if it is left out; it may be running. For each
    camera it counts labels, scores, sizes, brightness, sharpness and places of faces, and how bright and sharp the
    pictures are. The first full week with at least 100 people is the reference, and begins anew with other models.

    A camera no longer looks as it did if the population stability index of something is 0.25 or more, and more than
    chance explains. Then a model that was tested there may be wrong more often: look at the camera, collect and label
    anew, and compare.

    \b
    Examples:
      maskinfer drift
      maskinfer drift watch-data --gate
      maskinfer drift watch-data --renew door
    """
    import json

    from maskinfer.control.drift.words import drift_dict, drift_words
    from maskinfer.control.store.store import Store
    from maskinfer.engine.errors import RequestError, printable

    if renew:
        with Store.open(folder, readonly=True) as store:  # it is not made where there is none
            unknown = [name for name in renew if name not in store.drifts()]
        if unknown:
            raise RequestError(f"nothing is known of the looks of a camera {unknown[0]!r} in {folder}")
        with Store.open(folder, on_error=lambda line: click.echo(line, err=True)) as store:
            for name in renew:
                store.renew_looks(name)
            store.flush()
    with Store.open(folder, readonly=True) as store:
        found = store.drifts()
    if as_json:
        click.echo(json.dumps({name: drift_dict(one) for name, one in found.items()}, indent=1))
    elif not found:
        click.echo(f"nothing is known yet of how the cameras of {folder} look")
    else:
        for name, one in found.items():
            click.echo(printable(f"{name}: {drift_words(one)}"))
    has_moved = any(one.state == "moved" for one in found.values())
    click.get_current_context().exit(1 if gate and has_moved else 0)

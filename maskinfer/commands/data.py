"""The commands that make and check training data: data audit, data synth."""

from __future__ import annotations

from pathlib import Path

import click

from maskinfer.commands.options import PATH, read_shares, train_extra


@click.group(short_help="Make and check training data.")
def data() -> None:
    """Make and check training data.

    \b
    Examples:
      maskinfer data audit faces/ --sheet finds.png
      maskinfer data synth --data faces/ --out drawn/
    """


@data.command(short_help="Find copies, twins and leaks.")
@click.argument("folders", type=PATH, nargs=-1, required=True, metavar="DIR...")
@click.option("--set", "sets", multiple=True, metavar="NAME", help="Only this data set; may be repeated.")
@click.option(
    "--split",
    "split_file",
    type=PATH,
    help='Tell what leaks across it: a split.json of a run folder, or JSON {"train": [...], "test": [...]}.',
)
@click.option(
    "--test",
    "tests",
    type=PATH,
    multiple=True,
    metavar="DIR",
    help="Folder to test on: tell what of it the other folders hold too; may be repeated.",
)
@click.option(
    "--random-split",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Tell what leaks when this share is kept out at random.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random split.")
@click.option("--json", "json_file", type=PATH, help="Write all finds there.")
@click.option("--sheet", type=PATH, help="Picture of the worst finds.")
def audit(
    folders: tuple[Path, ...],
    sets: tuple[str, ...],
    tests: tuple[Path, ...],
    split_file: Path | None,
    random_split: float | None,
    seed: int,
    json_file: Path | None,
    sheet: Path | None,
) -> None:
    """Find byte-identical pictures, near-duplicates, augmented copies, and twins: one photo under two labels.

    Each DIR holds pictures as `maskinfer train` takes them; those of several are compared with each other too.

    \b
    Examples:
      maskinfer data audit faces/ --sheet finds.png
      maskinfer data audit faces/ --set mine --random-split 0.2
      maskinfer data audit faces/ drawn/ --split runs/mine/split.json
      maskinfer data audit faces/ --test dev/
    """
    from maskinfer.console.progress import progress_bar

    with train_extra():
        from maskinfer.console.audit import show_audit
        from maskinfer.training.data.audit.run import audit_folders
        from maskinfer.training.data.audit.sheet import write_sheet
        from maskinfer.training.data.audit.to_json import check_outputs, write_json

        check_outputs(json_file, sheet)
        with progress_bar("audit", "pictures") as progress:
            found = audit_folders(
                folders,
                sets,
                tests=tests,
                split_file=split_file,
                test_share=random_split,
                seed=seed,
                progress=progress,
            )
        if json_file is not None:
            write_json(found, json_file)
        if sheet is not None:
            write_sheet(found, sheet)
    # Last: whoever reads it may close the pipe.
    show_audit(found)


@data.command(short_help="Draw masks on bare faces.")
@click.option("--data", "folders", type=PATH, required=True, multiple=True, help="Training folder; may be repeated.")
@click.option("--out", type=PATH, required=True, help="New or empty folder: JPEGs and crops.jsonl.")
@click.option("--per-face", type=click.IntRange(1), default=1, show_default=True, help="Masks for each face.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides on everything random.")
@click.option("--limit", type=click.IntRange(1), help="End after so many masks.")
@click.option("--wear", "wears", multiple=True, metavar="NAME=SHARE", help="Share of a wear; those not given get none.")
@click.option(
    "--visors",
    type=click.FloatRange(0, 1),
    default=0.08,
    show_default=True,
    help="Share of the faces put behind a face shield; the label stays.",
)
@click.option("--sheet", type=PATH, help="Contact sheet of a random selection.")
def synth(
    folders: tuple[Path, ...],
    out: Path,
    per_face: int,
    seed: int,
    limit: int | None,
    wears: tuple[str, ...],
    visors: float,
    sheet: Path | None,
) -> None:
    """Draw masks on the bare faces of training folders, worn well and badly.

    Wears are correct, below_nose, below_mouth and chin; the first is labelled with_mask, the next incorrect_mask, the
    others without_mask.

    \b
    Examples:
      maskinfer data synth --data my-data/ --out drawn/ --sheet drawn.png
      maskinfer data synth --data my-data/ --out drawn/ --wear correct=0.3 --wear below_nose=0.7
    """
    from maskinfer.console.progress import progress_bar
    from maskinfer.training.data.masks.synth import synthesize

    with progress_bar("synth", "pictures") as progress:
        summary = synthesize(
            folders,
            out,
            per_face=per_face,
            seed=seed,
            limit=limit,
            shares=read_shares(wears),
            visors=visors,
            sheet=sheet,
            progress=progress,
        )
    click.echo(summary)

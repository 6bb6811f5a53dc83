"""The commands that make and check training data: data audit, data synth."""

from __future__ import annotations

from pathlib import Path

import click

from maskinfer.commands.options import PATH, SHARE, Command, Output, read_shares, refuse, train_extra


@click.group(short_help="Make and check training data.")
def data() -> None:
    """Make and check training data.

    \b
    Examples:
      maskinfer data audit faces/ --sheet finds.png
      maskinfer data synth --data faces/ --out drawn/
    """


@data.command(cls=Command, short_help="Find copies, twins and leaks.")
@click.argument("folders", type=PATH, nargs=-1, required=True, metavar="FOLDER...")
@click.option("--set", "sets", multiple=True, metavar="NAME", help="Look at this data set only; may be repeated.")
@click.option(
    "--split", "split_file", type=PATH, metavar="FILE",
    help='Report what leaks across this split: the split.json of a run folder, or {"train": [...], "test": [...]}.',
)  # fmt: skip
@click.option(
    "--test", "tests", type=PATH, multiple=True, metavar="FOLDER",
    help="Folder to test on: report what the other folders hold of it; may be repeated.",
)  # fmt: skip
@click.option(
    "--random-split", type=SHARE, metavar="SHARE", help="Report what leaks if this share is kept out at random."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of the random split."
)
@click.option("--json", "json_file", type=Output("text"), metavar="FILE", help="Write everything that was found.")
@click.option("--sheet", type=Output("file"), metavar="FILE", help="Save a picture of the worst finds.")
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
    """Find byte-identical pictures, near-duplicates, augmented copies, and twins (one photo under two labels).

    Each FOLDER holds pictures as `maskinfer train` takes them; those of several folders are also compared with each
    other.

    \b
    Examples:
      maskinfer data audit faces/ --sheet finds.png
      maskinfer data audit faces/ --set mine --random-split 0.2
      maskinfer data audit faces/ drawn/ --split runs/mine/split.json
      maskinfer data audit faces/ --test dev/
    """
    from maskinfer.console.progress import progress_bar

    if random_split is None:
        refuse(("seed",), "nothing is random without --random-split")
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


@data.command(cls=Command, short_help="Draw masks on bare faces.")
@click.option(
    "--data",
    "folders",
    type=PATH,
    required=True,
    multiple=True,
    metavar="FOLDER",
    help="Training folder; may be repeated.",
)
@click.option(
    "--out",
    type=Output("folder"),
    required=True,
    metavar="FOLDER",
    help="New or empty folder for the JPEGs and their crops.jsonl.",
)
@click.option(
    "--per-face", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Masks drawn on each face."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Random seed.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after this many masks.")
@click.option(
    "--wear", "wears", multiple=True, callback=read_shares, metavar="NAME=SHARE",
    help="Share of a way to wear the mask; repeat for each. Ways that are not named are not drawn.",
)  # fmt: skip
@click.option(
    "--visors", type=click.FloatRange(0, 1), default=0.08, show_default=True, metavar="SHARE",
    help="Share of the faces drawn behind a face shield, which keep their label.",
)  # fmt: skip
@click.option("--sheet", type=Output("file"), metavar="FILE", help="Save a contact sheet of a random selection.")
def synth(
    folders: tuple[Path, ...],
    out: Path,
    per_face: int,
    seed: int,
    limit: int | None,
    wears: dict[str, float] | None,
    visors: float,
    sheet: Path | None,
) -> None:
    """Draw masks, worn well and badly, on the bare faces of training folders.

    The ways to wear a mask are correct (labelled with_mask) and below_nose, below_mouth, chin, forehead and eyes
    (incorrect_mask).

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
            shares=wears,
            visors=visors,
            sheet=sheet,
            progress=progress,
        )
    click.echo(summary)

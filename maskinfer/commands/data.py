"""The commands that bring, make and check training data: data import, export, audit, synth."""

from __future__ import annotations

from pathlib import Path

import click

from maskinfer.commands.groups.data import MAP_OPTION, as_folders
from maskinfer.commands.options import PATH, SHARE, Command, Number, Output, read_shares, refuse, train_extra

_FORMATS = ("maskinfer", "yolo", "coco", "voc", "label-studio", "cvat", "fiftyone", "class-folders")


@click.group(short_help="Bring, make and check training data.")
def data() -> None:
    """Bring, make and check training data.

    \b
    Examples:
      maskinfer data import roboflow/data.yaml --map 'No Mask=without_mask' --out mine/
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
@MAP_OPTION
@click.option("--json", "json_file", type=Output("text"), metavar="FILE", help="Write everything that was found.")
@click.option("--sheet", type=Output("file"), metavar="FILE", help="Save a picture of the worst finds.")
def audit(
    folders: tuple[Path, ...],
    sets: tuple[str, ...],
    tests: tuple[Path, ...],
    split_file: Path | None,
    random_split: float | None,
    seed: int,
    names: tuple[str, ...],
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
        every = as_folders((*folders, *tests), names)
        with progress_bar("audit", "pictures") as progress:
            found = audit_folders(
                every[: len(folders)],
                sets,
                tests=every[len(folders) :],
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


@data.command("faces", cls=Command, short_help="Pack the faces to train on into one file.")
@click.option(
    "--data", "folders", type=PATH, required=True, multiple=True, metavar="FILE|FOLDER",
    help="Labelled pictures; may be repeated.",
)  # fmt: skip
@MAP_OPTION
@click.option("--out", type=Output("file"), required=True, metavar="FILE.zip", help="File to write.")
@click.option(
    "--quality", type=click.IntRange(1, 101), default=95, show_default=True, metavar="N",
    help="Quality of the WebP pictures, 1 to 100; 101 loses nothing.",
)  # fmt: skip
def faces(folders: tuple[Path, ...], names: tuple[str, ...], out: Path, quality: int) -> None:
    """Find and cut out the faces that a training sees, and pack them into one file.

    `maskinfer train --faces FILE` trains from it on another machine, such as one with a GPU, which then needs neither
    the pictures nor the time to look through them. The file knows which faces belong together, so --test-set and
    splits by group work as they do with --data.

    \b
    Examples:
      maskinfer data faces --data my-data/ --data drawn/ --out faces.zip
      maskinfer train --faces faces.zip --device cuda --out runs/there
    """
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.results import LABELS

    with train_extra():
        from maskinfer.training.classifier.windows.pack_faces import pack_faces
    every = as_folders(folders, names)
    with progress_bar("faces", "faces") as progress:
        count = pack_faces(every, LABELS, out, quality=quality, progress=progress)
    click.echo(f"packed {count} faces; wrote {out}")


@data.command("import", cls=Command, short_help="Bring data of other tools.")
@click.argument("source", type=PATH, metavar="FILE|FOLDER")
@click.option(
    "--out", type=Output("folder"), required=True, metavar="FOLDER",
    help="New folder for the list of faces and copies of the pictures.",
)  # fmt: skip
@MAP_OPTION
@click.option("--images", type=PATH, metavar="FOLDER", help="Where the pictures are, if not where the file says.")
@click.option("--part", "parts", multiple=True, metavar="NAME", help="Take this part only, as val; may be repeated.")
def import_(source: Path, out: Path, names: tuple[str, ...], images: Path | None, parts: tuple[str, ...]) -> None:
    """Read annotations of other tools into a folder that every command takes, and show what became of them.

    These are read: YOLO (data.yaml), COCO, Pascal VOC, Label Studio (JSON and JSON-MIN), CVAT for images 1.1, FiftyOne,
    and folders of pictures for each class. Labels are ours, in any case and with spaces or dashes, or --map says what
    they mean; an unknown one is an error. Commands with --data take the same files as they are.

    \b
    Examples:
      maskinfer data import roboflow/data.yaml --out mine/ --map 'No Mask=without_mask' --map 'Mask=with_mask'
      maskinfer data import export.json --images uploads/ --out mine/ --map labels.toml
    """
    from maskinfer.console.imported import show_imported
    from maskinfer.console.progress import progress_bar
    from maskinfer.training.data.formats.door import import_data, read_data
    from maskinfer.training.data.formats.translate import read_label_map

    with train_extra(), progress_bar("import", "pictures") as progress:
        imported = read_data(source, read_label_map(names), images=images, parts=parts, progress=progress)
        import_data(imported, out, progress)
    # Last: whoever reads it may close the pipe.
    show_imported(imported)
    click.echo(f"wrote {out}")


@data.command("export", cls=Command, short_help="Write data for other tools.")
@click.argument("source", type=PATH, metavar="FILE|FOLDER")
@click.option("--format", "kind", type=click.Choice(_FORMATS), required=True, help="What to write.")
@click.option("--out", type=Output("folder"), required=True, metavar="FOLDER", help="New or empty folder.")
@MAP_OPTION
def export_(source: Path, kind: str, out: Path, names: tuple[str, ...]) -> None:
    """Write annotated data, or what the models said of pictures, in the format of another tool.

    SOURCE is data that any command takes with --data, or the results of `maskinfer image --jsonl`: these become
    pre-annotations, which Label Studio shows as predictions and CVAT as automatic boxes, to be corrected.

    \b
    Examples:
      maskinfer data export site/ --format yolo --out yolo/
      maskinfer image photos/ -o annotated/ --jsonl found.jsonl
      maskinfer data export found.jsonl --format label-studio --out tasks/
    """
    from maskinfer.console.progress import progress_bar
    from maskinfer.training.data.formats.translate import read_label_map
    from maskinfer.training.data.writing.source import read_source
    from maskinfer.training.data.writing.write import OutFormat, write_data

    chosen: OutFormat = kind  # type: ignore[assignment]
    with train_extra(), progress_bar("export", "pictures") as progress:
        done = write_data(read_source(source, read_label_map(names)), out, chosen, progress)
    click.echo(done)
    click.get_current_context().exit(1 if done.left_out else 0)


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
    "--visors", type=Number(0, 1), default=0.08, show_default=True, metavar="SHARE",
    help="Share of the faces drawn behind a face shield, which keep their label.",
)  # fmt: skip
@click.option("--sheet", type=Output("file"), metavar="FILE", help="Save a contact sheet of a random selection.")
@MAP_OPTION
def synth(
    folders: tuple[Path, ...],
    out: Path,
    per_face: int,
    seed: int,
    limit: int | None,
    wears: dict[str, float] | None,
    visors: float,
    sheet: Path | None,
    names: tuple[str, ...],
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

    read = as_folders(folders, names)
    with progress_bar("synth", "pictures") as progress:
        summary = synthesize(
            read,
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

"""What was read of other tools' data, and what was left out, on a terminal."""

from __future__ import annotations

from collections import Counter

from rich.table import Table

from maskinfer.console.progress import say, stdout_console
from maskinfer.engine.errors import printable
from maskinfer.engine.results import LABELS
from maskinfer.training.data.formats.translate import LEFT_OUT, Imported

NAMES = {
    "yolo": "YOLO",
    "coco": "COCO",
    "voc": "Pascal VOC",
    "label-studio": "Label Studio",
    "cvat": "CVAT for images",
    "fiftyone": "FiftyOne",
    "class-folders": "folders of classes",
    "maskinfer": "maskinfer",
}


def show_imported(imported: Imported) -> None:
    """Print what was read, what each label became, and what was left out and why, on standard output."""
    out = stdout_console()
    table = Table(title=_headline(imported))
    for name in ("what", "became", "count", "for example"):
        table.add_column(name, justify="right" if name == "count" else "left", overflow="fold")
    for label, (became, count) in sorted(imported.labels.items()):
        table.add_row(printable(f"label {label!r}"), _shown(became), str(count), "")
    for part, count in sorted(imported.parts.items()):
        table.add_row(printable(f"pictures of the part {part!r}"), "read", str(count), "")
    table.add_section()
    for what, count, example in imported.notes:
        table.add_row(what, "read", str(count), printable(example))
    for what, count, example in imported.left_out:
        table.add_row(what, "left out", str(count), printable(example))
    out.print(table)


def tell_imported(imported: Imported) -> None:
    """Say the same in a line or a few on standard error, before something else begins."""
    say(_headline(imported))
    names = [f"{label!r} is {_shown(became)}" for label, (became, _) in imported.labels.items() if label != became]
    if names:
        say(f"  labels: {'; '.join(sorted(names))}")
    for what, count, example in (*imported.notes, *imported.left_out):
        left = (what, count, example) in imported.left_out
        say(f"  {'left out' if left else 'read'}: {count} {what} ({example})")


def _shown(label: str) -> str:
    if label == LEFT_OUT:
        return "left out"
    return label if label in LABELS else f"{label} (no label of the shipped models)"


def _headline(imported: Imported) -> str:
    faces = Counter(label for scene in imported.scenes for label in scene.labels)
    faces.update(crop.label for crop in imported.crops)
    said = ", ".join(f"{count} {label}" for label, count in sorted(faces.items()))
    pictures = len(imported.scenes) + len(imported.crops)
    return f"{imported.path} ({NAMES[imported.format]}): {pictures} pictures, {said or 'no faces'}"

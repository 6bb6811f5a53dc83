"""From folders of labelled pictures to one file of faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.training.classifier.windows.face_pack import FacePack, write_pack
from maskinfer.training.classifier.windows.faces import collect_faces
from maskinfer.training.data.audit.related import related_groups


def pack_faces(
    folders: Sequence[Path], labels: Sequence[str], out: Path, *, quality: int, progress: Progress = SILENT
) -> int:
    """Cut the faces of training folders, find out which belong together, and write them to one file.

    Args:
        folders: see ``samples``.
        labels: that are taken.
        out: file to write.
        quality: of WebP; see ``face_pack.write_pack``.
        progress: told of the stages reading, checking and packing.

    Returns:
        How many there are, with what the detector takes for faces and is none.

    Raises:
        SourceNotFoundError, SourceError: a folder or a picture cannot be read, or no face is found.
        OutputError: the file cannot be written.
    """
    progress.describe("reading")
    faces = collect_faces(folders, labels, progress, no_faces=True)
    progress.describe("checking")
    groups = related_groups(folders, labels, faces.sources, progress)
    progress.describe("packing")
    write_pack(out, FacePack(faces, groups), labels, quality=quality, progress=progress)
    return len(faces.labels)

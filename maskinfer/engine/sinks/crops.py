"""Pictures of the faces themselves: of each person and label the best one that was seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskinfer.engine.errors import OutputError
from maskinfer.engine.files.images import write_image
from maskinfer.engine.files.inside import inside, slug
from maskinfer.engine.frames.picture import AnyPicture, Picture, as_picture
from maskinfer.engine.results import Face, FrameResult

# Of the box's sides, around it: people know faces by more than the detector's box.
_MARGIN = 0.3
# A picture that is hardly better is not worth another file.
_BETTER = 1.2
# A watch goes on for weeks; who came so many faces ago does not come again under the same id.
_REMEMBERED = 10_000


class CropFiles:
    """Writes crops of faces into a folder, which is made.

    Of a face that is followed there is one picture for each label that it had: ``door.mp4-7-without_mask.jpg``, the
    largest whose label was sure. Of others there is one for each face and frame: ``door.mp4-000041-2-with_mask.jpg``.

    Args:
        folder: where they go.
        labels: of the faces that are wanted; empty for all.
        prefix: of the names.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(self, folder: Path, labels: Sequence[str] = (), prefix: str = "") -> None:
        self._folder, self._labels, self._prefix = folder, set(labels), prefix
        self._best: dict[tuple[str, int, str], float] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot be made: {error.strerror}") from error

    def add(self, frame: AnyPicture, result: FrameResult) -> None:
        """Write the crops of a frame that are wanted and better than those before.

        Args:
            frame: a picture, or uint8 (height, width, 3), BGR, as it came.
            result: of this very frame.

        Raises:
            OutputError: a file cannot be written.
        """
        picture = as_picture(frame)
        for i, face in enumerate(result.faces):
            if self._labels and face.label not in self._labels:
                continue
            if face.track_id is None:
                self._write(
                    picture, face, f"{self._prefix}{slug(result.source)}-{result.frame:06d}-{i}-{slug(face.label)}.jpg"
                )
            elif self._is_better(result.source, face):
                self._write(picture, face, self._name(result.source, face.track_id, face.label))

    def find(self, source: str, track_id: int, label: str) -> str | None:
        """Return the path of the picture of a face that is followed; None when there is none."""
        is_there = (source, track_id, label) in self._best
        return str(inside(self._folder, self._name(source, track_id, label))) if is_there else None

    def _is_better(self, source: str, face: Face) -> bool:
        left, top, right, bottom = face.xyxy
        key, quality = (source, face.track_id or 0, face.label), min(right - left, bottom - top) * face.score
        if quality <= _BETTER * self._best.get(key, 0.0):
            return False
        self._best[key] = quality
        if len(self._best) > _REMEMBERED:
            del self._best[next(iter(self._best))]
        return True

    def _name(self, source: str, track_id: int, label: str) -> str:
        return f"{self._prefix}{slug(source)}-{track_id}-{slug(label)}.jpg"

    def _write(self, picture: Picture, face: Face, name: str) -> None:
        left, top, right, bottom = face.xyxy
        across, down = (right - left) * _MARGIN, (bottom - top) * _MARGIN
        (x0, x1), (y0, y1) = (
            (int(end) for end in np.clip([int(low), int(np.ceil(high))], 0, size))
            for low, high, size in (
                (left - across, right + across, picture.size_wh[0]),
                (top - down, bottom + down, picture.size_wh[1]),
            )
        )
        if x1 > x0 and y1 > y0:
            write_image(inside(self._folder, name), picture.cut((x0, y0, x1, y1)))

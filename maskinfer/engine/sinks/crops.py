"""Pictures of the faces themselves: of each person and label the best one that was seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskinfer.engine.files.atomic import numbered, taken_name
from maskinfer.engine.files.images import write_image
from maskinfer.engine.files.inside import inside, slug
from maskinfer.engine.files.places import make_folder, place_of
from maskinfer.engine.frames.picture import AnyPicture, Picture, as_picture
from maskinfer.engine.results import Face, FrameResult
from maskinfer.engine.sinks.run import Run

# Of the box's sides, around it: people know faces by more than the detector's box.
_MARGIN = 0.3
# A picture that is hardly better is not worth another file.
_BETTER = 1.2
# A watch goes on for weeks; who came so many faces ago does not come again under the same id.
_REMEMBERED = 10_000
# Source, track and label.
_Key = tuple[str, int, str]


class CropFiles:
    """Writes crops of faces into a folder, which is made.

    Of a face that is followed there is one picture for each label that it had: ``door.mp4-7-without_mask.jpg``, the
    largest whose label was sure. Of others there is one for each face and frame: ``door.mp4-000041-2-with_mask.jpg``.

    Args:
        folder: where they go.
        labels: of the faces that are wanted; empty for all.
        run: of a watch, whose id and begin all names begin with. Then no file that is there already is replaced: a name
            that is taken gets a number.
        inputs: files that are read, as crops of an earlier job may be; none is replaced, as if there were a run.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(
        self, folder: Path, labels: Sequence[str] = (), run: Run | None = None, inputs: Sequence[str | Path] = ()
    ) -> None:
        self.folder, self._labels, self._run = folder, set(labels), run
        self._best: dict[_Key, tuple[float, Path]] = {}
        self._inputs = {place_of(source) for source in inputs}
        make_folder(folder)

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
                name = f"{slug(result.source)}-{result.frame:06d}-{i}-{slug(face.label)}.jpg"
                self._write(picture, face, name)
            else:
                self._write_if_better(picture, face, (result.source, face.track_id, face.label))

    def find(self, source: str, track_id: int, label: str) -> str | None:
        """Return the path of the picture of a face that is followed; None when there is none."""
        best = self._best.get((source, track_id, label))
        return None if best is None else str(best[1])

    def _write_if_better(self, picture: Picture, face: Face, key: _Key) -> None:
        left, top, right, bottom = face.xyxy
        quality = min(right - left, bottom - top) * face.score
        least, path = self._best.get(key, (0.0, None))
        if quality <= _BETTER * least:
            return
        source, track_id, label = key
        self._best[key] = quality, self._write(picture, face, f"{slug(source)}-{track_id}-{slug(label)}.jpg", path)
        if len(self._best) > _REMEMBERED:
            del self._best[next(iter(self._best))]

    def _write(self, picture: Picture, face: Face, name: str, own: Path | None = None) -> Path:
        """Write a crop over the one of our own, or else under a name, and return its path."""
        x0, y0, x1, y1 = _around(face, picture.size_wh)
        path = own or inside(self.folder, name if self._run is None else self._run.prefix + name)
        if x1 <= x0 or y1 <= y0:
            return path
        crop = picture.cut((x0, y0, x1, y1))
        if own is not None or (self._run is None and place_of(path) not in self._inputs):
            write_image(path, crop)
            return path
        with taken_name(numbered(path)) as path:
            write_image(path, crop, taken=True)
        return path


def _around(face: Face, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a crop, within the frame."""
    left, top, right, bottom = face.xyxy
    across, down = (right - left) * _MARGIN, (bottom - top) * _MARGIN
    (x0, x1), (y0, y1) = (
        (int(end) for end in np.clip([int(low), int(np.ceil(high))], 0, size))
        for low, high, size in ((left - across, right + across, size_wh[0]), (top - down, bottom + down, size_wh[1]))
    )
    return x0, y0, x1, y1

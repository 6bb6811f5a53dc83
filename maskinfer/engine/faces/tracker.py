"""Tracks: which face of a frame is which of the frames before.

Boxes are matched by overlap with where each track, going on as it went, would be: a constant velocity, smoothed, as in
SORT (Bewley et al., ICIP 2016), the best overlaps first; a track that was seen once, whose velocity is unknown, may
also leap to a face near it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.faces.boxes import best_first, iou_matrix, nearness
from maskinfer.engine.faces.track import EARLY_SHARE, Track, TrackOptions
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.frames.stillness import Stillness
from maskinfer.engine.results import NO_FACES, Detections, FloatArray

# Of more faces than this in one frame, those with the best scores are told apart.
MAX_FACES = 512


class Look(Enum):
    """How the faces of a frame are found."""

    DETECT = "the detector runs"
    COAST = "they are where the tracks would be"
    STAY = "they are where they were, because nothing has changed"


class Tracker:
    """Follows the faces of one source; give it the frames in their order.

    Attributes:
        options: how.
        proposals: it is given what may be faces; ``decide`` says which are. Only those count as having appeared.
        looks_per_s: the detector looks about so often a second, unless the options say on which frames; None for every
            frame.
        unchanged: frames that were not looked at because nothing had changed.
    """

    def __init__(
        self, options: TrackOptions | None = None, *, proposals: bool = False, looks_per_s: float | None = None
    ) -> None:
        self.options = options or TrackOptions()
        self.proposals, self.looks_per_s = proposals, looks_per_s
        self._tracks: list[Track] = []
        self._next_id = 1
        self.unchanged = 0
        self._frames = 0
        self._looked_s = -math.inf
        self._detected_s = 0.0
        self._found = NO_FACES
        self._stillness = None if self.options.still_s is None else Stillness(self.options.still_s)

    def next_frame(self, picture: Picture, time_s: float) -> Look:
        """Go on to the next frame, and say how its faces are to be found; once for each, in their order."""
        self._frames += 1
        if not self._is_due(time_s):
            return Look.COAST
        self._looked_s = time_s
        if self._stillness is not None and self._stillness.is_still(picture, time_s):
            self.unchanged += 1
            return Look.STAY
        return Look.DETECT

    def _is_due(self, time_s: float) -> bool:
        """Tell whether the detector is due in the frame that was gone on to."""
        if self.options.detect_every is not None:
            return (self._frames - 1) % self.options.detect_every == 0
        gap_s = time_s - self._looked_s
        return self.looks_per_s is None or gap_s < 0 or gap_s * self.looks_per_s >= EARLY_SHARE

    def follow(self, found: Detections, time_s: float) -> list[Track | None]:
        """Return the track of each face of the next frame; None past the ``MAX_FACES`` with the best scores.

        Args:
            found: the frame's faces, best score first.
            time_s: presentation time of the frame, in seconds. A time that goes back is taken for the last one.
        """
        self._found = found
        time_s = max([time_s, *(track.last_s for track in self._tracks)])
        self._tracks = [track for track in self._tracks if time_s - track.last_s <= self.options.max_gap_s]
        self._detected_s = time_s
        boxes = found.xyxy[:MAX_FACES]
        given: list[Track | None] = [None] * len(found)
        for row, column in self._matches(boxes, time_s):
            self._tracks[row].move(boxes[column], time_s)
            given[column] = self._tracks[row]
        for column, box in enumerate(boxes):
            track = given[column] = given[column] or self._begin(box, time_s)
            track.det_score = float(found.scores[column])
            track.landmarks = None if found.landmarks is None else found.landmarks[column]
        return given

    def coast(self, time_s: float) -> tuple[Detections, list[Track | None]]:
        """Return the faces of a frame that the detector did not see: where those that it saw last would be."""
        there: list[Track | None] = []
        boxes, points = [], []
        for track in self._tracks:
            if track.last_s == self._detected_s and track.is_face:
                there.append(track)
                boxes.append(track.at(time_s))
                points.append(track.landmarks_at(time_s))
        landmarks = np.array([p for p in points if p is not None], np.float32)
        scores = np.array([track.det_score for track in there if track is not None], np.float32)
        found = Detections(
            np.array(boxes, np.float32).reshape(-1, 4), scores, landmarks if len(landmarks) == len(there) else None
        )
        return found, there

    def stay(self, time_s: float) -> tuple[Detections, list[Track | None]]:
        """Return the faces of a frame in which nothing has changed: those that the detector saw last, seen again."""
        return self._found, self.follow(self._found, time_s)

    def wants(self, track: Track) -> bool:
        """Tell whether the track should be classified in this frame; a certain or long known one is now and then."""
        if track.skipped + 1 >= self.options.classify_every or track.is_stale():
            return True
        if track.is_certain(self.options):
            return False
        return track.skipped > 0 or not track.is_known(self.options)

    def decide(self, track: Track, score: float, is_face: bool) -> None:
        """Say what a track of this frame is: a face with this score, or none."""
        track.det_score, track.is_face = score, is_face
        if is_face and not track.id:
            track.id, self._next_id = self._next_id, self._next_id + 1

    def _begin(self, box: NDArray[np.float32], time_s: float) -> Track:
        track = Track(0, box, np.zeros(4, np.float32), time_s, time_s)
        if not self.proposals:
            self.decide(track, 0.0, is_face=True)
        self._tracks.append(track)
        return track

    def _matches(self, boxes: FloatArray, time_s: float) -> list[tuple[int, int]]:
        """Return pairs of track and box, the best overlaps first."""
        if not self._tracks or not len(boxes):
            return []
        overlaps = iou_matrix(np.stack([track.at(time_s) for track in self._tracks]), boxes)
        rows, columns = np.nonzero(overlaps >= self.options.min_iou)
        pairs = best_first(overlaps[rows, columns], rows, columns)
        return pairs + self._leaps(boxes, pairs)

    def _leaps(self, boxes: FloatArray, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return pairs of a track that was seen once, so that nobody knows how it moves, and a box near it.

        Who walks past a camera of few frames a second overlaps nowhere with where the face was before.
        """
        taken = ({row for row, _ in pairs}, {column for _, column in pairs})
        free = [i for i, track in enumerate(self._tracks) if track.seen == 1 and i not in taken[0]]
        left = [i for i in range(len(boxes)) if i not in taken[1]]
        if not free or not left:
            return []
        near = nearness(np.stack([self._tracks[i].xyxy for i in free]), boxes[left])
        rows, columns = np.nonzero(near > 0)
        return [(free[row], left[column]) for row, column in best_first(near[rows, columns], rows, columns)]


def tracked(found: Detections | Look, time_s: float, tracker: Tracker | None) -> tuple[Detections, list[Track | None]]:
    """Return the faces of a frame and the track of each."""
    if tracker is None:
        faces = NO_FACES if isinstance(found, Look) else found
        return faces, [None] * len(faces)
    if isinstance(found, Look):
        return tracker.coast(time_s) if found is Look.COAST else tracker.stay(time_s)
    return found, tracker.follow(found, time_s)

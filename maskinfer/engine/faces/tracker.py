"""Tracks: which face of a frame is which of the frames before, and what all its frames together say of its mask.

Boxes are matched by overlap with where each track, going on as it went, would be: a constant velocity, smoothed, as in
SORT (Bewley et al., ICIP 2016), the best overlaps first; a track that was seen once, whose velocity is unknown, may
also leap to a face near it. A track's probabilities are a running mean of the classifier's over time, and its label
changes only when another one is ahead by a margin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.faces.matching import best_first, nearness
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.frames.stillness import Stillness
from maskinfer.engine.results import NO_FACES, Detections, FloatArray

# Of more faces than this in one frame, those with the best scores are told apart.
MAX_FACES = 512
_VELOCITY_SHARE = 0.4
_FACE_SHARE = 0.5
_BARE_SHARE = 0.3
# As often as it takes at least to be certain.
_KNOWN_AFTER = 2
# A source of few frames a second would otherwise see late that a mask was taken off.
_CLASSIFY_WITHIN_S = 0.2
# Of the time between two looks: frames come a little early or late. No usual frame rate is on its edge.
_EARLY_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """How faces are tracked.

    Attributes:
        min_iou: smallest overlap (IoU) of a face with the predicted box of its track.
        max_gap_s: a track that was not seen for longer ends.
        memory_s: time constant of the running mean of the probabilities.
        margin: lead in probability that another label needs before a track's label changes.
        classify_every: a track whose label is certain is classified only in every Nth frame, but at least every 0.2 s
            if there are frames; 1 for every frame. One that stays uncertain is classified in every second frame.
        certain_from: mean probability above which a track's label is certain.
        certain_after: number of classified frames before a label can be certain.
        detect_every: the detector runs only on every Nth frame; in between, boxes are those predicted by the tracks.
            None for as often as the engine's preset says.
        still_s: a picture in which nothing changes is looked at again only after so many seconds, and its faces stay
            where they are; for cameras that do not move. None to look at every frame.

    Raises:
        RequestError: a number of frames is under 1, or ``still_s`` is negative.
    """

    min_iou: float = 0.25
    max_gap_s: float = 1.0
    memory_s: float = 0.4
    margin: float = 0.2
    classify_every: int = 3
    certain_from: float = 0.9
    certain_after: int = 3
    detect_every: int | None = None
    still_s: float | None = None

    def __post_init__(self) -> None:
        """Check what would only fail in the middle of a source."""
        for name in ("classify_every", "certain_after", "detect_every"):
            if (frames := getattr(self, name)) is not None and frames < 1:
                raise RequestError(f"{name} is {frames}, expected at least 1")
        if self.still_s is not None and not self.still_s >= 0:
            raise RequestError(f"still_s is {self.still_s}, expected seconds, or None to look at every frame")


def frames_a_look(options: TrackOptions, looks_per_s: float | None, frame_rate: float) -> int:
    """Return N where the detector looks at every Nth frame of a recording of a constant frame rate."""
    if options.detect_every is not None or looks_per_s is None:
        return options.detect_every or 1
    return max(1, math.ceil(_EARLY_SHARE * frame_rate / looks_per_s - 1e-6))


class Look(Enum):
    """How the faces of a frame are found."""

    DETECT = "the detector runs"
    COAST = "they are where the tracks would be"
    STAY = "they are where they were, because nothing has changed"


@dataclass(slots=True)
class Track:
    """One face over time.

    Attributes:
        id: counts from 1 in the order of appearance; 0 as long as it is not known to be a face.
        xyxy: float32 (4,), where it was seen last, in pixels.
        landmarks: float32 (5, 2), as they were seen last, in pixels; None from a detector that gives none.
        det_score: of the face, when it was seen last.
        velocity: float32 (4,), of the box, in pixels a second.
        first_s, last_s: presentation times of the frames in which it was seen first and last.
        scores: float32 (labels,), running mean of its probabilities.
        label: index of its label; -1 before it was classified.
        seen: frames in which it was found.
        classified: frames in which it was classified.
        sharpness: as it was classified last (``quality.sharpness``); None when that was not measured.
        face_logit: running mean of what the classifier says of its being a face; None before it was asked.
        bare_logit: running mean of what the classifier says of nose and mouth being bare under a badly worn mask; None
            if it does not say that.
        asked: frames in which the classifier was asked that.
        is_face: whether it was a face when it was seen last.
        looks: frames in which it was chosen to be classified.
        skipped: frames since it was classified last.
    """

    id: int
    xyxy: NDArray[np.float32]
    velocity: NDArray[np.float32]
    first_s: float
    last_s: float
    det_score: float = 0.0
    landmarks: NDArray[np.float32] | None = None
    scores: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    label: int = -1
    seen: int = 1
    classified: int = 0
    sharpness: float | None = None
    face_logit: float | None = None
    bare_logit: float | None = None
    asked: int = 0
    is_face: bool = True
    looks: int = 0
    skipped: int = 0
    _weight: float = 0.0
    _classified_s: float = 0.0
    _looked_s: float = 0.0

    def at(self, time_s: float) -> NDArray[np.float32]:
        """Return the box where it would be at a time, float32 (4,)."""
        return np.asarray(self.xyxy + self.velocity * max(0.0, time_s - self.last_s), np.float32)

    def landmarks_at(self, time_s: float) -> NDArray[np.float32] | None:
        """Return the landmarks moved along with the box, float32 (5, 2)."""
        if self.landmarks is None:
            return None
        before, after = self.xyxy, self.at(time_s)
        scale = (after[2:] - after[:2]) / np.maximum(before[2:] - before[:2], 1e-3)
        return np.asarray(after[:2] + (self.landmarks - before[:2]) * scale, np.float32)

    def move(self, xyxy: NDArray[np.float32], time_s: float) -> None:
        """Take the box that was found."""
        gap_s = time_s - self.last_s
        if gap_s > 0:
            share = 1.0 if self.seen == 1 else _VELOCITY_SHARE
            self.velocity += np.float32(share) * ((xyxy - self.xyxy) / np.float32(gap_s) - self.velocity)
        self.xyxy, self.last_s = xyxy, max(self.last_s, time_s)
        self.seen += 1

    def classify(self, row: FloatArray, time_s: float, options: TrackOptions) -> None:
        """Take the classifier's probabilities, float32 (labels,)."""
        kept = math.exp(-max(0.0, time_s - self._classified_s) / options.memory_s) if self.classified else 0.0
        weight = self._weight * kept + 1.0
        mean = self.scores if self.classified else row
        self.scores = np.asarray(mean + (row - mean) / np.float32(weight), np.float32)
        self._weight, self._classified_s = weight, time_s
        self.classified += 1
        best = int(self.scores.argmax())
        if self.label < 0 or self.scores[best] >= self.scores[self.label] + options.margin:
            self.label = best

    def ask(self, face_logit: float) -> None:
        """Take what the classifier says of its being a face."""
        before = face_logit if self.face_logit is None else self.face_logit
        self.face_logit = before + _FACE_SHARE * (face_logit - before)
        self.asked += 1

    def see_bare(self, bare_logit: float) -> None:
        """Take what the classifier says of nose and mouth being bare under a badly worn mask."""
        before = bare_logit if self.bare_logit is None else self.bare_logit
        self.bare_logit = before + _BARE_SHARE * (bare_logit - before)

    def note(self, *, will_classify: bool) -> None:
        """Note whether it is classified in this frame."""
        self.skipped = 0 if will_classify else self.skipped + 1
        if will_classify:
            self.looks, self._looked_s = self.looks + 1, self.last_s

    def is_stale(self) -> bool:
        """Tell whether the classifier last looked at it so long ago that it is due whatever frames were skipped."""
        return self.last_s - self._looked_s >= _CLASSIFY_WITHIN_S

    def is_certain(self, options: TrackOptions) -> bool:
        """Tell whether it need not be classified in every frame."""
        if not self.is_face:
            return self.asked >= options.certain_after
        return self.classified >= options.certain_after and float(self.scores[self.label]) >= options.certain_from

    def is_known(self, options: TrackOptions) -> bool:
        """Tell whether it was looked at so often that one more frame says little, certain or not."""
        return self.classified > 0 and self.looks >= _KNOWN_AFTER * options.certain_after


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
        return self.looks_per_s is None or gap_s < 0 or gap_s * self.looks_per_s >= _EARLY_SHARE

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

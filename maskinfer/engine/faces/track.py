"""A track: one face over time, and what all its frames together say of its mask.

A track's probabilities are a running mean of the classifier's over time, and its label changes only when another one is
ahead by a margin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import FloatArray

# Of the time between two looks: frames come a little early or late. No usual frame rate is on its edge.
EARLY_SHARE = 0.7
_VELOCITY_SHARE = 0.4
_FACE_SHARE = 0.5
_BARE_SHARE = 0.3
# As often as it takes at least to be certain.
_KNOWN_AFTER = 2
# A source of few frames a second would otherwise see late that a mask was taken off.
_CLASSIFY_WITHIN_S = 0.2


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
        detect_every: the detector runs only on every Nth frame; in between, a face of a recording is put on the line
            between where it was before and after, and one of a live source where its track would be. None for as often
            as the engine's preset says.
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
    return max(1, math.ceil(EARLY_SHARE * frame_rate / looks_per_s - 1e-6))


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

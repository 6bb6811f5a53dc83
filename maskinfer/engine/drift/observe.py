"""Looks at the results of one camera and counts: each person once, and a picture every few minutes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import sqrt

import cv2

from maskinfer.engine.drift.counts import Counts, bin_of, no_counts, place_of
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import Face, FrameResult

PICTURE_S = 600.0
_FACE_S = 1.0
_GONE_S = 3.0
# A face of one frame alone is often none.
_LEAST_LOOKS = 2
_LONGEST_PX = 640
_FACE_CELLS = (8, 8)


@dataclass(slots=True)
class _Person:
    looks: int = 0
    samples: int = 0
    last_s: float = 0.0
    sampled_s: float = float("-inf")
    sums: dict[str, float] = field(default_factory=dict)
    sharp: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)


class Observer:
    """Counts how what one camera sees looks.

    A person is a track, and counts once, by the mean of a look a second: neighbouring frames show the same thing.

    Args:
        picture_s: how often a whole picture counts, in seconds.
    """

    def __init__(self, picture_s: float = PICTURE_S) -> None:
        self._picture_s = picture_s
        self._people: dict[int, _Person] = {}
        self._pictured_s: float | None = None
        self._counts = no_counts()

    def saw(self, picture: Picture, result: FrameResult) -> None:
        """Take a frame with its result; the picture is not changed."""
        now_s = result.time_s
        for face in result.faces:
            if face.track_id is not None:
                person = self._people.setdefault(face.track_id, _Person())
                person.looks, person.last_s = person.looks + 1, now_s
                if now_s - person.sampled_s >= _FACE_S:
                    _sample(person, picture, result, face)
        for track in [t for t, person in self._people.items() if now_s - person.last_s > _GONE_S]:
            self._count(self._people.pop(track))
        if self._pictured_s is None or now_s - self._pictured_s >= self._picture_s:
            self._pictured_s = now_s
            self._count_picture(picture)

    def begin_anew(self) -> None:
        """Count those who are there: the camera's clock begins anew, or ends."""
        for person in self._people.values():
            self._count(person)
        self._people, self._pictured_s = {}, None

    def take(self) -> Counts:
        """Return what was counted since the last call."""
        counts, self._counts = self._counts, no_counts()
        return counts

    def _count(self, person: _Person) -> None:
        if person.looks < _LEAST_LOOKS or not person.samples:
            return
        counts, sums, samples = self._counts, person.sums, person.samples
        counts["label"][person.labels.most_common(1)[0][0]] += 1
        counts["place"][person.places.most_common(1)[0][0]] += 1
        for what in ("score", "face_px", "face_brightness"):
            counts[what][bin_of(what, sums[what] / samples)] += 1
        if person.sharp:
            counts["face_sharpness"][bin_of("face_sharpness", sums["face_sharpness"] / person.sharp)] += 1

    def _count_picture(self, picture: Picture) -> None:
        brightness, sharp = look_of(picture)
        self._counts["picture_brightness"][bin_of("picture_brightness", brightness)] += 1
        self._counts["picture_sharpness"][bin_of("picture_sharpness", sharp)] += 1


def _sample(person: _Person, picture: Picture, result: FrameResult, face: Face) -> None:
    left, top, right, bottom = face.xyxy
    width, height = picture.size_wh
    inside = (max(0, int(left)), max(0, int(top)), min(width, int(right)), min(height, int(bottom)))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        return
    grey = cv2.cvtColor(picture.resized(inside, _FACE_CELLS, cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    seen = {"score": face.score, "face_px": min(right - left, bottom - top), "face_brightness": float(grey.mean())}
    if face.sharpness is not None:
        seen["face_sharpness"] = face.sharpness
        person.sharp += 1
    for what, value in seen.items():
        person.sums[what] = person.sums.get(what, 0.0) + value
    person.labels[face.label] += 1
    person.places[place_of(((left + right) / 2, (top + bottom) / 2), result.size_wh)] += 1
    person.samples, person.sampled_s = person.samples + 1, result.time_s


def look_of(picture: Picture) -> tuple[float, float]:
    """Return the brightness of a picture, 0 to 255, and how sharp it is, whatever its light and contrast.

    Sharpness is the root mean square of the gradient, per hundred pixels at a longer side of 640 pixels, over the
    standard deviation of the grey values (Tenengrad: Tenenbaum, 1970): a camera out of focus has a third.
    """
    width, height = picture.size_wh
    scale = min(1.0, _LONGEST_PX / max(width, height))
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = picture.brightness(size_wh)
    along_x = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    along_y = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    energy = float((along_x * along_x + along_y * along_y).mean())
    return float(grey.mean()), 100 * sqrt(energy) / max(1.0, float(grey.std()))

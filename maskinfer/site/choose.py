"""Which frames of a visit teach something: those that the model is in doubt about, and a random few for a fair test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from maskinfer.engine.results import UNCERTAIN, BGRFrame, Face
from maskinfer.site.pool import Part, PoolPicture, Why

_NEAR = 0.12
_LOW_MARGIN = 0.5
# A frame takes another's place for the same reason only if it is clearly more doubtful: encoding takes time.
_BETTER = 0.05
_HASH_WH = (9, 8)
_MOST_SAME_BITS = 6
_REMEMBERED = 400
Rank = tuple[int, float]
WHYS: tuple[Why, ...] = ("uncertain", "labels change", "low margin", "near threshold", "random")


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a face is worth a look, and how much so, 0 to 1."""

    why: Why
    value: float

    @property
    def rank(self) -> Rank:
        """What is asked first sorts first."""
        return WHYS.index(self.why), -self.value


def doubt_of(face: Face, det_threshold: float) -> Doubt | None:
    """Return why a face is worth a look by itself; None if the model is sure of it."""
    best, second = sorted(face.scores.values(), reverse=True)[:2]
    margin = best - second
    if face.label == UNCERTAIN:
        return Doubt("uncertain", 1 - margin)
    if margin < _LOW_MARGIN:
        return Doubt("low margin", 1 - margin)
    if abs(face.det_score - det_threshold) < _NEAR:
        return Doubt("near threshold", 1 - abs(face.det_score - det_threshold) / _NEAR)
    return None


@dataclass(slots=True)
class Kept:
    """A frame that may be written: what is known of it, and its bytes."""

    doubt: Doubt
    record: PoolPicture
    jpeg: bytes
    fingerprint: int


@dataclass(slots=True)
class Visit:
    """One person's frames so far.

    Attributes:
        name: of the visit.
        part: whether it belongs to the random test part, of which one random frame is taken whatever it shows.
        seen: frames so far.
        by_why: the most doubtful frame for each reason, and for each label that the track had.
        labels: the labels that the track had, with the frames of each.
        last_s: when it was seen last.
    """

    name: str
    part: Part
    seen: int = 0
    by_why: dict[str, Kept] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    last_s: float = 0.0

    def look(
        self,
        face: Face,
        det_threshold: float,
        make: Callable[[Doubt], Kept],
        rng: np.random.Generator,
        reasons: tuple[Why, ...] = WHYS,
    ) -> None:
        """Take a frame of the person into account; it is encoded by ``make`` only if it is kept for now."""
        self.seen += 1
        if self.part == "test":
            if rng.random() < 1 / self.seen:  # each frame is as likely as any other in the end (Vitter 1985)
                self.by_why["random"] = make(Doubt("random", 0.0))
            return
        if face.label != UNCERTAIN:
            self.labels[face.label] = self.labels.get(face.label, 0) + 1
        doubt = doubt_of(face, det_threshold)
        if doubt is not None and doubt.why in reasons and self._is_better(doubt.why, doubt):
            self.by_why[doubt.why] = make(doubt)
        change = Doubt("labels change", face.score)
        if "labels change" not in reasons or face.label == UNCERTAIN or len(self.labels) < 2:
            return
        if self._is_better(face.label, change):
            self.by_why[face.label] = make(change)

    def _is_better(self, key: str, doubt: Doubt) -> bool:
        before = self.by_why.get(key)
        return before is None or doubt.value > before.doubt.value + _BETTER

    def chosen(self, most: int) -> list[Kept]:
        """Return the frames to write, the most doubtful first."""
        return sorted(self.by_why.values(), key=lambda kept: kept.doubt.rank)[:most]


def part_of(key: str, test_share: float, seed: int) -> Part:
    """Return whether what a key stands for belongs to the random test part: for the same key always the same."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return "test" if int.from_bytes(digest[:8], "big") / 2**64 < test_share else "pool"


def fingerprint(bgr: BGRFrame) -> int:
    """Return 64 bits of how a picture's brightness changes from left to right (dHash, Krawetz 2013)."""
    small = cv2.resize(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), _HASH_WH, interpolation=cv2.INTER_AREA).astype(int)
    bits = (small[:, 1:] > small[:, :-1]).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


@dataclass(slots=True)
class SeenBefore:
    """Remembers what was taken lately, so that nothing nearly the same is taken again."""

    taken: list[int] = field(default_factory=list)

    def is_new(self, found: int) -> bool:
        """Tell whether nothing alike was taken lately, and remember it if so."""
        if any((found ^ other).bit_count() <= _MOST_SAME_BITS for other in self.taken):
            return False
        self.taken = [*self.taken[-_REMEMBERED:], found]
        return True

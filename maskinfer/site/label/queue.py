"""Which face is asked next, what was answered, and how fast it goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from maskinfer.engine.errors import RequestError
from maskinfer.site.choose import WHYS
from maskinfer.site.label.answers import (
    OTHERS,
    Answer,
    Key,
    Labeller,
    labels_asked,
    read_labellers,
    save_answer,
    save_scenes,
)
from maskinfer.site.pool import Box, PoolPicture, read_pool

# A longer pause is a break, and no part of the speed.
_BREAK_S = 60.0
_RECENT = 60
_LEAST_SIDE_PX = 4.0
_MOST_LABELS = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """A face that is to be labelled."""

    picture: PoolPicture
    face: int


class Queue:
    """The faces of a place for one labeller; may be used by several threads.

    Args:
        site: the folder.
        name: of the labeller.
        again: ask for faces that others have answered too.
        only: ask for these faces once more, whoever has answered them; None for those that are open.
        added: labels to choose from besides.

    Attributes:
        labels: to choose from.

    Raises:
        RequestError: there are more labels than keys.
        SourceNotFoundError, SourceError: the folder cannot be read.
    """

    def __init__(
        self,
        site: Path,
        name: str,
        *,
        again: bool = False,
        only: Collection[Key] | None = None,
        added: Sequence[str] = (),
    ) -> None:
        self._site, self._again, self._only = site, again, only
        self._lock = threading.Lock()
        self.pool = read_pool(site)
        self._by_id = {picture.id: picture for picture in self.pool}
        self._labellers = read_labellers(site)
        self.labels = labels_asked(self.pool, self._labellers, added)
        if len(self.labels) > _MOST_LABELS:
            raise RequestError(f"there are keys for {_MOST_LABELS} labels, and not for {', '.join(self.labels)}")
        self._me = self._labellers.setdefault(name, Labeller(name))
        self._done: list[Key] = []
        # Pictures that are asked for the best reason first; those of the test part among them, as they came.
        self._order = sorted(self.pool, key=lambda picture: WHYS.index(picture.why))

    def has_picture(self, picture: str) -> bool:
        """Tell whether there is such a picture."""
        return picture in self._by_id

    def now(self) -> dict[str, Any]:
        """Return what the page shows: the next face, the faces around it, and how far it is."""
        with self._lock:
            return self._now()

    def answer(self, picture: str, face: int, label: str, bbox: Box | None) -> dict[str, Any]:
        """Note what was said of a face, and return what comes next.

        Raises:
            RequestError: there is no such picture, face or label, or the box cannot be.
        """
        with self._lock:
            known = self._known(picture, label)
            if not 0 <= face < len(known.faces):
                raise RequestError(f"there is no face {face} in the picture {picture}")
            box = None if bbox is None else _checked(bbox, known)
            self._save(Answer(picture, face, label, box, time.time()))
            return self._now()

    def add(self, picture: str, label: str, bbox: Box) -> dict[str, Any]:
        """Note a face that was not found, and return what comes next."""
        with self._lock:
            known = self._known(picture, label)
            numbers = [number for one in self._labellers.values() for name, number in one.answers if name == picture]
            number = max([len(known.faces) - 1, *numbers]) + 1
            self._save(Answer(picture, number, label, _checked(bbox, known), time.time()))
            return self._now()

    def undo(self) -> dict[str, Any]:
        """Take the last answer of this session back, and return what comes next: the same face again."""
        with self._lock:
            if self._done:
                picture, face = self._done.pop()
                save_answer(self._site, self._me, Answer(picture, face, None, None, time.time()))
            return self._now()

    def save(self) -> int:
        """Write what training and evaluation read; return how many pictures are done."""
        with self._lock:
            return save_scenes(self._site, self.pool, self._labellers)

    def _save(self, answer: Answer) -> None:
        save_answer(self._site, self._me, answer)
        self._done.append((answer.picture, answer.face))

    def _known(self, picture: str, label: str) -> PoolPicture:
        if picture not in self._by_id:
            raise RequestError(f"there is no picture {picture!r:.40}")
        if label not in (*self.labels, *OTHERS):
            raise RequestError(f"{label!r:.40} is no answer: expected one of {', '.join((*self.labels, *OTHERS))}")
        return self._by_id[picture]

    def _is_open(self, key: Key) -> bool:
        if self._only is not None:
            return key in self._only and key not in self._done
        others = () if self._again else self._labellers.values()
        return key not in self._me.answers and all(key not in one.answers for one in others)

    def _next(self) -> Asked | None:
        return next((Asked(p, i) for p in self._order for i in range(len(p.faces)) if self._is_open((p.id, i))), None)

    def _now(self) -> dict[str, Any]:
        every = [(picture.id, i) for picture in self.pool for i in range(len(picture.faces))]
        every = every if self._only is None else [key for key in every if key in self._only]
        left = sum(self._is_open(key) for key in every)
        record: dict[str, Any] = {
            "total": len(every),
            "left": left,
            "per_hour": self._per_hour(),
            "can_undo": bool(self._done),
            "face": None,
        }
        asked = self._next()
        if asked is not None:
            record["face"] = self._shown(asked)
        return record

    def _shown(self, asked: Asked) -> dict[str, Any]:
        picture = asked.picture
        added = [
            answer.bbox
            for (name, number), answer in self._me.answers.items()
            if name == picture.id and number >= len(picture.faces)
        ]
        return {
            "picture": picture.id,
            "number": asked.face,
            "size_wh": picture.size_wh,
            "bbox": picture.faces[asked.face].bbox,
            "others": [face.bbox for i, face in enumerate(picture.faces) if i != asked.face] + added,
            "camera": picture.camera,
            "taken": picture.taken,
            "part": picture.part,
            # What the model says of it is not shown: it would be believed.
        }

    def _per_hour(self) -> int | None:
        times = self._me.times[-_RECENT:]
        gaps = [b - a for a, b in pairwise(times) if 0 < b - a < _BREAK_S]
        return round(3600 * len(gaps) / sum(gaps)) if len(gaps) >= 3 else None


def _checked(bbox: Box, picture: PoolPicture) -> Box:
    left, top, right, bottom = bbox
    width, height = picture.size_wh
    box = (max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
    if min(box[2] - box[0], box[3] - box[1]) < _LEAST_SIDE_PX:
        raise RequestError(
            f"the box {list(bbox)} is too small, or lies outside of its picture of {width}x{height} pixels"
        )
    return box

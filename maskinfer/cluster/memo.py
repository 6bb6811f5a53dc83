"""What the models said, known again by the very pixels they were shown.

A long video is looked at in pieces, on several machines. Then one of them goes through all of it in order, as if there
had been no pieces, and finds what the models said by a fingerprint of each picture and each crop; where it finds
nothing, it asks the models. So its results are those of one run, whatever the pieces were.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from maskinfer.engine.errors import SourceError
from maskinfer.engine.faces.protocols import AroundClassifier, Look, PictureDetector
from maskinfer.engine.frames.picture import AnyPicture, Picture, as_picture
from maskinfer.engine.results import BGRBatch, Detections, FloatArray

_KEY_BYTES = 16


@dataclass(slots=True)
class Memo:
    """What was said of pictures and crops, by their fingerprints.

    Attributes:
        found: the faces of each picture.
        said: of each crop, the probabilities, float32 (labels,), and what else the classifier says of it.
    """

    found: dict[bytes, Detections] = field(default_factory=dict)
    said: dict[bytes, tuple[FloatArray, float | None, float | None]] = field(default_factory=dict)

    def save(self, file: Path) -> None:
        """Write it as numpy's ``.npz``."""
        found, said = list(self.found.values()), list(self.said.values())
        arrays: dict[str, Any] = {
            "pictures": _keys(self.found),
            "counts": np.array([len(one) for one in found], np.int32),
            "xyxy": np.concatenate([np.zeros((0, 4), np.float32), *(one.xyxy for one in found)]),
            "scores": np.concatenate([np.zeros(0, np.float32), *(one.scores for one in found)]),
            "crops": _keys(self.said),
        }
        if all(one.landmarks is not None for one in found):
            points = (one.landmarks for one in found if one.landmarks is not None)
            arrays["landmarks"] = np.concatenate([np.zeros((0, 5, 2), np.float32), *points])
        if said:
            arrays["rows"] = np.stack([row for row, _, _ in said])
        for column, name in enumerate(("face", "bare"), 1):
            if said and all(one[column] is not None for one in said):
                arrays[name] = np.array([one[column] for one in said], np.float32)
        with file.open("wb") as opened:
            np.savez(opened, **arrays)

    @staticmethod
    def load(file: Path) -> Memo:
        """Read what ``save`` wrote.

        Raises:
            SourceError: it is something else.
        """
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return _from_arrays(dict(arrays))
        except (OSError, ValueError, KeyError, zlib.error) as error:
            raise SourceError(f"{file} does not hold what models said: {error}") from error


def _keys(keys: Sequence[bytes] | dict[bytes, Any]) -> Any:
    return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, _KEY_BYTES)


def _from_arrays(arrays: dict[str, Any]) -> Memo:
    memo = Memo()
    starts = np.concatenate([[0], np.cumsum(arrays["counts"])])
    points = arrays.get("landmarks")
    for key, start, end in zip(arrays["pictures"], starts, starts[1:], strict=False):
        landmarks = None if points is None else points[start:end]
        memo.found[key.tobytes()] = Detections(arrays["xyxy"][start:end], arrays["scores"][start:end], landmarks)
    for i, key in enumerate(arrays["crops"]):
        rest = (None if name not in arrays else arrays[name][i] for name in ("face", "bare"))
        memo.said[key.tobytes()] = (arrays["rows"][i], *rest)
    return memo


def picture_key(picture: Picture) -> bytes:
    """Return the fingerprint of a picture: two that share one have the same pixels, but for one in 2**32 or less.

    A CRC alone would be enough against chance; the sums beside it cost a tenth of it.
    """
    parts = []
    for plane in picture.arrays():
        pixels = np.ascontiguousarray(plane).reshape(-1)
        words = pixels[: pixels.size // 8 * 8].view(np.uint64)
        total, mixed = int(words.sum(dtype=np.uint64)), int(np.bitwise_xor.reduce(words, initial=np.uint64(0)))
        parts.append((plane.shape, zlib.crc32(pixels.data), total, mixed))
    return _digest(repr(parts).encode())


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_KEY_BYTES).digest()


Find = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class KnownDetector:
    """A detector that is asked only about pictures of which nobody knows what it says.

    Attributes:
        model: the detector.
        find: returns the faces of a picture by its fingerprint; None when nobody knows.
        learn: is told what the model says.
    """

    model: PictureDetector
    find: Callable[[bytes], Detections | None]
    learn: Callable[[bytes, Detections], None] = lambda key, found: None

    def __call__(self, frames: Sequence[AnyPicture], /) -> list[Detections]:
        """Return the faces of each frame; see ``PictureDetector``."""
        pictures = [as_picture(frame) for frame in frames]
        keys = [picture_key(picture) for picture in pictures]
        known = {key: found for key in keys if (found := self.find(key)) is not None}
        unknown = {key: picture for key, picture in zip(keys, pictures, strict=True) if key not in known}
        for key, found in zip(unknown, self.model(list(unknown.values())), strict=True):
            known[key] = found
            self.learn(key, found)
        return [known[key] for key in keys]


Said = tuple[FloatArray, float | None, float | None]


@dataclass(frozen=True, slots=True)
class KnownClassifier(AroundClassifier):
    """A classifier that is asked only about crops of which nobody knows what it says.

    Attributes:
        model: the classifier.
        find: returns what it says of a crop by its fingerprint; None when nobody knows.
        learn: is told what the model says.
    """

    find: Callable[[bytes], Said | None]
    learn: Callable[[bytes, Said], None] = lambda key, said: None

    def look(self, crops: BGRBatch, /) -> Look:
        """Return all that the model says of each crop."""
        keys = [_digest(crop.tobytes()) for crop in crops]
        known = {key: said for key in keys if (said := self.find(key)) is not None}
        unknown = {key: i for i, key in enumerate(keys) if key not in known}
        if unknown or not keys:
            look = self.model.look(crops[list(unknown.values())])
            rests = [[None] * len(unknown) if column is None else column for column in (look.face, look.bare)]
            for key, row, face, bare in zip(unknown, look.probabilities, *rests, strict=True):
                known[key] = row, face, bare
                self.learn(key, known[key])
            if not keys:
                return look
        rows, *columns = zip(*(known[key] for key in keys), strict=True)
        face, bare = (None if column[0] is None else np.array(column, np.float32) for column in columns)
        return Look(np.stack(rows), face, bare)

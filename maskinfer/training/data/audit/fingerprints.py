"""Fingerprints of pictures: what an audit keeps of each to tell which show the same photo."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import SourceError
from maskinfer.engine.files.images import read_image

# At this size the features of a face are still found, and a picture takes 10 ms and 35 kB.
SIDE_PX = 160
_MAX_FEATURES = 120
_HASH_SIDE = 16
_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True)
class Print:
    """The fingerprint of one picture.

    Attributes:
        sha256: of the file's bytes, hexadecimal.
        size_wh: in pixels, upright.
        grey: uint8 (height, width), 0 to 255; the longer side is ``SIDE_PX``.
        hash: int8 (255,), 1 or -1: signs of the lowest frequencies of the cosine transform, brightness left out.
        points: float32 (N, 2), x and y of SIFT features in pixels of ``grey``.
        features: uint8 (N, 128), their descriptors, square-rooted and scaled to 0 to 255.
    """

    sha256: str
    size_wh: tuple[int, int]
    grey: NDArray[np.uint8]
    hash: NDArray[np.int8]
    points: NDArray[np.float32]
    features: NDArray[np.uint8]


def take_print(path: Path) -> Print | SourceError:
    """Return the fingerprint of a picture, or why it cannot be read."""
    try:
        bgr = read_image(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except SourceError as error:
        return error
    except OSError as error:
        return SourceError(f"{path} cannot be read: {error.strerror}")
    height, width = bgr.shape[:2]
    scale = SIDE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    grey = np.asarray(cv2.resize(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), size, interpolation=method), np.uint8)
    return Print(sha256, (width, height), grey, _hash(grey), *_features(grey))


def _hash(grey: NDArray[np.uint8]) -> NDArray[np.int8]:
    small = cv2.resize(grey, (2 * _HASH_SIDE, 2 * _HASH_SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(np.asarray(small, np.float32))[:_HASH_SIDE, :_HASH_SIDE]
    return np.where(low > 0, 1, -1).astype(np.int8).ravel()[1:]


# Mirroring turns the sign of every odd frequency along x.
MIRROR_SIGNS: NDArray[np.int8] = np.tile(np.array([1, -1], np.int8), _HASH_SIDE * _HASH_SIDE // 2)[1:]


def _features(grey: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Find SIFT features (Lowe, IJCV 2004); their roots compare better (Arandjelovic and Zisserman, CVPR 2012)."""
    keypoints, found = cv2.SIFT.create(_MAX_FEATURES).detectAndCompute(grey, None)
    if not keypoints:  # then there are no descriptors either
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8)
    roots = np.sqrt(found / np.maximum(found.sum(1, keepdims=True), 1e-6))
    points = np.array([keypoint.pt for keypoint in keypoints], np.float32)
    return points, np.asarray(roots * 255, np.uint8)


def mirrored_features(features: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the descriptors, uint8 (N, 128), that the mirrored picture's features have.

    A descriptor is 4 x 4 cells of 8 directions, turned to the feature's own direction: mirroring swaps the cells
    across that direction and the sense of turning.
    """
    cells = features.reshape(-1, 4, 4, 8)[:, ::-1]
    return np.ascontiguousarray(cells[..., -np.arange(8) % 8].reshape(-1, 128))


def in_threads(function: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
    """Yield a function's results in the order of the items, which are worked on by as many threads as there are cores.

    OpenCV lets go of Python's lock, so threads do. Few items are under way at a time, so that Ctrl-C is quick.
    """
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    source = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[_Out]] = deque(pool.submit(function, item) for item in islice(source, 4 * workers))
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(function, item) for item in islice(source, 1))
            yield result

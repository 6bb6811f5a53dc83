"""Which pairs of many pictures are worth a close look: every pair is asked, but only by matrix products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import FloatArray
from maskinfer.training.data.audit.fingerprints import MIRROR_SIGNS, Print, mirrored_features

# Of the hash's 255 signs; unrelated portraits agree in 150 or so.
_MIN_EQUAL_SIGNS = 204
# Cosine of two pictures' features as a whole: 0.1 is passed by 1 in 200 unrelated pairs and by all but a few related.
_MIN_COSINE = 0.12
# A picture with more copies than this hangs together with the rest by way of them.
_MOST_PER_PICTURE = 24
# In a small folder features are learned from few pictures and tell less, but there is time to look at more pairs.
_PAIRS_IN_ANY_CASE = 10_000
_WORDS, _WORD_LENGTH = 64, 32
_SAMPLED_FEATURES = 40_000
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two pictures that may show the same photo.

    Attributes:
        a: index of the one.
        b: index of the other, larger than ``a``.
        mirrored: the other is to be mirrored first.
        same_layout: their hashes are alike: light and dark lie in the same places.
    """

    a: int
    b: int
    mirrored: bool
    same_layout: bool


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    mean: FloatArray
    axes: FloatArray
    words: FloatArray


def find_candidates(prints: Sequence[Print]) -> list[Candidate]:
    """Return the pairs of pictures that resemble each other as a whole, in a fixed order."""
    found: dict[tuple[int, int, bool], bool] = {}
    for pairs, same_layout in ((_alike_in_features(prints), False), (_alike_in_layout(prints), True)):
        for a, b, mirrored in pairs:
            found[min(a, b), max(a, b), mirrored] = same_layout
    return [Candidate(*key, same_layout) for key, same_layout in sorted(found.items())]


def _alike_in_layout(prints: Sequence[Print]) -> Iterator[tuple[int, int, bool]]:
    if not prints:
        return
    signs = np.stack([p.hash for p in prints]).astype(np.float32)
    least = 2 * _MIN_EQUAL_SIGNS - signs.shape[1]
    for mirrored in (False, True):
        for start in range(0, len(signs), _BLOCK):
            block = signs[start : start + _BLOCK]
            products = np.asarray((block * MIRROR_SIGNS if mirrored else block) @ signs.T, np.float32)
            yield from _best(products, start, least, mirrored)


def _alike_in_features(prints: Sequence[Print]) -> Iterator[tuple[int, int, bool]]:
    vocabulary = _learn([p.features for p in prints])
    if vocabulary is None:
        return
    blocks = [prints[start : start + _BLOCK] for start in range(0, len(prints), _BLOCK)]
    vectors = np.concatenate([_describe([p.features for p in block], vocabulary) for block in blocks])
    always = _PAIRS_IN_ANY_CASE // len(prints)
    for i, block in enumerate(blocks):
        mirrored = _describe([mirrored_features(p.features) for p in block], vocabulary)
        yield from _best(vectors[i * _BLOCK : (i + 1) * _BLOCK] @ vectors.T, i * _BLOCK, _MIN_COSINE, False, always)
        yield from _best(mirrored @ vectors.T, i * _BLOCK, _MIN_COSINE, True, always)


def _best(
    likeness: FloatArray, start: int, least: float, mirrored: bool, always: int = 0
) -> Iterator[tuple[int, int, bool]]:
    """Yield each row's best columns: those of at least a likeness, and the first few whatever theirs is.

    The rows are those of all pictures from ``start`` on; a picture is not its own match.
    """
    rows = np.arange(len(likeness))
    likeness[rows, start + rows] = -np.inf
    most = min(_MOST_PER_PICTURE, likeness.shape[1])
    columns = np.argpartition(likeness, -most, axis=1)[:, -most:]
    values = np.take_along_axis(likeness, columns, axis=1)
    ranks = (-values).argsort(axis=1).argsort(axis=1)
    passed = ((values >= least) | (ranks < always)) & (values > -np.inf)
    for row, column in zip(*np.nonzero(passed), strict=True):
        yield int(start + row), int(columns[row, column]), mirrored


def _learn(features: Sequence[NDArray[np.uint8]]) -> _Vocabulary | None:
    """Learn from the pictures' own features what features there are."""
    every = np.concatenate(features) if features else np.zeros((0, 128), np.uint8)
    if len(every) < _WORDS:
        return None
    chosen = np.random.default_rng(0).permutation(len(every))[:_SAMPLED_FEATURES]
    sample = np.concatenate([every[chosen], mirrored_features(every[chosen])]).astype(np.float32)
    mean = sample.mean(0)
    _, directions = np.linalg.eigh(np.cov((sample - mean).T))
    axes = np.ascontiguousarray(directions[:, -_WORD_LENGTH:], np.float32)
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 1e-3)
    _, _, words = cv2.kmeans((sample - mean) @ axes, _WORDS, None, stop, 1, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    return _Vocabulary(mean, axes, np.asarray(words, np.float32))


def _describe(features: Sequence[NDArray[np.uint8]], vocabulary: _Vocabulary) -> FloatArray:
    """Return each picture's features as one unit vector, float32 (N, 2048): VLAD (Jegou et al., CVPR 2010).

    Each word's part has length 1 before all are joined, so that a repeated pattern does not outweigh the rest
    (Arandjelovic and Zisserman, CVPR 2013).
    """
    short = (np.concatenate(features) - vocabulary.mean) @ vocabulary.axes
    nearest = ((vocabulary.words**2).sum(1) - 2 * short @ vocabulary.words.T).argmin(1)
    owner = np.repeat(np.arange(len(features)), [len(f) for f in features])
    vectors = np.zeros((len(features), _WORDS, _WORD_LENGTH), np.float32)
    np.add.at(vectors, (owner, nearest), short - vocabulary.words[nearest])
    vectors /= np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-6)
    flat = vectors.reshape(len(features), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)
